"""Read a set of images from NumPy's ``.npz``: ``images``, ``labels``, and the names ``classes`` if there are any."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise._arrays import read_npz
from spikewise.errors import DataError

from .checks import MAX_CLASSES, Labels, Pixels, as_labels, as_pixels, check_paired


def read_npz_images(path: Path) -> tuple[Pixels, Labels, tuple[str, ...]]:
    """Read images, labels and class names of an ``.npz`` with ``images``, ``labels`` and optional ``classes``.

    Raises
    ------
    DataError
        If a key is missing, pixels, labels or names are invalid, or a label never occurs and there are no names.
    """
    arrays = read_npz(path, ["images", "labels"], optional=["classes"])
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
