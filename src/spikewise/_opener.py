"""Open files that anybody may have made: regular ones, of known size, that unfold to a bounded amount of memory.

A name may lead to a pipe that never ends, to a device, or to a file of 120 bytes whose header announces 10 TB. So a
file is opened here alone: without waiting, only if it is a regular file, and never for more than :func:`budget_of`
its size. The budget is what a file can honestly hold: pictures and compressed arrays of this field unfold to three
to ten times their size, blank ones to more. Whoever has a file that honestly holds more sets
``SPIKEWISE_MAX_MEMORY``, which every refusal names.
"""

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from spikewise.errors import DataError, ParameterError, SpikewiseError

MEMORY_VARIABLE = "SPIKEWISE_MAX_MEMORY"
_LIMIT = 4 * 2**30  # bytes of one set or file, unless the variable says more; Tiny-ImageNet has 1.2 GB
_BASE = 128 * 2**20  # bytes that a file of any size may unfold to
_RATIO = 32  # and so many times its own size
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kMGT]?)B?")
_FACTOR = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
# What zipfile raises for damaged archives, which it checks little, and for encryption and versions that it lacks.
_ZIP_DAMAGE = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, struct.error, zipfile.BadZipFile, zlib.error
)  # fmt: skip
# A pipe without a writer would block here. Windows has neither the flag nor such pipes, but needs the binary mode.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def as_path(path: Any, what: str = "path", kind: type[SpikewiseError] = ParameterError) -> Path:
    """Return a path, or raise an error, which calls it ``what``, if it is none or holds a zero byte."""
    if not isinstance(path, str | os.PathLike) or "\0" in str(path):
        raise kind(f"{what} must be text or a path, and must not hold a zero byte; got {repr(path)[:60]}. Mend it.")
    return Path(path)


@contextmanager
def opened(path: str | os.PathLike[str], what: str) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file, and yield it with its size in bytes; error messages describe it as ``what``.

    Raises
    ------
    DataError
        If the file is absent, not readable, a folder, or a pipe or device, which may never end.
    """
    source = as_path(path, f"the path of a {what}", DataError)
    try:
        _check_regular(source, os.stat(source), what)  # before it is opened: opening a device may already do something
        file = os.fdopen(os.open(source, _FLAGS), "rb")
    except OSError as error:
        raise DataError(f"{source} must be a readable {what}; {error.strerror}. Check the path.") from None
    with file:
        found = os.fstat(file.fileno())
        _check_regular(source, found, what)  # again, since another file may have taken its place
        yield file, found.st_size


def _check_regular(source: Path, found: os.stat_result, what: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
        raise DataError(f"{source} must be a readable {what}, a regular file; it is {kind}. Name a file.")


def read_bytes(path: str | os.PathLike[str], what: str, max_bytes: int | None = None) -> bytes:
    """Read a whole file of at most ``max_bytes`` (by default, the memory limit); raise DataError for any other."""
    limit = memory_limit() if max_bytes is None else max_bytes
    with opened(path, what) as (file, n_bytes):
        try:
            # The stated size is not enough: a file may grow meanwhile, and some file systems state 0.
            content = b"" if n_bytes > limit else file.read(limit + 1 if n_bytes == 0 else n_bytes + 1)
        except OSError as error:
            raise DataError(f"{path} must be a readable {what}; {error.strerror}. Check the disk.") from None
    if (n_bytes := max(n_bytes, len(content))) > limit:
        remedy = "Is it one?" if max_bytes is not None else _remedy()
        raise DataError(f"{path} must be a {what} of at most {limit:,} bytes; it has {n_bytes:,}. {remedy}")
    return content


def memory_limit() -> int:
    """Return the most bytes that one file or data set may fill: 4 GiB, or ``$SPIKEWISE_MAX_MEMORY``.

    Raises
    ------
    ParameterError
        If the variable is set to anything but a size such as ``8GB``.
    """
    return _LIMIT if (wanted := _wanted()) is None else wanted


def budget_of(n_bytes: int) -> int:
    """Return the bytes of memory that a file of ``n_bytes`` may unfold to.

    Examples
    --------
    >>> budget_of(1_000_000)  # 128 MiB and 32 times its size
    166217728
    """
    wanted = _wanted()
    return min(_LIMIT, _BASE + _RATIO * n_bytes) if wanted is None else wanted


def check_budget(n_needed: int, n_bytes: int | None, where: str) -> None:
    """Raise DataError if ``where``, of ``n_bytes`` on disk, would unfold to more than its budget.

    Without ``n_bytes``, what is needed must only be below the memory limit.

    Examples
    --------
    >>> check_budget(10**13, 120, "a.npy")
    Traceback (most recent call last):
        ...
    spikewise.errors.DataError: a.npy must fit into 134,221,568 bytes, all that a file of 120 can honestly hold; it ...
    """
    budget = memory_limit() if n_bytes is None else budget_of(n_bytes)
    if n_needed > budget:
        reason = "" if n_bytes is None else f", all that a file of {n_bytes:,} can honestly hold"
        raise DataError(f"{where} must fit into {budget:,} bytes{reason}; it needs {n_needed:,}. {_remedy()}")


@contextmanager
def opened_zip(path: str | os.PathLike[str], what: str) -> Iterator[tuple[zipfile.ZipFile, int]]:
    """Open a zip, and yield it with the size of its file in bytes; damage found meanwhile becomes a DataError."""
    try:
        with opened(path, what) as (file, n_bytes), zipfile.ZipFile(file) as archive:
            yield archive, n_bytes
    except DataError:  # it is a ValueError too, and its message is already complete
        raise
    except _ZIP_DAMAGE as error:
        told = str(error)[:80] or type(error).__name__
        raise DataError(f"{path} must be a {what}; {told}. Is it damaged?") from None


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> bytes:
    """Read a member of a zip whole, whose announced size the caller has checked; its checksum is verified.

    Raises
    ------
    DataError
        If it is compressed by a method that may unfold without a bound.
    """
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{where} must be stored or deflated; its method is {member.compress_type}. Pack it anew.")
    with archive.open(member) as stream:
        # One byte more than announced: zipfile then reaches the end of the member, and compares the checksum.
        return stream.read(member.file_size + 1)


def _wanted() -> int | None:
    text = os.environ.get(MEMORY_VARIABLE, "").strip()
    if not text:
        return None
    found = _SIZE.fullmatch(text)
    if not found or float(found[1]) == 0:
        raise ParameterError(f"${MEMORY_VARIABLE} must be a size such as 8GB; got {text[:40]!r}. Set it anew.")
    return int(float(found[1]) * _FACTOR[found[2]])


def _remedy() -> str:
    return f"Is it damaged? To allow more, set {MEMORY_VARIABLE}=16GB."
