"""Pictures for files: drawn with matplotlib's Figure objects, without a window and without global state."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullLocator, PercentFormatter, ScalarFormatter
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from spikewise.errors import ShapeError

DPI = 100
WIDTH_PX = 960  # sharp on a dense display at the width of a column of text
_LOG_FROM = 50  # steps from which a time axis is logarithmic
_COLORS = ("#7b8494", "#3b82c4", "#e0762f", "#d9534f", "#3a9b6c", "#b05cc0")
_MARKERS = ("D", "X", "s", "P")


def to_png(figure: Figure, *, is_transparent: bool = True) -> bytes:
    """Render a figure as PNG; dark words on a transparent background need a light page."""
    buffer = io.BytesIO()
    # Without the name of the library's version equal figures are equal files.
    figure.savefig(buffer, format="png", transparent=is_transparent, metadata={"Software": None})
    return buffer.getvalue()


def image_png(image: NDArray[np.uint8]) -> bytes:
    r"""Encode one image (C, H, W) as PNG, pixel for pixel: colour if it has three channels, else grey.

    Examples
    --------
    >>> image_png(np.zeros((1, 8, 8), np.uint8))[:4]
    b'\x89PNG'
    """
    if image.ndim != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ShapeError(f"image must be uint8 of shape (C, H, W), not empty; got {image.dtype} {image.shape}.")
    # Neither one nor three channels, such as the two polarities of events: their mean is what can be shown.
    pixels = np.moveaxis(image, 0, -1) if len(image) == 3 else image.mean(0).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def weight_mosaic(weights: ArrayLike, shape: Sequence[int], labels: Sequence[str] | None = None) -> Figure:
    """One tile per neuron, its weights laid out as the image it looks for.

    Parameters
    ----------
    weights : array of shape (n_inputs, N)
        Each neuron is scaled to its own largest weight.
    shape : sequence of int
        Channels, height and width of the image; their product is ``n_inputs``.
    labels : sequence of str, optional
        Short word for each neuron, written into the corner of its tile.

    Examples
    --------
    >>> figure = weight_mosaic(np.eye(4), (1, 2, 2), labels=["a", "b", "c", "d"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['a', 'b', 'c', 'd']
    """
    values = np.asarray(weights, np.float64)
    if values.ndim != 2 or 0 in values.shape or len(shape) != 3 or np.prod(shape) != len(values):
        raise ShapeError(f"weights must be (n_inputs, N) with an input per pixel of {shape}; got {values.shape}.")
    n_neurons = values.shape[1]
    if labels is not None and len(labels) != n_neurons:
        raise ShapeError(f"labels must name each of the {n_neurons} neurons; got {len(labels)}.")
    tiles = _tinted(values, shape)
    n_columns = int(np.ceil(np.sqrt(n_neurons)))
    n_rows = -(-n_neurons // n_columns)
    _, height, width = shape
    gap = max(1, round(min(height, width) / 12))
    canvas = np.zeros((n_rows * (height + gap) - gap, n_columns * (width + gap) - gap, 4))
    corners = [((height + gap) * (i // n_columns), (width + gap) * (i % n_columns)) for i in range(n_neurons)]
    for tile, (top, left) in zip(tiles, corners, strict=True):
        canvas[top : top + height, left : left + width] = tile
    scale = max(1, round(WIDTH_PX / canvas.shape[1]))  # whole pixels
    figure = Figure(figsize=(canvas.shape[1] * scale / DPI, canvas.shape[0] * scale / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(canvas, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    size = 0.22 * min(height, width) * scale * 72 / DPI
    for word, (top, left) in zip(labels or (), corners, strict=False):
        axes.text(
            left - 0.5 + width / 20, top - 0.5 + height / 20, word,
            size=size, color="white", alpha=0.9, va="top", weight="bold", parse_math=False,
            path_effects=[withStroke(linewidth=size / 4, foreground="black", alpha=0.7)],
        )  # fmt: skip
    return figure


def accuracy_figure(
    static: ArrayLike,
    dynamic: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    points: Mapping[str, tuple[float, float]] | None = None,
) -> Figure:
    """Accuracy against timesteps: the static network as a line, early exit as curves and points.

    Parameters
    ----------
    static : array of shape (T,)
        Accuracy after step 1, 2, ..., T.
    dynamic : mapping of str to pair of arrays, optional
        Named curves: mean steps and accuracy.
    points : mapping of str to pair of float, optional
        Named settings: mean steps and accuracy.

    Examples
    --------
    >>> figure = accuracy_figure([0.5, 0.9], points={"exit": (1.2, 0.89)})
    >>> figure.axes[0].get_xlabel()
    'mean timesteps'
    """
    accuracy = np.asarray(static, np.float64)
    if accuracy.ndim != 1 or not len(accuracy):
        raise ShapeError(f"static must hold one accuracy per step, shape (T,); got {accuracy.shape}.")
    steps = np.arange(1, len(accuracy) + 1)
    figure = Figure(figsize=(WIDTH_PX / DPI, 0.6 * WIDTH_PX / DPI), dpi=DPI, layout="constrained")
    axes = figure.add_subplot(xlabel="mean timesteps", ylabel="accuracy")
    colors, markers = iter(_COLORS * 8), iter(_MARKERS * 8)
    axes.plot(steps, accuracy, color=next(colors), lw=2, label="every sample runs equally long")
    for name, (mean_steps, values) in (dynamic or {}).items():
        axes.plot(np.asarray(mean_steps), np.asarray(values), color=next(colors), lw=2, label=name)
    for name, (at, value) in (points or {}).items():
        axes.plot([at], [value], next(markers), color=next(colors), ms=9, mec="white", zorder=3, label=name)
    if len(accuracy) >= _LOG_FROM:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
    if points:
        curves = [
            np.column_stack([np.asarray(line, np.float64) for line in curve]) for curve in (dynamic or {}).values()
        ]
        _look_closer(axes, accuracy, np.concatenate([np.array(list(points.values())), *curves]))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    return figure


def _look_closer(axes: Axes, accuracy: NDArray[np.float64], others: NDArray[np.float64]) -> None:
    """Leave out the steps at which a static network is still far below all that it is compared with, (M, 2)."""
    at, values = others.T
    top = max(accuracy.max(), values.max())
    low = max(0.0, values.min() - 0.3 * (top - values.min()) - 0.01)
    first = min(at.min(), 1 + np.flatnonzero(accuracy >= min(low, accuracy.max()))[0])
    axes.set_ylim(low, top + 0.05 * (top - low))
    axes.set_xlim(0.97 * first, 1.04 * len(accuracy))


def _tinted(values: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.float64]:
    """Each column as an image (N, H, W, 4): in its own colours if it has three channels, else in false ones."""
    largest = np.abs(values).max(0)
    scaled = np.clip(np.divide(values, largest, out=np.zeros_like(values), where=largest > 0), 0, 1)
    images = scaled.T.reshape(-1, *shape)
    if shape[0] == 3:
        return np.concatenate([np.moveaxis(images, 1, -1), np.ones((len(images), *shape[1:], 1))], -1)
    return np.asarray(colormaps["magma"](images.mean(1)))
