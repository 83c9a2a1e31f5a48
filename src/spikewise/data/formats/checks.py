"""Checks that every reader of images applies: pixels of 8 bits, valid labels, equal counts.

Files can come from anywhere, so their content is checked once, here: sizes before memory is allocated, ranges before
a type is converted. Afterwards an image is ``uint8 (B, C, H, W)`` and a label an
``int64`` below the number of classes.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._gates import as_array
from spikewise._opener import check_budget, read_bytes
from spikewise.errors import DataError, ParameterError, SpikewiseError

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]

MAX_CLASSES = 2**16  # a larger label is an error, and would make us create that many class names
_CHANNELS = (1, 2, 3, 4)  # 2: event counts of two polarities


def check_size(shape: Sequence[int], item_bytes: int, where: str, file_bytes: int | None = None) -> int:
    """Return the bytes of an array that a header announces; raise DataError if it is empty or too large.

    An array is too large if it exceeds what a file of ``file_bytes`` may unfold to, or the memory limit.

    Examples
    --------
    >>> check_size((60000, 28, 28), 1, "train-images")
    47040000
    """
    n_bytes = math.prod(shape) * item_bytes
    if not shape or min(shape) < 1:
        raise DataError(f"{where} must hold at least one sample; its header says {tuple(shape)}.")
    check_budget(n_bytes, file_bytes, where)
    return n_bytes


def read_file(path: Path, what: str) -> bytes:
    """Read a file (``what`` in messages); raise DataError if it is empty, too large or cannot be read."""
    content = read_bytes(path, what)
    if not content:
        raise DataError(f"{path} must be a readable {what}; it is empty. Fetch it again.")
    return content


def as_pixels(images: ArrayLike, where: str) -> Pixels:
    """Return images as writeable ``uint8 (B, C, H, W)``.

    Parameters
    ----------
    images : array of shape (B, H, W) or (B, C, H, W)
        Bytes, or floats in [0, 1], which are rounded to 8 bits.
    where : str
        Name of the source in error messages.

    Examples
    --------
    >>> as_pixels(np.array([[[0.0, 0.5, 1.0]]]), "x").tolist()
    [[[[0, 128, 255]]]]
    """
    values = as_array(images, f"{where}: images")
    if values.ndim not in (3, 4):
        raise DataError(f"{where}: images must have shape (B, H, W) or (B, C, H, W); got {values.shape}.")
    if values.ndim == 3:
        values = values[:, None]
    if 0 in values.shape:
        raise DataError(f"{where}: there must be at least one image of at least one pixel; got shape {values.shape}.")
    if values.shape[1] not in _CHANNELS and values.shape[3] in _CHANNELS:
        raise DataError(f"{where}: images must be (B, C, H, W); got {values.shape}. Move the last axis to place 1.")
    check_channels(values, where)
    if values.dtype.kind == "f":
        values = _quantized(values, where)
    if values.dtype != np.uint8:
        raise DataError(f"{where}: pixels must be uint8, or floats in [0, 1]; got {values.dtype}. Convert them.")
    # Arrays from np.frombuffer are read-only, and torch warns about them.
    return np.require(values, np.uint8, ["C", "W"])


def check_values(
    values: NDArray[Any], what: str, verb: str = "be", error: type[SpikewiseError] = ParameterError
) -> None:
    """Raise ``error`` unless the values are bytes or finite floats in [0, 1]; the message calls them ``what``.

    Examples
    --------
    >>> check_values(np.array([0.5, 2.0]), "X")
    Traceback (most recent call last):
        ...
    spikewise.errors.ParameterError: floating-point X must be finite and lie in [0, 1]; got 0.5..2. Divide by 255?
    """
    if values.dtype == np.uint8:
        return
    if values.dtype.kind != "f":
        raise error(f"{what} must {verb} uint8 or floating point; got {values.dtype}. Convert it.")
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 1):  # a NaN fails both comparisons
        raise error(f"floating-point {what} must be finite and lie in [0, 1]; got {low:g}..{high:g}. Divide by 255?")


def check_channels(images: NDArray[Any], where: str) -> None:
    """Raise DataError if the second axis of (B, C, H, W) is too long for channels; usually it is another axis."""
    if images.shape[1] not in _CHANNELS:
        known = f"{_CHANNELS[0]} to {_CHANNELS[-1]}"
        raise DataError(f"{where}: images must have {known} channels; got {images.shape}. Is place 1 another axis?")


def _quantized(values: NDArray[np.floating], where: str) -> Pixels:
    """Round floats in [0, 1] to 8 bits; raise DataError for other values."""
    low, high = values.min(), values.max()  # a single NaN makes both NaN
    if np.isnan(low):
        raise DataError(f"{where}: pixels must be numbers; got NaN.")
    if low < 0 or high > 1:
        raise DataError(f"{where}: float pixels must lie in [0, 1]; got {low:g}..{high:g}. Divide by the largest.")
    pixels: Pixels = np.rint(values * np.float32(255)).astype(np.uint8)
    return pixels


def as_labels(labels: ArrayLike, n_classes: int | None, where: str) -> Labels:
    """Return labels as ``int64 (B,)``, each in 0..n_classes-1 (0..65,535 if n_classes is None)."""
    values = as_array(labels, f"{where}: labels")
    if values.ndim != 1 or not len(values):
        raise DataError(f"{where}: labels must have shape (B,), B at least 1; got {values.shape}.")
    if values.dtype.kind not in "iu":
        raise DataError(f"{where}: labels must be integers; got {values.dtype}. Convert them.")
    limit = MAX_CLASSES if n_classes is None else n_classes
    if values.min() < 0 or values.max() >= limit:
        raise DataError(f"{where}: labels must lie in 0..{limit - 1}; got {values.min()}..{values.max()}.")
    return np.require(values, np.int64, ["C", "W"])


def check_paired(images: Pixels, labels: Labels, where: str) -> tuple[Pixels, Labels]:
    """Return both unchanged; raise DataError unless there is one label per image."""
    if len(images) != len(labels):
        raise DataError(f"{where}: there must be one label per image; got {len(images)} images, {len(labels)} labels.")
    return images, labels
