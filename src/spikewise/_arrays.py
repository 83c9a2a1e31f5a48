"""Read NumPy's ``.npy`` and ``.npz`` without pickles and without trust in their headers.

An array states its shape and type in a header, a member of a zip its size and checksum. Here the header is parsed
as data and must fit the bytes that follow exactly; a member is read whole, so that its checksum is verified before its
values are used, and never beyond the memory budget of the file.
"""

import ast
import math
import os
import re
import struct
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise._opener import check_budget, opened_zip, read_bytes, read_member
from spikewise.errors import DataError

_MAGIC = b"\x93NUMPY"
_LENGTHS = {1: struct.Struct("<H"), 2: struct.Struct("<I"), 3: struct.Struct("<I")}  # of the header, by version
_MAX_HEADER = 10_000  # bytes, as in NumPy
_MAX_DIMS = 32
# Numbers, truth values and text; no objects, no records.
_PLAIN = re.compile(r"[<>|=]?([biufc][1-9]\d?|[SU]\d{1,9}|\?)")
_KEYS = {"descr", "fortran_order", "shape"}


def read_npy(path: str | os.PathLike[str], what: str = ".npy file") -> NDArray[Any]:
    """Read the array of an ``.npy`` file; the array is read-only.

    Raises
    ------
    DataError
        If the file is no array of plain numbers or text, or is not as long as its header says.
    """
    return decode_npy(read_bytes(path, what), str(path))


def read_npz(
    path: str | os.PathLike[str], names: Sequence[str], optional: Sequence[str] = (), what: str = ".npz file"
) -> dict[str, NDArray[Any]]:
    """Read the named arrays of an ``.npz``, and the optional ones that exist; the arrays are read-only.

    Raises
    ------
    DataError
        If the file is no zip, an array is absent, damaged or of no plain type, or they would need more memory than
        a file of this size can honestly hold.
    """
    with opened_zip(path, what) as (archive, n_bytes):
        members = {info.filename: info for info in archive.infolist()}
        if absent := [name for name in names if f"{name}.npy" not in members]:
            raise DataError(f"{path} must be a {what} with {', '.join(names)}; it lacks {', '.join(absent)}.")
        wanted = {name: members.get(f"{name}.npy") for name in (*names, *optional)}
        found = {name: member for name, member in wanted.items() if member is not None}
        check_budget(sum(member.file_size for member in found.values()), n_bytes, str(path))
        return {
            name: decode_npy(read_member(archive, member, f"{path}: {name}"), f"{path}: {name}")
            for name, member in found.items()
        }


def decode_npy(content: bytes, where: str) -> NDArray[Any]:
    """Return the array of the bytes of an ``.npy`` file, without a copy; error messages call it ``where``.

    Examples
    --------
    >>> from io import BytesIO
    >>> stream = BytesIO()
    >>> np.save(stream, np.arange(3, dtype=">i2"))
    >>> decode_npy(stream.getvalue(), "a")
    array([0, 1, 2], dtype=int16)
    """
    version = content[len(_MAGIC)] if len(content) > 8 and content.startswith(_MAGIC) else None
    if version not in _LENGTHS:
        raise DataError(f"{where} must be an array in NumPy's format; it starts with {content[:8]!r}.")
    length = _LENGTHS[version]
    start = len(_MAGIC) + 2 + length.size
    n_header = length.unpack_from(content, start - length.size)[0] if len(content) >= start else _MAX_HEADER
    header = content[start : start + min(n_header, _MAX_HEADER)]
    if len(header) < n_header:
        raise DataError(
            f"{where} must hold a whole header of at most {_MAX_HEADER} bytes; it does not. Is it cut short?"
        )
    dtype, shape, is_fortran = _parsed(header, where)
    n_bytes, n_left = math.prod(shape) * dtype.itemsize, len(content) - start - n_header
    if n_bytes != n_left:
        raise DataError(
            f"{where} must hold {n_bytes:,} bytes for {shape} of {dtype}; it has {n_left:,}. Is it damaged?"
        )
    values: NDArray[Any] = np.ndarray(shape, dtype, content, start + n_header, order="F" if is_fortran else "C")
    native = values.astype(dtype.newbyteorder("="), copy=False)
    if dtype.kind == "U" and n_bytes:
        # Python crashes where text is made of what is no character.
        codes = np.ascontiguousarray(native).reshape(-1).view(np.uint32)
        if codes.max() > sys.maxunicode:
            raise DataError(f"{where} must be text; it holds what is no character. Is it damaged?")
    return native


def _parsed(header: bytes, where: str) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Return type, shape and order of a header, the text of a Python dictionary."""
    try:
        found = ast.literal_eval(header.decode("latin-1").strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.keys() != _KEYS:
        raise DataError(f"{where} must have a header with descr, fortran_order and shape; it has not. Is it damaged?")
    descr, is_fortran, shape = found["descr"], found["fortran_order"], found["shape"]
    if not isinstance(descr, str) or not _PLAIN.fullmatch(descr):
        holds = "Python objects" if descr == "|O" else str(descr)[:40]
        raise DataError(f"{where} must be an array of plain numbers or text; it holds {holds}.")
    is_shape = isinstance(shape, tuple) and len(shape) <= _MAX_DIMS and all(type(n) is int and n >= 0 for n in shape)
    if not is_shape or not isinstance(is_fortran, bool):
        raise DataError(f"{where} must have a shape of whole numbers; got {str(shape)[:40]}. Is it damaged?")
    try:
        return np.dtype(descr), shape, is_fortran
    except (TypeError, ValueError):  # a number of a width that does not exist
        raise DataError(f"{where} must be an array of plain numbers or text; it holds {descr}.") from None
