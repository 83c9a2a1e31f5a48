"""A wrong argument is told by its name; a right one, whatever its type, goes through unchanged."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import pytest

from spikewise._arguments import check_argument, checks_arguments
from spikewise.errors import ParameterError
from spikewise.workload import LayerShape

LAYER = LayerShape("a", "linear", 2, 3)


class Asked(Protocol):
    def ready(self) -> bool: ...


@pytest.mark.parametrize(
    ("hint", "right", "wrong"),
    [
        (int, [3, np.int8(3), np.uint64(2**62)], ["3", 3.0, True, None, np.ones(2), 10**30]),
        (float, [3, 0.5, np.float32(0.5), np.int64(1), float("nan")], ["0.5", True, None, 1j, [0.5]]),
        (bool, [True, np.bool_(False)], [1, "yes", None]),
        (str, ["", np.str_("a")], [b"a", 3, None]),
        (Literal["a", "b"], ["a"], ["c", 3, None, ["a"], np.ones(2)]),
        (Literal["a", "b"] | None, ["a", None], ["c", 3]),
        (int | None, [3, None], ["3"]),
        (Annotated[int, "more"], [3], ["3"]),
        (str | os.PathLike[str], ["a", Path("a")], [3, None, b"a", "a\0b"]),
        (tuple[int, int], [(1, 2), [1, 2], np.array([1, 2])], [(1,), (1, 2, 3), (1, "2"), 12, "12", {1, 2}]),
        (tuple[str, ...], [(), ("a", "b"), ["a"], np.array(["a"])], ["ab", (1,), None, {"a"}]),
        (Sequence[LayerShape], [[LAYER], ()], [LAYER, ["a"], None, iter([LAYER])]),
        (Sequence[int], [[1], np.array([1, 2])], ["12", [1.5], {1}]),
        (Iterable[int], [[1], iter([1]), {1}], [3, None, "12"]),
        (Mapping[str, int], [{"a": 1}], [[("a", 1)], None, "a"]),
        (Callable[[int], int], [len, LayerShape], [3, "len"]),
        (LayerShape, [LAYER], [LayerShape, "a", None, {"name": "a"}]),
        (np.random.Generator, [np.random.default_rng(0)], [0, np.random, None]),
        (Asked, ["whatever", 3], []),
        (Any, ["whatever", 3], []),
        (np.ndarray[Any, np.dtype[np.float64]], ["whatever", 3], []),
    ],
)
def test_a_value_is_of_the_kind_that_its_annotation_says(hint, right, wrong):
    for value in right:
        check_argument("it", value, hint)
    for value in wrong:
        with pytest.raises(ParameterError, match=r"^it must be ") as told:
            check_argument("it", value, hint)
        assert len(str(told.value)) < 200


def test_a_wrong_name_is_compared_with_the_known_ones():
    with pytest.raises(ParameterError, match="it must be one of fast, slow; got 'fats'"):
        check_argument("it", "fats", Literal["slow", "fast"] | None)


def test_functions_keep_their_names_and_take_arguments_by_place_and_by_name():
    @checks_arguments
    def twice(value: int, scale: float = 2.0, **rest: int) -> float:
        """Double."""
        return value * scale

    assert (twice.__name__, twice.__doc__, twice(3), twice(value=3, scale=1)) == ("twice", "Double.", 6, 3)
    for args, named in (((3.5,), {}), ((), {"value": "3"}), ((3,), {"scale": "2"})):
        with pytest.raises(ParameterError):
            twice(*args, **named)
    assert twice(3, other="unchecked") == 6


def test_a_class_checks_what_it_is_made_of():
    @checks_arguments
    @dataclass(frozen=True, slots=True)
    class Pair:
        first: int
        second: "str" = "b"

    assert Pair(1) == Pair(first=1, second="b")
    with pytest.raises(ParameterError, match="second must be text; got 3"):
        Pair(1, 3)


def test_what_only_a_type_checker_can_look_up_is_not_checked():
    @checks_arguments
    def show(value: "Unknown", n: int) -> int:  # noqa: F821
        return n

    assert show(3, 4) == 4
    with pytest.raises(ParameterError, match="n must be an integer"):
        show(3, "4")
