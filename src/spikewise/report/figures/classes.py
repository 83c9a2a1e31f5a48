"""What all pictures of classes share: a colour and a name for each, and checks of the arrays that refer to them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from numpy.typing import ArrayLike, NDArray

from spikewise.errors import ParameterError, ShapeError

# From a search for the largest distance of the nearest pair (unmixed) in OKLab, for typical sight and for simulated
# protanopia, deuteranopia and tritanopia; ordered so that the first K are far apart too. The tests measure it.
CLASS_COLORS = (
    "#1166d0", "#fca800", "#950003", "#98bef8", "#b96da5", "#6b8330", "#5036a9", "#30e19d", "#a69d04", "#934e08",
)  # fmt: skip
NO_CLASS_COLOR = "#9ca1a8"
_LONGEST_NAME = 18

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


def class_colors(n_classes: int) -> Floats:
    """Colour of each class as RGB (K, 3): ten that every eye tells apart, more than ten along a continuous map.

    Examples
    --------
    >>> class_colors(2).shape, class_colors(200).shape
    ((2, 3), (200, 3))
    """
    if n_classes <= len(CLASS_COLORS):
        return np.array([to_rgb(color) for color in CLASS_COLORS[:n_classes]])
    return np.asarray(colormaps["viridis"](np.linspace(0, 0.95, n_classes)))[:, :3]


def one_line_names(class_names: Sequence[str]) -> list[str]:
    """Names on one line each; of a long one the middle is left out, for it is the ends that differ."""
    if not len(class_names):
        raise ParameterError("class_names must name at least one class; got none.")
    words = [" ".join(str(name).split()) for name in class_names]
    half = _LONGEST_NAME // 2
    short = [word if len(word) <= _LONGEST_NAME else f"{word[:half]}…{word[1 - half :]}" for word in words]
    return [word.replace("$", r"\$") for word in short]  # text, not mathematics


def whole_numbers(name: str, values: ArrayLike, least: int, most: int | None = None) -> Whole:
    """Array as whole numbers (M,); raises ShapeError or ParameterError if they are none, or outside the range."""
    found = np.asarray(values)
    if found.ndim != 1:
        raise ShapeError(f"{name} must be one-dimensional; got shape {found.shape}.")
    if found.size and not np.issubdtype(found.dtype, np.integer):
        raise ParameterError(f"{name} must hold integers; got {found.dtype}. Pass indices.")
    if found.size and (found.min() < least or (most is not None and found.max() > most)):
        bounds = f"be at least {least}" if most is None else f"lie in {least}..{most}"
        raise ParameterError(f"{name} must {bounds}; got {found.min()}..{found.max()}.")
    return found.astype(np.int64)


def check_paired(least: int = 1, **arrays: NDArray[Any]) -> None:
    """Raise ShapeError unless the two arrays are equally long and hold at least so many entries."""
    shapes = [array.shape for array in arrays.values()]
    if shapes[0] != shapes[1] or shapes[0][0] < least:
        both, empty = " and ".join(arrays), ", not empty" if least else ""
        raise ShapeError(f"{both} must be equally long{empty}; got {shapes[0]} and {shapes[1]}.")
