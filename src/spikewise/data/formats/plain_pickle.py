"""Decode plain data from a pickle without running it.

A pickle is a program for a small stack machine, and two of its instructions, ``GLOBAL`` and ``REDUCE``, import and
call whatever they name. Here :func:`pickletools.genops` only splits the program into
instructions, and our own machine executes the harmless ones: numbers, strings, lists, dictionaries, tuples.
The three names with which NumPy pickles an array become inert tuples, and the array is built from its bytes.
All other names and instructions are refused, so a hostile file can do no harm.
"""

import math
import pickletools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise.errors import DataError

# NumPy 2 renamed its module to _core.
_RECONSTRUCT = {f"numpy.{core}.multiarray _reconstruct" for core in ("core", "_core")}
_NAMES = _RECONSTRUCT | {"numpy ndarray", "numpy dtype"}
_BYTE = "u1"  # unsigned bytes, the only type of array that is read

_PUSH = {"INT", "BININT", "BININT1", "BININT2", "LONG1", "SHORT_BINSTRING", "BINSTRING", "BINUNICODE"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MAX_INSTRUCTIONS = 1_000_000  # the training part of CIFAR-100 has about 250,000
_MAX_DIMS = 32


class _ByteArray:
    """Placeholder of an array of bytes, which the BUILD instruction of NumPy's pickles fills."""

    def __init__(self) -> None:
        self.value: NDArray[np.uint8] | None = None

    def fill(self, state: Any, most: int) -> int:
        """Take type, shape and content from the state, of at most so many bytes; return how many they are."""
        _, shape, dtype, is_fortran, content = state
        if dtype != ("dtype", _BYTE) or len(shape) > _MAX_DIMS or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError("an array is none of bytes")
        if len(content) != math.prod(shape):
            raise ValueError(f"an array holds {len(content)} bytes where {shape} are announced")
        if len(content) > most:
            raise ValueError("its arrays share their bytes and would hold more than it does")
        raw = content.encode("latin-1")  # genops decodes byte strings as Latin-1, one character per byte
        self.value = np.frombuffer(raw, np.uint8).reshape(shape, order="F" if is_fortran else "C")
        return len(raw)


def read_pickle(content: bytes, where: str) -> Any:
    """Decode a pickle of protocol 2, as Python 2 wrote them, of plain values and arrays of bytes.

    Parameters
    ----------
    content : bytes
        The pickle. Its byte strings are returned as text, one character per byte.
    where : str
        Name of the source in error messages.

    Raises
    ------
    DataError
        If the pickle is damaged or contains anything but plain data.

    Examples
    --------
    >>> import pickle
    >>> read_pickle(pickle.dumps({"labels": [1, 2]}, protocol=2), "batch")
    {'labels': [1, 2]}
    >>> read_pickle(pickle.dumps(print, protocol=2), "batch")
    Traceback (most recent call last):
    spikewise.errors.DataError: batch must be a pickle of plain data; it names '__builtin__ print'.
    """
    machine = _Machine(len(content))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of escapes in a string, which is refused anyway
            for count, (instruction, argument, _) in enumerate(pickletools.genops(content)):
                if count == _MAX_INSTRUCTIONS:
                    raise ValueError(f"it has more than {count:,} instructions")
                machine.execute(instruction.name, argument)
        (value,) = machine.stack
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise DataError(f"{where} must be a pickle of plain data; {error}.") from None
    return _finished(value)


def _finished(value: Any) -> Any:
    """Replace placeholders by their arrays; in a CIFAR batch they are never nested deeper."""
    if isinstance(value, dict):
        return {key: item.value if isinstance(item, _ByteArray) else item for key, item in value.items()}
    return value.value if isinstance(value, _ByteArray) else value


class _Machine:
    """The stack machine of pickles, without its power to import and to call."""

    def __init__(self, n_bytes: int) -> None:
        self.n_left = n_bytes  # bytes of its arrays: a pickle names a value again for nothing, as often as it likes
        self.stack: list[Any] = []
        self.marks: list[int] = []  # positions on the stack where groups of values begin
        self.memo: dict[int, Any] = {}

    def execute(self, name: str, argument: Any) -> None:
        """Run one instruction."""
        if name in _PUSH:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in _TUPLES:
            self.stack.append(tuple(self._last(_TUPLES[name])))
        elif name not in ("PROTO", "STOP"):
            self._compose(name, argument)

    def _compose(self, name: str, argument: Any) -> None:
        """Run an instruction that combines values on the stack."""
        match name:
            case "MARK":
                self.marks.append(len(self.stack))
            case "TUPLE":
                self.stack.append(tuple(self._since_mark()))
            case "APPEND":
                self._extend(self._last(1))
            case "APPENDS":
                self._extend(self._since_mark())
            case "SETITEM":
                self._set(self._last(2))
            case "SETITEMS":
                self._set(self._since_mark())
            case "GLOBAL":
                if argument not in _NAMES:
                    raise ValueError(f"it names {argument!r}")
                self.stack.append(("name", argument))
            case "REDUCE":
                self.stack.append(self._call(*self._last(2)))
            case "BUILD":
                (state,) = self._last(1)
                # The state of a dtype (byte order and the like) says nothing about unsigned bytes.
                if isinstance(self.stack[-1], _ByteArray):
                    self.n_left -= self.stack[-1].fill(state, self.n_left)
            case _:
                raise ValueError(f"it uses the instruction {name}")

    def _call(self, function: Any, arguments: Any) -> Any:
        """Return a stand-in for the result of the two calls in the pickle of an array; refuse all other calls."""
        if function == ("name", "numpy dtype"):
            return ("dtype", arguments[0])
        # Only text is looked up: the hash of tuples that hold one another twice takes exponential time.
        if function[0] == "name" and isinstance(function[1], str) and function[1] in _RECONSTRUCT:
            return _ByteArray()
        raise ValueError("it calls what is no array")

    def _last(self, count: int) -> list[Any]:
        # Values below the newest mark belong to an unfinished group and must not be taken.
        return self._cut(len(self.stack) - count, self.marks[-1] if self.marks else 0)

    def _since_mark(self) -> list[Any]:
        place = self.marks.pop()
        return self._cut(place, place)

    def _cut(self, place: int, lowest: int) -> list[Any]:
        if place < lowest:
            raise ValueError("a value is missing")
        values = self.stack[place:]
        del self.stack[place:]
        return values

    def _extend(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise ValueError("it appends to what is no list")
        self.stack[-1].extend(values)

    def _set(self, values: list[Any]) -> None:
        keys = values[::2]
        if type(self.stack[-1]) is not dict or not all(type(key) is str for key in keys):
            raise ValueError("it has a dictionary whose keys are no text")
        self.stack[-1].update(zip(keys, values[1::2], strict=True))
