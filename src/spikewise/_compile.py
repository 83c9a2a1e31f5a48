"""Compile the hot loops with numba; its options are set in this file alone.

``fastmath`` stays off: without it the compiler neither reorders nor fuses floating-point operations,
so a kernel gives the same bits on every machine, and the same as a plain NumPy oracle. Compiled code
is cached on disk: only the first start compiles. The compiler's own cache looks at the file of a function alone, not
at the helpers that it calls, so the cache lies in a folder named after the contents of all files with kernels: each
version of the package has its own. A folder that carries our marker and our exact form of name and was not used for
30 days is removed; in it, only files that the compiler writes are deleted.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

config: Any = numba.config

Function = TypeVar("Function", bound=Callable[..., Any])

_PACKAGE = Path(__file__).parent
_WITH_KERNELS = (
    "_compile.py", "_vector.py", "spikes/*.py", "network/kernels/*.py", "learn/stdp/kernels/*.py",
    "learn/stdp/rules/*.py", "learn/stdp/counters.py", "shrink/kernels.py",
)  # fmt: skip
_FOLDER = re.compile(r"kernels-[0-9a-f]{16}")
_MARKER = "spikewise-kernels"  # file in each of our folders; its time is that of the last use
# Written into the marker, so that a folder is deleted by its content and not by its name alone.
_IS_OURS = "Compiled loops of spikewise: they are made anew when missing, and removed when unused for 30 days.\n"
_COMPILED = "*.nb[ic]*"  # what numba writes: an index per function, its code, and partial files of a killed process
_UNUSED_S = 30 * 24 * 3600.0


def kernel(function: Function) -> Function:
    """Compile a loop over arrays; it releases the interpreter lock, checks no argument and raises no error."""
    return _compile(function, {})


def inlined(function: Function) -> Function:
    """Compile a small function that is inlined into the kernels that call it."""
    return _compile(function, {"inline": "always"})


def digest_of(package: Path) -> str:
    """Return a digest of the content of all files with kernels: sixteen hexadecimal digits."""
    # Another version of the compiler may compile the same source to other code.
    digest = hashlib.sha256(numba.__version__.encode())
    for pattern in _WITH_KERNELS:
        for path in sorted(package.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def cache_folder() -> Path | None:
    """Return the folder for compiled code, which is created if needed; None if no candidate is writable.

    It lies below ``$NUMBA_CACHE_DIR`` if that is set, else below the package's ``__pycache__``, else below the user's
    cache.
    """
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for place in [Path(chosen)] if chosen else [_PACKAGE / "__pycache__", user]:
        folder = place / "spikewise" / f"kernels-{digest_of(_PACKAGE)}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _mark(folder / _MARKER)
        except OSError:
            continue
        _remove_unused(folder.parent, time.time() - _UNUSED_S)
        return folder
    return None


def _mark(marker: Path) -> None:
    """Write the marker of a cache folder; if there is one, set its time of last use to now."""
    if marker.exists():
        marker.touch()
    else:
        fresh = marker.with_name(f"{_MARKER}.{os.getpid()}")  # moved into place whole, or a kill leaves half a marker
        fresh.write_text(_IS_OURS)
        fresh.replace(marker)


def _remove_unused(place: Path, before: float) -> None:
    """Remove cache folders with our form of name and our marker that were last used before a time (in s)."""
    for folder in place.glob("kernels-*"):
        marker = folder / _MARKER
        try:
            is_ours = _FOLDER.fullmatch(folder.name) and not folder.is_symlink() and marker.read_text() == _IS_OURS
            if not is_ours or marker.stat().st_mtime > before:
                continue
            # A list first: deleting while the generator walks the folder could skip files.
            for compiled in [*folder.rglob(_COMPILED)]:
                compiled.unlink(missing_ok=True)
            for inner in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
                _remove_if_empty(inner)
            if [path.name for path in folder.iterdir()] == [_MARKER]:
                marker.unlink()
                folder.rmdir()
        except (OSError, UnicodeDecodeError):  # another process is removing the folder, or it is not ours
            continue


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def _cached_in(folder: Path) -> Iterator[None]:
    """Set numba's cache folder for this block only: kernels of other packages keep theirs."""
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _compile(function: Function, options: dict[str, str]) -> Function:
    # "numpy": a division by zero gives infinity or NaN, as in NumPy, so the loop needs no branch that raises.
    common: Any = {"nogil": True, "error_model": "numpy", **options}
    folder = cache_folder()
    if folder is None:  # no writable cache folder: every start compiles again
        return cast(Function, numba.njit(**common)(function))
    with _cached_in(folder):
        return cast(Function, numba.njit(cache=True, **common)(function))
