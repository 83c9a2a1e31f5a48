"""The binary batches of CIFAR-10: one byte of label, then 3 x 32 x 32 bytes of picture, sample after sample.

The batches are read as they are or straight out of ``cifar-10-binary.tar.gz``. Members of the archive are
picked by their exact name and read into memory; nothing is ever unpacked, so a hostile path goes nowhere.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spikewise.errors import DataError

from .checks import Labels, Pixels, as_labels, as_pixels, check_size

_SHAPE = (3, 32, 32)
_RECORD_BYTES = 1 + 3 * 32 * 32
N_CLASSES = 10


def read_cifar_batches(paths: Sequence[Path]) -> tuple[Pixels, Labels]:
    """Images ``(B, 3, 32, 32)`` and labels of binary batches, one file after another."""
    batches = []
    for path in paths:
        try:
            _check_length(path.stat().st_size, str(path))
            batches.append(_decode(path.read_bytes(), str(path)))
        except OSError as error:
            raise DataError(f"{path} must be a CIFAR-10 batch that can be read; {error.strerror}.") from None
    return _joined(batches)


def read_cifar_archive(path: Path, members: Sequence[str]) -> tuple[Pixels, Labels]:
    """Images and labels of the named members of a ``.tar.gz``, in the order named.

    Raises
    ------
    DataError
        If the archive is damaged, or a member is absent, no plain file, or not a batch.
    """
    found: dict[str, tuple[Pixels, Labels]] = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                if member.name not in members or member.name in found:
                    continue
                where = f"{path}: {member.name}"
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is None:
                    raise DataError(f"{where} must be a plain file; it is a link or a folder.")
                _check_length(member.size, where)
                found[member.name] = _decode(stream.read(), where)
                if len(found) == len(members):
                    break
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path} must be a whole .tar.gz; {error}. Fetch it again.") from None
    if absent := [name for name in members if name not in found]:
        raise DataError(f"{path} must contain {', '.join(members)}; {', '.join(absent)} is absent.")
    return _joined([found[name] for name in members])


def _check_length(n_bytes: int, where: str) -> None:
    check_size((n_bytes,), 1, where)
    if n_bytes % _RECORD_BYTES:
        raise DataError(f"{where} must hold records of {_RECORD_BYTES} bytes; got {n_bytes} bytes. Fetch it again.")


def _decode(content: bytes, where: str) -> tuple[Pixels, Labels]:
    if len(content) % _RECORD_BYTES:
        raise DataError(f"{where} must hold records of {_RECORD_BYTES} bytes; got {len(content)}. Fetch it again.")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD_BYTES)
    labels = as_labels(records[:, 0], N_CLASSES, where)
    return as_pixels(records[:, 1:].reshape(-1, *_SHAPE), where), labels


def _joined(batches: Sequence[tuple[Pixels, Labels]]) -> tuple[Pixels, Labels]:
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)
