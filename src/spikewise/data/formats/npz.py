"""Read NumPy's ``.npz``, a zip of arrays, without pickles and without trust in its headers.

Each member states its shape and type in a header. That header is read first; memory is allocated only for a plain
type whose size fits into the member.
"""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise.errors import DataError

from .checks import MAX_CLASSES, Labels, Pixels, as_labels, as_pixels, check_paired, check_size

_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_DAMAGE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read_npz_images(path: Path) -> tuple[Pixels, Labels, tuple[str, ...]]:
    """Read images, labels and class names of an ``.npz`` with ``images``, ``labels`` and optional ``classes``.

    Raises
    ------
    DataError
        If a key is missing, pixels, labels or names are invalid, or a label never occurs and there are no names.
    """
    arrays = read_arrays(path, ["images", "labels"], optional=["classes"])
    classes = class_names(arrays["classes"], str(path)) if "classes" in arrays else None
    labels = as_labels(arrays["labels"], len(classes) if classes else None, str(path))
    images, labels = check_paired(as_pixels(arrays["images"], str(path)), labels, str(path))
    return images, labels, classes or _numbered(labels, str(path))


def _numbered(labels: Labels, where: str) -> tuple[str, ...]:
    """Return the names "0", "1", ... of the classes; raise DataError if a label in between never occurs."""
    used = np.unique(labels)  # without names, a gap is more likely a mistake than a class without samples
    n_classes = int(used[-1]) + 1
    if len(used) < n_classes:
        raise DataError(
            f"{where}: labels without classes must use every number from 0 to the largest; {n_classes - len(used)} "
            f"of 0..{n_classes - 1} never occur. Renumber them 0..{len(used) - 1}, or add the names as classes."
        )
    return tuple(map(str, range(n_classes)))


def class_names(values: NDArray[Any], where: str) -> tuple[str, ...]:
    """Return the distinct class names of an array of strings or bytes."""
    if values.ndim != 1 or values.dtype.kind not in "US" or not 1 <= len(values) <= MAX_CLASSES:
        raise DataError(f"{where}: classes must be a list of names; got {values.dtype} of shape {values.shape}.")
    try:
        names = tuple(str(name) for name in (np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values))
    except UnicodeDecodeError:
        raise DataError(f"{where}: classes must be names in UTF-8.") from None
    if len(set(names)) != len(names):
        raise DataError(f"{where}: classes must differ from each other; one of them comes twice.")
    return names


def read_arrays(path: Path, names: Sequence[str], optional: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Read the named arrays of an ``.npz``, and the optional ones that exist; nothing is unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            if absent := [name for name in names if f"{name}.npy" not in members]:
                raise DataError(f"{path} must hold {', '.join(names)}; {', '.join(absent)} is absent.")
            wanted = [name for name in (*names, *optional) if f"{name}.npy" in members]
            return {name: _read_member(archive, members[f"{name}.npy"], f"{path}: {name}") for name in wanted}
    except DataError:  # it is a ValueError too, which _DAMAGE would describe less well
        raise
    except FileNotFoundError:
        raise DataError(f"{path} must be an .npz file; it does not exist. Check the path.") from None
    except _DAMAGE as error:
        raise DataError(f"{path} must be an .npz file of plain arrays; {error}.") from None


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> NDArray[Any]:
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in _READERS:
            raise DataError(f"{where} must be an array of plain numbers or text; its format is {version}.")
        shape, _, dtype = _READERS[version](stream)
        # The size that the zip states; more than that cannot be read from the member.
        n_left = member.file_size - stream.tell()
    if dtype.hasobject:
        raise DataError(f"{where} must be an array of plain numbers or text; it holds Python objects.")
    if check_size(shape or (1,), dtype.itemsize, where) > n_left:
        raise DataError(f"{where} must hold what its header says, {shape} of {dtype}; it is too short.")
    # Opened again, because read_array reads the header itself.
    with archive.open(member) as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
