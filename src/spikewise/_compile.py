"""The one place that knows the compiler of the hot loops (numba) and its options.

``fastmath`` stays off: without it the compiler neither reorders nor fuses floating-point operations,
so a kernel gives the same bits on every machine, and the same as a plain NumPy oracle. Compiled code
is cached on disk: only the first start compiles. The compiler's own cache looks at the file of a function alone, not at
the helpers that it calls, so the cache lies in a folder named after the contents of all files with kernels.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

config: Any = numba.config

Function = TypeVar("Function", bound=Callable[..., Any])

_PACKAGE = Path(__file__).parent
_WITH_KERNELS = (
    "_compile.py", "_lanes.py", "spikes/*.py", "network/kernels/*.py", "learn/kernels/*.py", "learn/rules/*.py",
    "shrink/kernels.py",
)  # fmt: skip


def kernel(function: Function) -> Function:
    """Compile a loop over arrays; it releases the interpreter lock, checks nothing and raises nothing."""
    return _compile(function, {})


def inlined(function: Function) -> Function:
    """Compile a small step that kernels call."""
    return _compile(function, {"inline": "always"})


def digest_of(package: Path) -> str:
    """What the files with kernels hold, in sixteen letters."""
    digest = hashlib.sha256(numba.__version__.encode())
    for pattern in _WITH_KERNELS:
        for path in sorted(package.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def cache_folder() -> Path | None:
    """Folder for compiled code; those of other contents beside it are removed. None if there is no place."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spikewise"
    for place in [Path(chosen)] if chosen else [_PACKAGE / "__pycache__", user]:
        folder = place / f"kernels-{digest_of(_PACKAGE)}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "in_use").touch()
        except OSError:
            continue
        for other in place.glob("kernels-*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        return folder
    return None


@contextmanager
def _cached_there(folder: Path) -> Iterator[None]:
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _compile(function: Function, options: dict[str, str]) -> Function:
    common: Any = {"nogil": True, "error_model": "numpy", **options}
    folder = cache_folder()
    if folder is None:  # no folder for the cache can be written: every start compiles anew
        return cast(Function, numba.njit(**common)(function))
    with _cached_there(folder):
        return cast(Function, numba.njit(cache=True, **common)(function))
