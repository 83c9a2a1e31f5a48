"""Read IDX, the file format of MNIST and Fashion-MNIST.

A header of big-endian numbers, then the values in C order::

    00 00 TT DD   type (08: unsigned byte) and number of dimensions
    n1 ... nD     one 32-bit size per dimension

The file may be gzipped: the first two bytes decide, not the name.
"""

import struct
import zlib
from pathlib import Path

import numpy as np

from spikewise.errors import DataError

from .checks import Labels, Pixels, as_labels, as_pixels, check_paired, check_size, read_file

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08


def read_idx(path: Path, n_dims: int) -> Pixels:
    """Read the array of an IDX file of unsigned bytes.

    Parameters
    ----------
    path : Path
        The file, raw or gzipped.
    n_dims : int
        Required number of dimensions: 3 for images, 1 for labels.

    Raises
    ------
    DataError
        If the file is cut short, too long, damaged, or announces a size that it cannot hold.
    """
    content = read_file(path, "IDX file")
    header_bytes = 4 + 4 * n_dims
    if content[:2] != _GZIP_MAGIC:
        shape, n_bytes = _header(content[:header_bytes], n_dims, len(content), path)
        return _body(content[header_bytes:], shape, n_bytes, path)
    # The header is decompressed first, so that a small file cannot expand to fill the memory.
    stream = zlib.decompressobj(wbits=31)  # 31: a gzip header and the largest window
    try:
        shape, n_bytes = _header(stream.decompress(content, header_bytes), n_dims, len(content), path)
        body = stream.decompress(stream.unconsumed_tail, n_bytes + 1)  # one byte more tells a file that is too long
    except zlib.error as error:
        raise DataError(f"{path} must be a whole gzip file; {error}. Fetch it again.") from None
    if len(body) <= n_bytes and not stream.eof:
        raise DataError(f"{path} must be a whole gzip file; it ends too early. Fetch it again.")
    return _body(body, shape, n_bytes, path)


def read_idx_pair(images: Path, labels: Path, n_classes: int) -> tuple[Pixels, Labels]:
    """Read images ``(B, 1, H, W)`` and labels ``(B,)`` from two IDX files."""
    pixels = as_pixels(read_idx(images, 3), str(images))
    return check_paired(pixels, as_labels(read_idx(labels, 1), n_classes, str(labels)), str(images.parent))


def _header(header: bytes, n_dims: int, n_file: int, path: Path) -> tuple[tuple[int, ...], int]:
    """Return the shape and the number of bytes that the header announces."""
    if len(header) >= 4 and header[:4] != bytes([0, 0, _UNSIGNED_BYTE, n_dims]):
        raise DataError(f"{path} must be an IDX file of {n_dims} dimensions of bytes; it starts {header[:4].hex(' ')}.")
    if len(header) < 4 + 4 * n_dims:
        raise DataError(f"{path} must be a whole IDX file; it ends within the header. Fetch it again.")
    shape = struct.unpack(f">{n_dims}I", header[4:])
    return shape, check_size(shape, 1, str(path), n_file)


def _body(body: bytes, shape: tuple[int, ...], n_bytes: int, path: Path) -> Pixels:
    if len(body) != n_bytes:
        relation = "more" if len(body) > n_bytes else f"{len(body)}"
        raise DataError(f"{path} must hold {n_bytes} bytes for {shape}; it has {relation}. Fetch it again.")
    return np.frombuffer(body, np.uint8).reshape(shape)
