"""The one place that knows the compiler of the hot loops (numba) and its options.

``fastmath`` stays off: without it the compiler neither reorders nor fuses floating-point operations,
so a kernel gives the same bits on every machine, and the same as a plain NumPy oracle. Compiled code
is cached on disk beside the module (or in the user's cache): only the first start compiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile a loop over arrays; it releases the interpreter lock, checks nothing and raises nothing."""
    return _compile(function, {})


def inlined(function: Function) -> Function:
    """Compile a small step that kernels call."""
    return _compile(function, {"inline": "always"})


def _compile(function: Function, options: dict[str, str]) -> Function:
    common: Any = {"nogil": True, "error_model": "numpy", **options}
    try:
        return cast(Function, numba.njit(cache=True, **common)(function))
    except RuntimeError:  # no folder for the cache can be written: every start compiles anew
        return cast(Function, numba.njit(**common)(function))
