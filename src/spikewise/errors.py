"""Exceptions of spikewise; each one also inherits from the builtin exception that fits it.

::

    SpikewiseError
      ParameterError    (ValueError)   a value the caller chose
      ShapeError        (ValueError)   an array that does not fit
      CapacityError     (ValueError)   a network that does not fit on the chip
      DataError         (ValueError)   a file or an array with wrong content
      RunError          (OSError)      a run folder that cannot be used
      DownloadError     (OSError)      a file that could not be fetched
      MissingExtraError (ImportError)  an optional dependency that is not installed

Every message says what must hold, which value was given and what to do. The command line shows the message
alone and ends with exit code 2.
"""

import difflib
import importlib
import math
import operator
import re
from collections.abc import Iterable
from types import ModuleType
from typing import Any


class SpikewiseError(Exception):
    """Base of every error that spikewise raises on purpose; its message is one line of at most 800 characters."""

    def __init__(self, message: object = "") -> None:
        super().__init__(_one_line(str(message)))


_LONGEST = 800
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def _one_line(message: str) -> str:
    """Return a message without control characters, and without its middle if it is long: names come out of files."""
    line = _UNPRINTABLE.sub(" ", message)
    # The end says what to do.
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 305]} ... {line[-300:]}"


class ParameterError(SpikewiseError, ValueError):
    """An argument or a setting has a value that is not allowed."""


class ShapeError(SpikewiseError, ValueError):
    """An array has the wrong shape."""


class CapacityError(SpikewiseError, ValueError):
    """A network does not fit on the chip."""


class DataError(SpikewiseError, ValueError):
    """A file or an array has wrong or damaged content."""


class RunError(SpikewiseError, OSError):
    """A run folder cannot be read, written or locked."""


class DownloadError(SpikewiseError, OSError):
    """A file could not be downloaded."""


class MissingExtraError(SpikewiseError, ImportError):
    """An optional dependency is needed but not installed."""


def unknown_name(what: str, name: object, known: Iterable[str]) -> ParameterError:
    """Return a ParameterError for an unknown name; its message lists the known names and suggests the closest.

    Examples
    --------
    >>> print(unknown_name("data set", "minst", ["digits", "mnist"]))
    data set must be one of digits, mnist; got 'minst'. Did you mean 'mnist'?
    """
    choices = sorted(known)
    near = difflib.get_close_matches(str(name), choices, n=1, cutoff=0.5)
    advice = f"Did you mean {near[0]!r}?" if near else "Choose one of these."
    return ParameterError(f"{what} must be one of {', '.join(choices)}; got {name!r}. {advice}")


_MOST_WHOLE = 2**63 - 1


def whole_number(what: str, value: Any, least: int, most: int | None = None) -> int:
    """Return the value of any integer type as an int; raise ParameterError if it lies outside ``least..most``.

    Examples
    --------
    >>> import numpy as np
    >>> whole_number("n_steps", np.int64(4), 1)
    4
    """
    # operator.index takes NumPy integers and refuses 4.0. A bool is an int in Python, but True is not a count.
    try:
        found = None if isinstance(value, bool) else int(operator.index(value))
    except TypeError:
        found = None
    if found is None or found < least or found > (_MOST_WHOLE if most is None else most):
        is_huge = most is None and found is not None and found > _MOST_WHOLE
        bounds = f"be an integer of at least {least}" if most is None else f"lie in {least}..{most}, an integer"
        bounds = f"{bounds}, of 64 bits" if is_huge else bounds
        raise ParameterError(f"{what} must {bounds}; got {value!r}.")
    return found


def positive_number(what: str, value: Any, most: float, *, zero: bool = False) -> float:
    """Return the value as a float; raise ParameterError outside (0, most], or outside [0, most] if ``zero``.

    Examples
    --------
    >>> positive_number("gain", 6, 1000)
    6.0
    """
    # float() would also convert text and bools. NaN stands for "not a number": no comparison below accepts it.
    try:
        found = math.nan if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not (0 < found <= most or (zero and found == 0)) or math.isinf(found):
        bounds = f"{'[' if zero else '('}0, {most:g}{')' if math.isinf(most) else ']'}"
        raise ParameterError(f"{what} must be a number in {bounds}; got {value!r}.")
    return found


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module; if it is missing, the error names the extra that installs it.

    Parameters
    ----------
    module : str
        Name of the module, such as ``"torch"``.
    extra : str
        The extra of spikewise that installs it.

    Raises
    ------
    MissingExtraError
        If the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # The module itself may be installed while one of its own imports is missing: our extra would not help then.
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtraError(
            f"this needs the package {module!r}, which is not installed. Run: pip install 'spikewise[{extra}]'"
        ) from None
