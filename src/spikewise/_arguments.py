"""Check the arguments of a public function by their annotations, before it runs.

``@checks_arguments`` stands above a public function, method or dataclass. Numbers, names, paths, functions, sequences
and values of our own types are compared with the annotation, so that a wrong one is told in a sentence that names it,
not by the line in which it first hurts. Arrays have gates of their own (:mod:`spikewise._gates`), and so have
protocols, such as exit rules and networks; ranges are checked where they are known.
"""

import collections.abc
import functools
import inspect
import numbers
import operator
import os
import sys
import types
import typing
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, TypeVar

from spikewise.errors import ParameterError, unknown_name

_Target = TypeVar("_Target", bound=Callable[..., Any])
_Test = Callable[[Any], bool]

_UNCHECKED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_SHOWN = 60  # characters of a wrong value


def checks_arguments(target: _Target) -> _Target:
    """Return the function, or the class whose constructor checks, with its arguments checked at every call.

    Raises
    ------
    ParameterError
        At a call whose argument is of another kind than its annotation.

    Examples
    --------
    >>> @checks_arguments
    ... def wait(n_steps: int, how: typing.Literal["quick", "slow"] = "slow", scale: float | None = None):
    ...     return n_steps
    >>> wait(3, scale=1)
    3
    >>> wait("3")
    Traceback (most recent call last):
        ...
    spikewise.errors.ParameterError: n_steps must be an integer; got '3'.
    >>> wait(3, "qick")
    Traceback (most recent call last):
        ...
    spikewise.errors.ParameterError: how must be one of quick, slow; got 'qick'. Did you mean 'quick'?
    """
    if inspect.isclass(target):
        setattr(target, "__init__", _checked(target.__init__, target))  # noqa: B010  mypy refuses an assignment
        return target
    return typing.cast("_Target", _checked(target, target))


def _checked(function: Any, named: Any) -> Any:
    # Names of annotations may stand further down in the file, so they are looked up at the first call.
    @functools.cache
    def rules() -> tuple[list[str], dict[str, tuple[Any, _Test]]]:
        names = [key for key, each in inspect.signature(function).parameters.items() if each.kind not in _UNCHECKED]
        tests = {key: (hint, _test(hint)) for key, hint in _hints(function, named) if key in names}
        return names, {key: (hint, test) for key, (hint, test) in tests.items() if test is not None}

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        names, tests = rules()
        for name, value in chain(zip(names, args, strict=False), kwargs.items()):
            if name in tests and not tests[name][1](value):
                check_argument(name, value, tests[name][0])
        return function(*args, **kwargs)

    return call


def check_argument(name: str, value: Any, hint: Any) -> None:
    """Raise ParameterError, which calls the value ``name``, if it is of another kind than the annotation ``hint``."""
    test = _test(hint)
    if test is None or test(value):
        return
    if (choices := [each for each in _options(hint) if each is not None]) and isinstance(value, str):
        raise unknown_name(name, value, map(str, choices))
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"a {type(value).__name__}"
    raise ParameterError(f"{name} must be {_words(hint)}; got {shown}.")


