"""The exceptions of spikewise, each one also the builtin a reader expects.

::

    SpikewiseError
      ParameterError    (ValueError)   a value the caller chose
      ShapeError        (ValueError)   an array that does not fit
      CapacityError     (ValueError)   a network that does not fit on the chip
      DataError         (ValueError)   a file that is not what it claims
      RunError          (OSError)      a run folder that cannot be used
      DownloadError     (OSError)      a file that could not be fetched
      MissingExtraError (ImportError)  an optional dependency that is not installed

Every message says what must hold; what came. What to do. The command line shows the message
alone and ends with exit code 2.
"""

from __future__ import annotations

import difflib
import importlib
import math
import operator
from collections.abc import Iterable
from types import ModuleType
from typing import Any


class SpikewiseError(Exception):
    """Base of every error that spikewise raises on purpose."""


class ParameterError(SpikewiseError, ValueError):
    """A value the caller chose lies outside what is possible."""


class ShapeError(SpikewiseError, ValueError):
    """An array does not have the shape that is needed."""


class CapacityError(SpikewiseError, ValueError):
    """A network does not fit on the chip."""


class DataError(SpikewiseError, ValueError):
    """A file or an array is not what it claims to be."""


class RunError(SpikewiseError, OSError):
    """A run folder cannot be read, written or locked."""


class DownloadError(SpikewiseError, OSError):
    """A file could not be fetched."""


class MissingExtraError(SpikewiseError, ImportError):
    """An optional dependency is needed and absent."""


def unknown_name(what: str, name: str, known: Iterable[str]) -> ParameterError:
    """Error for a name that nobody knows, with the nearest known one.

    Examples
    --------
    >>> print(unknown_name("data set", "minst", ["digits", "mnist"]))
    data set must be one of digits, mnist; got 'minst'. Did you mean 'mnist'?
    """
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    advice = f"Did you mean {near[0]!r}?" if near else "Choose one of these."
    return ParameterError(f"{what} must be one of {', '.join(choices)}; got {name!r}. {advice}")


def whole_number(what: str, value: Any, least: int, most: int | None = None) -> int:
    """The value as a plain int, whatever integer type it came in; raises ParameterError outside ``least..most``.

    Examples
    --------
    >>> import numpy as np
    >>> whole_number("n_steps", np.int64(4), 1)
    4
    """
    try:
        found = None if isinstance(value, bool) else int(operator.index(value))
    except TypeError:
        found = None
    if found is None or found < least or (most is not None and found > most):
        bounds = f"be an integer of at least {least}" if most is None else f"lie in {least}..{most}, an integer"
        raise ParameterError(f"{what} must {bounds}; got {value!r}.")
    return found


def positive_number(what: str, value: Any, most: float, *, zero: bool = False) -> float:
    """The value as a plain float; raises ParameterError outside (0, most], or [0, most] where ``zero`` is allowed.

    Examples
    --------
    >>> positive_number("gain", 6, 1000)
    6.0
    """
    try:
        found = math.nan if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not (0 < found <= most or (zero and found == 0)) or math.isinf(found):
        bounds = f"{'[' if zero else '('}0, {most:g}{')' if math.isinf(most) else ']'}"
        raise ParameterError(f"{what} must be a number in {bounds}; got {value!r}.")
    return found


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

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
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtraError(
            f"this needs the package {module!r}, which is not installed. Run: pip install 'spikewise[{extra}]'"
        ) from None
