"""Writing files so that a crash, a full disk or a kill leaves the old content whole."""

from __future__ import annotations

import json
import os
import platform
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from spikewise.errors import DataError, RunError

_REMEDY = "Delete it and run the command again."
_UMASK = os.umask(0o077)  # it can only be read by setting it: once, before there are threads
os.umask(_UMASK)
# Temporary files are named after their target, us, the host and the process: .run.json.spikewise-HOST-PID-RANDOM.tmp
_HOST = re.sub(r"[^A-Za-z0-9.]", "_", platform.node())[:64]
_TEMPORARY = re.compile(r"\..+\.spikewise-(?P<host>[A-Za-z0-9._]*)-(?P<pid>\d+)-\w+\.tmp", re.DOTALL)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` that takes its place once the block ends without error.

    Raises
    ------
    RunError
        If the folder cannot be written or the disk is full; the old file is then untouched.
    """
    target = Path(path)
    prefix = f".{target.name[:30]}.spikewise-{_HOST}-{os.getpid()}-"
    try:
        handle = tempfile.NamedTemporaryFile(dir=target.parent, prefix=prefix, suffix=".tmp", delete=False)  # noqa: SIM115
    except OSError as error:
        raise RunError(
            f"{target.parent} must be a folder that can be written; {error.strerror}. Choose another."
        ) from None
    try:
        with handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(handle.name, 0o666 & ~_UMASK)
        os.replace(handle.name, target)
    except OSError as error:
        Path(handle.name).unlink(missing_ok=True)
        raise RunError(f"{target} could not be written; {error.strerror}. The old file, if any, is intact.") from None
    except BaseException:
        Path(handle.name).unlink(missing_ok=True)
        raise


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write text atomically, as UTF-8."""
    with replacing(path) as handle:
        handle.write(text.encode())


def as_json(value: Any) -> Any:
    """A value as a JSON file gives it back: lists for tuples, text for keys.

    Examples
    --------
    >>> as_json({"shape": (1, 8, 8)})
    {'shape': [1, 8, 8]}
    """
    return json.loads(json.dumps(value))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write JSON atomically; NaN and infinity are refused, since JSON has none."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_text(path: str | os.PathLike[str], what: str, max_bytes: int) -> str:
    """Text of a regular file that should hold ``what``; a byte-order mark, as spreadsheets write it, is dropped.

    Raises
    ------
    DataError
        If the file is absent, too large, no text, or something that may never end, such as a pipe or a device.
    """
    source = Path(path)
    if "\0" in str(source):
        raise DataError(f"the path of a {what} must not hold a zero byte; got {str(source)!r}. Mend it.")
    try:
        found = source.stat()
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise DataError(f"{source} must be a regular file; got a pipe or a device. Copy its content into a file.")
        with source.open("rb") as file:
            # The size is not to be trusted alone: it may grow, and some file systems tell none.
            content = b"" if found.st_size > max_bytes else file.read(max_bytes + 1)
    except OSError as error:
        raise DataError(f"{source} must be a readable {what}; {error.strerror}. Check the path.") from None
    if (n_bytes := max(found.st_size, len(content))) > max_bytes:
        raise DataError(f"{source} must be at most {max_bytes:,} bytes; got {n_bytes:,}. Is this really a {what}?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{source} must be a readable {what} in UTF-8; byte {error.start} is none. Save it as plain text in UTF-8."
        ) from None


def read_json(path: str | os.PathLike[str], what: str, max_bytes: int = 256 * 2**20) -> Any:
    """Read a JSON file that should hold ``what``; raises DataError if it is absent, too large or no JSON."""
    text = read_text(path, f"JSON {what}", max_bytes)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # syntax, or a number of thousands of digits
        raise DataError(f"{path} must be a readable JSON {what}; {error}.") from None


@contextmanager
def mendable(path: str | os.PathLike[str], remedy: str = _REMEDY) -> Iterator[None]:
    """While reading a file that spikewise wrote and can write again: an error names it and says what to do."""
    try:
        yield
    except DataError as error:
        message = str(error) if os.fspath(path) in str(error) else f"{path}: {error}"
        if not message.endswith("?"):
            message = message.rstrip(".") + "."  # it may end in the words of another error, with or without a stop
        is_told = message.endswith(remedy) or not Path(path).exists()
        raise DataError(message if is_told else f"{message} {remedy}") from None


def remove_leftovers(folders: Iterable[Path]) -> None:
    """Delete the temporary files in these folders, not below them, that our killed processes on this host left."""
    for folder in folders:
        for path in folder.glob(".*.tmp"):
            name = _TEMPORARY.fullmatch(path.name)
            if name and name["host"] == _HOST and path.is_file() and not _is_running(int(name["pid"])):
                path.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    """Whether a process of this host is there; yes where that cannot be told."""
    if os.name != "posix":
        return True  # signal 0 would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's, or no process's number
        return True
    return True


def differences(found: Any, wanted: Any, name: str = "") -> list[str]:
    """Dotted names of the entries that differ."""
    if not (isinstance(found, dict) and isinstance(wanted, dict)):
        return [] if found == wanted else [name]
    keys = sorted({*found, *wanted})
    return [d for key in keys for d in differences(found.get(key), wanted.get(key), f"{name}.{key}".lstrip("."))]


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Create a folder with its parents; raises RunError if a file is in the way or it cannot be written."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise RunError(f"{folder} must be a folder; a file is in the way. Choose another with --out.") from None
    except OSError as error:
        raise RunError(f"{folder} must be a folder that can be written; {error.strerror}. Choose another.") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RunError(f"{folder} must be a folder that can be written; it is read-only. Choose another with --out.")
    return folder