def _hints(function: Any, named: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name and annotation of each argument; those that cannot be looked up are left out."""
    space = vars(inspect.getmodule(named))
    for key, hint in getattr(function, "__annotations__", {}).items():
        try:
            yield key, typing.get_type_hints(types.SimpleNamespace(__annotations__={key: hint}), space)[key]
        except NameError:  # imported for the type checker alone
            continue


def _options(hint: Any) -> list[Any]:
    """Return the values that a Literal, or a Union of some, allows; none if it allows others."""
    if typing.get_origin(hint) is typing.Literal:
        return [*typing.get_args(hint)]
    if _is_union(hint):
        parts = [part for part in typing.get_args(hint) if part is not types.NoneType]
        found = [_options(part) for part in parts]
        return [*(value for each in found for value in each)] if all(found) else []
    return []


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


@functools.cache
def _test(hint: Any) -> _Test | None:
    """Return what tells whether a value fits an annotation; None if everything does, or arrays, which have gates."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _test(parts[0])
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if origin is typing.Literal:
        return lambda value: any(value is each or (type(value) is type(each) and value == each) for each in parts)
    if _is_union(hint):
        is_path = os.PathLike in parts or os.PathLike[str] in parts
        # A path may be text, but text with a zero byte is no path.
        tests = [_test(part) for part in parts if not (is_path and part is str)]
        return None if None in tests else _any_of([test for test in tests if test])
    if origin is tuple or hint is tuple:
        return _tuple_test(parts)
    if origin in _GROUPS:
        inner = _test(parts[0]) if parts and origin in _SEQUENCES else None
        is_kind = _is_sequence if origin in _SEQUENCES else (lambda value: isinstance(value, origin))
        return lambda value: (
            is_kind(value)
            and not isinstance(value, str | bytes)
            and (inner is None or all(inner(each) for each in value))
        )
    is_known = inspect.isclass(hint) and hint.__module__.split(".")[0] in ("spikewise", "torch", "numpy")
    # Protocols have gates of their own.
    return (lambda value: isinstance(value, hint)) if is_known and not getattr(hint, "_is_protocol", False) else None


def _any_of(tests: list[_Test]) -> _Test:
    first, *others = tests
    return lambda value: first(value) or any(test(value) for test in others)


def _tuple_test(parts: tuple[Any, ...]) -> _Test:
    repeats = len(parts) == 2 and parts[1] is ...
    inner = [_test(part) for part in parts if part is not ...]

    def test(value: Any) -> bool:
        if (
            not _is_sequence(value)
            or isinstance(value, str | bytes)
            or not (repeats or not parts or len(value) == len(parts))
        ):
            return False
        tests = inner * len(value) if repeats else inner
        return all(each is None or each(item) for each, item in zip(tests, value, strict=True)) if tests else True

    return test


def is_whole_number(value: Any) -> bool:
    """Whether a value is an integer of any type, of at most 64 bits; a truth value is none."""
    if type(value) is int:
        return -(2**63) < value < 2**63
    try:
        return not isinstance(value, bool) and abs(operator.index(value)) < 2**63  # longer ones fit nowhere
    except TypeError:
        return False


def _is_number(value: Any) -> bool:
    # The abstract class is asked last: that takes longer.
    return type(value) in (int, float) or (isinstance(value, numbers.Real) and not isinstance(value, bool))


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or (type(value).__module__, type(value).__name__) == ("numpy", "bool")


def _is_sequence(value: Any) -> bool:
    # Whoever brings an array has imported NumPy.
    numpy = sys.modules.get("numpy")
    is_array = numpy is not None and isinstance(value, numpy.ndarray) and value.ndim > 0
    return is_array or isinstance(value, collections.abc.Sequence)


def _is_path(value: Any) -> bool:
    return isinstance(value, str | os.PathLike) and "\0" not in str(value)


_SIMPLE: dict[Any, _Test] = {
    int: is_whole_number,
    float: _is_number,
    bool: _is_truth,
    str: lambda value: isinstance(value, str),
    types.NoneType: lambda value: value is None,
    os.PathLike: _is_path,
    os.PathLike[str]: _is_path,
}
_SEQUENCES = (collections.abc.Sequence,)
_GROUPS = (*_SEQUENCES, collections.abc.Iterable, collections.abc.Mapping, collections.abc.Callable)

_WORDS: dict[Any, str] = {
    int: "an integer",
    float: "a number",
    bool: "True or False",
    str: "text",
    types.NoneType: "None",
    os.PathLike: "a path",
    os.PathLike[str]: "a path",
    collections.abc.Sequence: "a sequence",
    collections.abc.Iterable: "an iterable",
    collections.abc.Mapping: "a mapping",
    collections.abc.Callable: "a function",
}


def _words(hint: Any) -> str:
    """Return the kind of value that an annotation asks for, in words."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _words(parts[0])
    if hint in _WORDS or origin in _WORDS:
        inner = f" of {_words(parts[0])} each" if origin in _SEQUENCES and parts and _test(parts[0]) else ""
        return _WORDS.get(hint, _WORDS.get(origin, "")) + inner
    if origin is typing.Literal:
        return "one of " + ", ".join(map(repr, parts))
    if _is_union(hint):
        words = [_words(part) for part in parts if not (part is str and os.PathLike[str] in parts)]
        return " or ".join(dict.fromkeys(words))
    if origin is tuple:
        what = _words(parts[0]) if parts else "values"
        return f"a tuple of {what} each" if ... in parts else f"{len(parts)} values in a tuple, {what} each"
    name = getattr(hint, "__name__", str(hint))
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
