"""Read and write files; a crash, a full disk or a killed process leaves the old content of a file intact."""

import json
import os
import platform
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from spikewise._opener import as_path, read_bytes
from spikewise.errors import DataError, RunError

_REMEDY = "Delete it and run the command again."
_UMASK = os.umask(0o077)  # the umask can only be read by setting it; at import no other thread creates files yet
os.umask(_UMASK)
# Temporary files are named after their target, us, the host and the process: .run.json.spikewise-HOST-PID-RANDOM.tmp
_HOST = re.sub(r"[^A-Za-z0-9.]", "_", platform.node())[:64]
_TEMPORARY = re.compile(r"\..+\.spikewise-(?P<host>[A-Za-z0-9._]*)-(?P<pid>\d+)-\w+\.tmp", re.DOTALL)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a temporary file in the folder of ``path`` that replaces ``path`` when the block ends without error.

    Raises
    ------
    RunError
        If the folder cannot be written or the disk is full; the old file is then untouched.
    """
    target = as_path(path)
    # The same folder, because a rename is atomic only within one file system. Names have at most 255 bytes, hence 30.
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
            # Without fsync the rename could reach the disk before the content, and a power cut leave an empty file.
            os.fsync(handle.fileno())
        # Temporary files are readable by their owner alone; the result has the usual permissions.
        os.chmod(handle.name, 0o666 & ~_UMASK)
        os.replace(handle.name, target)
    except BaseException as error:  # also KeyboardInterrupt: no temporary file stays behind
        Path(handle.name).unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise RunError(f"{target} could not be written; {error.strerror}. The old file, if any, is intact.") from None


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write text atomically, as UTF-8."""
    with replacing(path) as handle:
        handle.write(text.encode())


def as_json(value: Any) -> Any:
    """Return a value as JSON would read it back: tuples become lists, keys become text.

    Examples
    --------
    >>> as_json({"shape": (1, 8, 8)})
    {'shape': [1, 8, 8]}
    """
    return json.loads(json.dumps(value))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write JSON atomically; NaN and infinity raise ValueError, because JSON has neither."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_text(path: str | os.PathLike[str], what: str, max_bytes: int) -> str:
    """Read a regular text file without its byte-order mark; error messages describe the file as ``what``.

    Raises
    ------
    DataError
        If the file is absent, too large, not text, or a pipe or device, which may never end.
    """
    content = read_bytes(path, what, max_bytes)
    try:
        # Spreadsheets begin UTF-8 files with a byte-order mark, which this codec drops.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} must be a readable {what} in UTF-8; byte {error.start} is none. Save it as plain text in UTF-8."
        ) from None


def read_json(path: str | os.PathLike[str], what: str, max_bytes: int = 256 * 2**20) -> Any:
    """Read a JSON file; raise DataError, which describes it as ``what``, if it is absent, too large or not JSON."""
    text = read_text(path, f"JSON {what}", max_bytes)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # syntax, or a number of thousands of digits
        raise DataError(f"{path} must be a readable JSON {what}; {error}.") from None


@contextmanager
def mendable(path: str | os.PathLike[str], remedy: str = _REMEDY) -> Iterator[None]:
    """Add the file's name and a remedy to a DataError raised while a file is read that spikewise can write again."""
    path = as_path(path)
    try:
        yield
    except DataError as error:
        message = str(error) if os.fspath(path) in str(error) else f"{path}: {error}"
        if not message.endswith("?"):
            message = message.rstrip(".") + "."  # the text of another error may or may not end with a full stop
        is_told = message.endswith(remedy) or not Path(path).exists()
        raise DataError(message if is_told else f"{message} {remedy}") from None


def remove_leftovers(folders: Iterable[Path]) -> None:
    """Delete temporary files that killed spikewise processes of this host left in these folders (not in subfolders)."""
    for folder in folders:
        for path in folder.glob(".*.tmp"):
            name = _TEMPORARY.fullmatch(path.name)
            # A folder may be shared over a network: only on its own host can a process be checked.
            if name and name["host"] == _HOST and path.is_file() and not _is_running(int(name["pid"])):
                path.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    """Whether this process of this host is running; True if that cannot be determined."""
    if os.name != "posix":
        return True  # on Windows, os.kill with signal 0 sends Ctrl-C
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # a process of another user, or a number too large for any process
        return True
    return True


def differences(found: Any, wanted: Any, name: str = "") -> list[str]:
    """Return the dotted names of the entries in which two nested dictionaries differ."""
    if not (isinstance(found, dict) and isinstance(wanted, dict)):
        return [] if found == wanted else [name]
    keys = sorted({*found, *wanted})
    return [d for key in keys for d in differences(found.get(key), wanted.get(key), f"{name}.{key}".lstrip("."))]


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Create a folder and its parents; raise RunError if a file is in the way or the folder is not writable."""
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
