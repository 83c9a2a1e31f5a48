"""Check the inputs of a deep network: images that it can read, labels that name a class.

Samples are checked once, where they enter training or inference; later code trusts them. Images come as arrays or
tensors of any floating type, on any device, with or without a gradient; they leave as ``uint8`` or ``float32`` arrays.
An ambiguous value (0..255 as floats, a label of 1.7) is refused.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from spikewise._gates import as_array
from spikewise.data.formats.checks import check_values
from spikewise.errors import ShapeError


def check_images(
    images: ArrayLike | Tensor,
    in_shape: tuple[int, int, int],
    what: str = "X",
    at_least: int = 1,
    n_frames: int | None = None,
) -> NDArray[Any]:
    """Return images as a ``uint8`` or ``float32`` array (B, C, H, W) that torch can share.

    Parameters
    ----------
    images : array or Tensor of shape (B, C, H, W)
        uint8, or floats in [0, 1].
    in_shape : tuple of int
        Channels, height and width that the network takes.
    what : str
        Name of the images in an error message.
    at_least : int
        Smallest allowed number of images B.
    n_frames : int, optional
        If given, recordings (T, B, C, H, W) with at least this many frames T are accepted too.

    Examples
    --------
    >>> check_images(np.full((1, 1, 1, 2), 0.5), (1, 1, 2)).dtype
    dtype('float32')
    """
    values = as_array(images, what)
    wanted = ", ".join(map(str, in_shape))
    if n_frames is not None and values.ndim == 5:
        if values.shape[2:] != in_shape or values.shape[1] < at_least or len(values) < n_frames:
            raise ShapeError(
                f"recordings {what} must have shape (T, B, {wanted}) with T at least {n_frames} and B at least "
                f"{at_least}; got {values.shape}. Time comes first."
            )
    elif values.ndim != 4 or values.shape[1:] != in_shape or len(values) < at_least:
        raise ShapeError(f"{what} must have shape (B, {wanted}) with B at least {at_least}; got {values.shape}.")
    check_values(values, what)
    # Contiguous and writeable (a copy if need be): torch warns when it shares read-only memory.
    return np.require(values, np.uint8 if values.dtype == np.uint8 else np.float32, ["C", "W"])


def sample_axis(images: NDArray[Any] | Tensor) -> int:
    """Return the axis that counts the samples: 0 of images (B, C, H, W), 1 of recordings (T, B, C, H, W).

    Examples
    --------
    >>> sample_axis(np.zeros((4, 1, 2, 8, 8)))
    1
    """
    return 1 if images.ndim == 5 else 0
