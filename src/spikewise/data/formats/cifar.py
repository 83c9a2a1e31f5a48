"""Read batches of CIFAR-10 and CIFAR-100, binary or pickled, as files or in the published archive.

A binary batch is a sequence of records: the label (CIFAR-100: a byte of superclass, then the class), then the
3 x 32 x 32 bytes of the picture. A pickled batch holds the same as a dictionary;
:mod:`~spikewise.data.formats.plain_pickle` decodes it without running code. Members of an archive are selected by
their exact name and read into memory; nothing is unpacked to disk, so a hostile path in an archive does no harm.
"""

import gzip
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from spikewise._opener import check_budget, opened
from spikewise.errors import DataError

from .checks import Labels, Pixels, as_labels, as_pixels, check_paired, check_size, read_file
from .plain_pickle import read_pickle

_SHAPE = (3, 32, 32)
_PIXEL_BYTES = 3 * 32 * 32
_PICKLE = b"\x80\x02"  # first bytes of every pickle of protocol 2


@dataclass(frozen=True, slots=True)
class CifarLayout:
    """Differences between the files of CIFAR-10 and CIFAR-100.

    Parameters
    ----------
    n_classes : int
        Number of classes.
    label_bytes : int
        Bytes before each picture of a binary batch; the last of them is the class.
    label_key : str
        Key of the classes in a pickled batch.
    """

    n_classes: int
    label_bytes: int
    label_key: str


CIFAR10 = CifarLayout(10, 1, "labels")
CIFAR100 = CifarLayout(100, 2, "fine_labels")


def read_cifar_batches(paths: Sequence[Path], layout: CifarLayout = CIFAR10) -> tuple[Pixels, Labels]:
    """Read images ``(B, 3, 32, 32)`` and labels of batches, in the order of the files."""
    return _joined([_decode(read_file(path, "CIFAR batch"), str(path), layout) for path in paths])


def read_cifar_archive(path: Path, members: Sequence[str], layout: CifarLayout = CIFAR10) -> tuple[Pixels, Labels]:
    """Read images and labels of the named members of a ``.tar.gz``, in the order of the names.

    Raises
    ------
    DataError
        If the archive is damaged, or a member is absent, no plain file, or not a batch.
    """
    found: dict[str, tuple[Pixels, Labels]] = {}
    try:
        # As a stream: members are read in the order of the archive, so the gzip is decompressed only once.
        with (
            opened(path, ".tar.gz") as (file, n_bytes),
            tarfile.open(fileobj=_Unfolded(file, n_bytes, str(path)), mode="r|") as archive,
        ):
            for member in archive:
                if member.name not in members or member.name in found:
                    continue
                where = f"{path}: {member.name}"
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is None:
                    raise DataError(f"{where} must be a plain file; it is a link or a folder.")
                check_size((member.size,), 1, where, n_bytes)
                found[member.name] = _decode(stream.read(), where, layout)
                if len(found) == len(members):
                    break
    except DataError:  # it is a ValueError too, and its message is already complete
        raise
    except (OSError, EOFError, ValueError, OverflowError, RecursionError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path} must be a whole .tar.gz; {error}. Fetch it again.") from None
    if absent := [name for name in members if name not in found]:
        raise DataError(f"{path} must contain {', '.join(members)}; {', '.join(absent)} is absent.")
    return _joined([found[name] for name in members])


class _Unfolded(gzip.GzipFile):
    """A gzip file that raises DataError once it unfolds to more than it can honestly hold; skipped members count."""

    def __init__(self, file: BinaryIO, n_bytes: int, where: str) -> None:
        super().__init__(fileobj=file)
        self._n_bytes, self._where = n_bytes, where

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        check_budget(self.tell(), self._n_bytes, self._where)
        return content


def _decode(content: bytes, where: str, layout: CifarLayout) -> tuple[Pixels, Labels]:
    """Decode images and labels of one batch."""
    check_size((len(content),), 1, where)
    # A binary batch starts with a label below 100, a pickle with 128.
    if content.startswith(_PICKLE):
        return _decode_pickle(content, where, layout)
    record = layout.label_bytes + _PIXEL_BYTES
    if len(content) % record:
        raise DataError(f"{where} must hold records of {record} bytes; got {len(content)} bytes. Fetch it again.")
    records = np.frombuffer(content, np.uint8).reshape(-1, record)
    labels = as_labels(records[:, layout.label_bytes - 1], layout.n_classes, where)
    return as_pixels(records[:, layout.label_bytes :].reshape(-1, *_SHAPE), where), labels


def _decode_pickle(content: bytes, where: str, layout: CifarLayout) -> tuple[Pixels, Labels]:
    batch = read_pickle(content, where)
    if not isinstance(batch, dict) or not {"data", layout.label_key} <= batch.keys():
        raise DataError(f"{where} must be a dictionary with data and {layout.label_key}; it is not.")
    pixels, labels = batch["data"], batch[layout.label_key]
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (_PIXEL_BYTES,):
        raise DataError(f"{where}: data must be an array of bytes of shape (B, {_PIXEL_BYTES}); it is not.")
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError(f"{where}: {layout.label_key} must be a list of integers; it is not.")
    if not all(0 <= label < layout.n_classes for label in labels):
        raise DataError(f"{where}: {layout.label_key} must lie in 0..{layout.n_classes - 1}; one does not.")
    images = as_pixels(pixels.reshape(-1, *_SHAPE), where)
    return check_paired(images, as_labels(np.array(labels, np.int64), layout.n_classes, where), where)


def _joined(batches: Sequence[tuple[Pixels, Labels]]) -> tuple[Pixels, Labels]:
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)
