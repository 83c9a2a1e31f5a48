"""Read small images that are tiles of a few large lossless pictures, with their labels in an ``.npz``.

Lossless WebP packs CIFAR-10 into 100 MB, less than the official gzipped archive. A picture is a grid of tiles
in row-major order; ``labels.npz`` holds ``train_labels``, ``test_labels`` and ``classes``.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikewise._arrays import read_npz
from spikewise.errors import DataError

from .checks import Labels, Pixels, as_labels, as_pixels, check_paired
from .folder import open_picture
from .npz import class_names


def read_picture_grids(
    pictures: Sequence[Path], labels: Path, part: str, classes: Sequence[str], tile: int = 32
) -> tuple[Pixels, Labels]:
    """Read images ``(B, 3, tile, tile)`` and labels of one part.

    Parameters
    ----------
    pictures : sequence of Path
        The grids; their tiles are in the order of the labels.
    labels : Path
        The ``.npz`` with ``{part}_labels`` and ``classes``.
    part : str
        ``"train"`` or ``"test"``.
    classes : sequence of str
        Class names that the file must list, in this order.
    tile : int
        Height and width of one image, in pixels.
    """
    arrays = read_npz(labels, [f"{part}_labels", "classes"])
    if class_names(arrays["classes"], str(labels)) != tuple(classes):
        raise DataError(f"{labels}: classes must be {', '.join(classes)}; got others.")
    values = as_labels(arrays[f"{part}_labels"], len(classes), str(labels))
    images = np.concatenate([_tiles(path, tile) for path in pictures])
    return check_paired(as_pixels(images, str(labels.parent)), values, str(labels.parent))


def _tiles(path: Path, tile: int) -> NDArray[np.uint8]:
    """Cut one picture into tiles (n, 3, tile, tile)."""
    picture = open_picture(path, n_channels=3)
    height, width = picture.shape[1:]
    if height % tile or width % tile:
        raise DataError(f"{path} must be a grid of {tile}x{tile} tiles; it has {height}x{width} pixels.")
    grid = picture.reshape(3, height // tile, tile, width // tile, tile)
    # Both grid axes first, so that flattening them gives the tiles row by row.
    return grid.transpose(1, 3, 0, 2, 4).reshape(-1, 3, tile, tile)
