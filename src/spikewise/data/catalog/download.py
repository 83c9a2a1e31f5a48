"""Download a file once, completely, and check that it is the right one.

The bytes go to a ``.part`` file next to the target. A broken transfer is resumed where it stopped if the server
supports HTTP ranges, else it starts again; a file that ends before its announced length counts as broken. Only a file
with the right checksum is renamed to the target, in one step, so the target is always complete or absent. Because of
a lock, two processes that want the same file download it once.
"""

import errno
import hashlib
import http.client
import logging
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from spikewise.errors import DownloadError, ParameterError

from .registry import DATA_VARIABLE, MIRROR_VARIABLE

Progress = Callable[[int, int | None], None]

_CHUNK_BYTES = 2**16
_MAX_BYTES = 2**30  # a server must not fill the disk; the largest known file has 170 MB
# HTTP: timeouts, too many requests, and failures of the server, which may pass.
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
# Errors of our own disk also are OSErrors, but another attempt or mirror cannot cure them.
_DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}
_LOG = logging.getLogger(__name__)


class _BrokenError(Exception):
    """The transfer failed but may succeed if it is repeated."""


class _RefusedError(Exception):
    """The mirror cannot deliver the right file; repeating is useless."""


def fetch(
    mirrors: str | Sequence[str],
    target: str | os.PathLike[str],
    checksum: str,
    *,
    timeout_s: float = 30.0,
    n_retries: int = 3,
    backoff_s: float = 0.5,
    progress: Progress | None = None,
) -> Path:
    """Download a file unless it is already there, and return its path.

    Parameters
    ----------
    mirrors : str or sequence of str
        Addresses of the same file, tried in this order.
    target : path
        Path of the file. A file with the right checksum that is already there is kept.
    checksum : str
        ``"sha256:..."`` or ``"md5:..."`` with the hexadecimal digest.
    timeout_s : float
        Longest wait for the connection and for each piece of data, in seconds.
    n_retries : int
        How often a broken transfer is tried again, per mirror.
    backoff_s : float
        Pause before the first retry, in seconds; it doubles each time.
    progress : callable, optional
        Called with the number of bytes so far and in total (None if the server does not state it).

    Raises
    ------
    DownloadError
        If no mirror delivers the right file, or the file cannot be written.
    """
    urls = [mirrors] if isinstance(mirrors, str) else list(mirrors)
    algorithm, _, digest = checksum.partition(":")
    if algorithm not in ("sha256", "md5") or not digest:
        raise ParameterError(f"checksum must be 'sha256:...' or 'md5:...'; got {checksum!r}.")
    path = Path(target)
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            # Inside the lock: another process may have finished the download while this one waited.
            if path.is_file() and _digest(path, algorithm) == digest:
                return path
            failures = []
            for url in urls:
                try:
                    _from_mirror(url, part, algorithm, digest, timeout_s, n_retries, backoff_s, progress)
                    os.replace(part, path)
                    return path
                except (_BrokenError, _RefusedError) as error:
                    _LOG.info("%s: %s", url, error)
                    failures.append(f"{url} ({error})")
    except OSError as error:
        raise DownloadError(f"{path} could not be written; {error.strerror or error}. Choose another folder.") from None
    raise DownloadError(
        f"{path.name} could not be fetched; tried {', '.join(failures) or 'no mirror'}. "
        f"Set {DATA_VARIABLE} to a folder that holds it, or {MIRROR_VARIABLE} to the address of a mirror."
    )


def _from_mirror(
    url: str,
    part: Path,
    algorithm: str,
    digest: str,
    timeout_s: float,
    n_retries: int,
    backoff_s: float,
    progress: Progress | None,
) -> None:
    """Download from one mirror into the part file; repeat until the checksum is right or no attempt is left."""
    for attempt in range(n_retries + 1):
        is_last = attempt == n_retries
        is_sure = False
        try:
            if not (part.exists() and _digest(part, algorithm) == digest):
                is_sure = _transfer(url, part, timeout_s, progress)
        except _BrokenError:
            if is_last:
                raise
        else:
            found = _digest(part, algorithm)
            if found == digest:
                return
            part.unlink()
            # A stale part file or an early end may be the cause, which another attempt cures. A file that came in one
            # piece with its announced length would be as wrong the next time.
            if is_sure or is_last:
                raise _RefusedError(f"wrong {algorithm}: {found}, should be {digest}; deleted")
        time.sleep(backoff_s * 2**attempt)


def _transfer(url: str, part: Path, timeout_s: float, progress: Progress | None) -> bool:
    """Request the missing bytes once and append them; return whether the whole file came with its announced length."""
    n_have = part.stat().st_size if part.exists() else 0
    # "identity": lengths and ranges of a compressed body are not those of the file.
    headers = {"User-Agent": "spikewise", "Accept-Encoding": "identity"}
    if n_have:
        headers["Range"] = f"bytes={n_have}-"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout_s) as response:
            return _receive(response, part, n_have, progress)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # the part file is not shorter than the file on the server
            part.unlink(missing_ok=True)
            raise _BrokenError("the file changed on the server") from None
        kind = _BrokenError if error.code in _TRY_AGAIN else _RefusedError
        raise kind(f"HTTP {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        # An unknown host, a closed port or a bad certificate does not pass: the mirror is gone, or we are offline.
        is_gone = isinstance(error.reason, socket.gaierror | ConnectionRefusedError | ssl.SSLCertVerificationError)
        is_gone |= getattr(error.reason, "errno", None) in (errno.ENETUNREACH, errno.EHOSTUNREACH)
        raise (_RefusedError if is_gone else _BrokenError)(str(error.reason)) from None
    except (http.client.HTTPException, OSError) as error:
        if isinstance(error, OSError) and error.errno in _DISK_TROUBLE:
            raise
        raise _BrokenError(str(error) or type(error).__name__) from None
    except ValueError as error:
        raise _RefusedError(str(error)) from None


def _receive(response: Any, part: Path, n_have: int, progress: Progress | None) -> bool:
    """Write the body to the part file; append only if the server resumes exactly at its end."""
    is_resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {n_have}-")
    if response.status != 200 and not is_resumed:
        part.unlink(missing_ok=True)
        raise _BrokenError(f"HTTP {response.status} where 200 or the missing range was asked for")
    n_done = n_have if is_resumed else 0
    length = response.headers.get("Content-Length")
    n_total = n_done + int(length) if length is not None else None
    with part.open("ab" if is_resumed else "wb") as out:
        # read1 returns what has arrived so far, so a broken connection loses none of it.
        while chunk := response.read1(_CHUNK_BYTES):
            out.write(chunk)
            n_done += len(chunk)
            if n_done > _MAX_BYTES:
                raise _RefusedError(f"more than {_MAX_BYTES} bytes")
            if progress:
                progress(n_done, n_total)
    if n_total is not None and n_done < n_total:
        raise _BrokenError(f"the connection ended after {n_done} of {n_total} bytes")
    return n_total is not None and not is_resumed


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
