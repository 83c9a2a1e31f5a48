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
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def inlined(function: Function) -> Function:
    """Compile a small step that kernels call."""
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")(function))
