"""Pictures of competing neurons: which class each answers to, and what they mix up.

They take arrays alone, so a network of any origin can be drawn, and are 960 pixels wide. Each of up to ten
classes has the same colour in all of them.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from spikewise.errors import ParameterError

from .base import DPI, WIDTH_PX
from .classes import NO_CLASS_COLOR, Floats, Whole, check_paired, class_colors, one_line_names, whole_numbers

_INK, _FAINT = "#1d232b", "#c3c8cf"
_MAP_PX, _KEY_PX, _ROW_PX, _PAD_PX = 660, 54, 26, 20
_N_TINTS = 32
_PALEST = 0.15  # share of its colour that a class keeps at strength 0, so that it is not taken for empty paper
_MOST_NUMBERED, _MOST_NAMED = 20, 40  # classes up to which a confusion matrix has room for counts, for all names
_MOST_LETTERS = 75  # of class names side by side below a matrix
_SMALLEST_PT = 7.0


def label_map(classes: ArrayLike, strength: ArrayLike, class_names: Sequence[str]) -> Figure:
    """The neurons on a square grid, row by row, coloured by the class they answer to.

    Parameters
    ----------
    classes : int array of shape (N,)
        Class of each neuron, an index into ``class_names``; -1, drawn grey, for a neuron without one.
    strength : array of shape (N,)
        How certain that is, in [0, 1]: the smaller, the paler. Not looked at where the class is -1.
    class_names : sequence of str
        Names of the K classes.

    Examples
    --------
    >>> figure = label_map([0, 1, 1, -1], [1.0, 0.9, 0.3, 0.0], ["cat", "dog"])
    >>> [word.get_text() for word in figure.axes[1].get_yticklabels()]
    ['cat (1)', 'dog (2)', 'no class (1)']
    """
    names = one_line_names(class_names)
    label, certain = whole_numbers("classes", classes, -1, len(names) - 1), np.asarray(strength, np.float64)
    check_paired(classes=label, strength=certain)
    certain = np.where(label < 0, 0, certain)
    if not ((certain >= 0) & (certain <= 1)).all():
        raise ParameterError(f"strength must lie in [0, 1]; got {certain.min()}..{certain.max()}. Pass shares.")
    n_columns = int(np.ceil(np.sqrt(label.size)))
    n_rows = -(-label.size // n_columns)
    cell = max(1, _MAP_PX // n_columns)  # whole pixels, so that all neurons are equally large
    counts = np.bincount(np.where(label < 0, len(names), label), minlength=len(names) + 1)
    n_kinds = len(names) + bool(counts[-1])
    top = max(n_rows * cell, min(n_kinds, _MOST_NUMBERED) * _ROW_PX + 2 * _PAD_PX) + _PAD_PX
    figure = Figure(figsize=(WIDTH_PX / DPI, (top + _PAD_PX) / DPI), dpi=DPI)
    axes = _placed(figure, _PAD_PX, top, n_columns * cell, n_rows * cell)
    _draw_neurons(axes, label, certain, names, cell, n_columns)
    key = _placed(figure, n_columns * cell + 2 * _PAD_PX, top, _KEY_PX, min(n_kinds * _ROW_PX, top - 3 * _PAD_PX))
    _draw_key(key, names, counts[:n_kinds])
    return figure


def confusion_figure(true: ArrayLike, predicted: ArrayLike, class_names: Sequence[str]) -> Figure:
    """Confusion matrix: which class was taken for which, each row coloured by the share of its samples.

    Parameters
    ----------
    true, predicted : int arrays of shape (B,)
        Class of each sample and what the network made of it, indices into ``class_names``.
    class_names : sequence of str
        Names of the K classes; up to 20 leave room for the counts. A class without samples has a hatched row.

    Examples
    --------
    >>> figure = confusion_figure([0, 0, 1], [0, 1, 1], ["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['1', '1', '0', '1']
    """
    names = one_line_names(class_names)
    k = len(names)
    label, answer = whole_numbers("true", true, 0, k - 1), whole_numbers("predicted", predicted, 0, k - 1)
    check_paired(true=label, predicted=answer)
    counts = np.bincount(label * k + answer, minlength=k * k).reshape(k, k)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = Figure(figsize=(WIDTH_PX / DPI, 8.2), dpi=DPI, layout="constrained")
    axes = figure.add_subplot(xlabel="predicted", ylabel="true")
    # The square root of the share: one mistake in a hundred is still seen beside 99 right answers.
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
    right = int(np.trace(counts))
    axes.set_title(f"{right:,} of {label.size:,} correct ({right / label.size:.1%})", loc="left")
    _rule_off(axes, k, k, 1 if k <= _MOST_NAMED else 0)
    for row in np.flatnonzero(counts.sum(1) == 0):
        axes.axhspan(row - 0.5, row + 0.5, facecolor="white", edgecolor=_FAINT, hatch="///", lw=0)
    if k <= _MOST_NUMBERED:
        _write_counts(axes, counts, np.asarray(image.to_rgba(shares)))
    _name_classes(axes, names)
    axes.spines[:].set_color(_FAINT)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, label="share of the true class", format=PercentFormatter(1, 0))
    bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1])
    return figure


def _draw_neurons(axes: Axes, label: Whole, certain: Floats, names: Sequence[str], cell: int, n_columns: int) -> None:
    """One square per neuron, with the name of its class where the squares have room for the longest."""
    canvas = np.zeros((-(-label.size // n_columns) * n_columns, 4))
    canvas[: label.size, :3], canvas[: label.size, 3] = _tinted(label, certain, len(names)), 1
    axes.imshow(canvas.reshape(-1, n_columns, 4), interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    _rule_off(axes, len(canvas) // n_columns, n_columns, min(4, max(cell // 24, cell > 5)))
    size = cell * 72 / DPI * min(0.45, 1.2 / max(1, *map(len, names)))
    for place in np.flatnonzero(label >= 0).tolist() if size >= _SMALLEST_PT else ():
        _write(axes, names[label[place]], *divmod(place, n_columns), canvas[place], min(14, size))


def _draw_key(axes: Axes, names: Sequence[str], counts: Whole) -> None:
    """One strip per class, from the palest to the full colour, with the number of its neurons."""
    words = [f"{name} ({count})" for name, count in zip([*names, "no class"], counts, strict=False)]
    kinds = np.append(np.arange(len(names)), -1)[: len(words)]
    strips = _tinted(np.repeat(kinds, _N_TINTS), np.tile(np.linspace(0, 1, _N_TINTS), len(kinds)), len(names))
    axes.imshow(strips.reshape(-1, _N_TINTS, 3), aspect="auto", extent=(0, 1, len(kinds), 0), interpolation="nearest")
    every = -(-len(words) * 15 // round(axes.bbox.height))  # a word is 15 pixels high
    shown = np.arange((len(words) - 1) % every, len(words), every)  # with the last, which may be "no class"
    axes.set_yticks(shown + 0.5, [words[i] for i in shown])
    axes.yaxis.tick_right()
    axes.set(xticks=[0, 1], xlabel="strength")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if every == 1:
        axes.hlines(np.arange(1, len(words)), 0, 1, color="white", lw=2)


def _write_counts(axes: Axes, counts: Whole, colors: Floats) -> None:
    size = min(13.0, max(_SMALLEST_PT, 600 / len(counts) / len(str(counts.max()))))
    for row, column in np.ndindex(counts.shape):
        if counts[row].any():
            _write(axes, str(counts[row, column]), row, column, colors[row, column], size, row == column)
        elif row == column:
            axes.text((len(counts) - 1) / 2, row, "no samples", ha="center", va="center", backgroundcolor="white")


def _name_classes(axes: Axes, names: Sequence[str]) -> None:
    """Names along both sides of a matrix, every few classes where there are many."""
    ticks = np.arange(len(names))[:: -(-len(names) // _MOST_NAMED)]
    words = [names[i] for i in ticks]
    size = 10 if len(names) <= _MOST_NUMBERED else 8
    axes.set_yticks(ticks, words, size=size)
    axes.set_xticks(ticks, words, size=size)
    if max(map(len, words)) * len(words) > _MOST_LETTERS:
        turn, middle = (45, "top") if len(names) <= _MOST_NUMBERED else (90, "center")
        axes.set_xticks(ticks, words, size=size, rotation=turn, ha="right", va=middle, rotation_mode="anchor")


def _write(axes: Axes, word: str, row: int, column: int, color: Floats, size: float, is_bold: bool = False) -> None:
    """Word in the middle of a square, light on dark and dark on light."""
    ink = "white" if color[:3] @ (0.299, 0.587, 0.114) < 0.5 else _INK
    axes.text(column, row, word, size=size, color=ink, weight=700 if is_bold else 400, ha="center", va="center")


def _tinted(label: Whole, certain: Floats, n_classes: int) -> Floats:
    """Colours (N, 3) of classes, mixed with white the less certain they are; grey without a class."""
    share = (_PALEST + (1 - _PALEST) * certain)[:, None]
    tinted = 1 - share * (1 - class_colors(n_classes)[label])
    return np.where((label < 0)[:, None], to_rgb(NO_CLASS_COLOR), tinted)


def _placed(figure: Figure, left: int, top: int, width: int, height: int) -> Axes:
    """Axes at whole pixels."""
    across, up = figure.get_size_inches() * DPI
    return figure.add_axes((left / across, (top - height) / up, width / across, height / up))


def _rule_off(axes: Axes, n_rows: int, n_columns: int, width_px: float) -> None:
    """White lines between the cells of a picture."""
    axes.hlines(np.arange(1, n_rows) - 0.5, -0.5, n_columns - 0.5, color="white", lw=width_px * 72 / DPI)
    axes.vlines(np.arange(1, n_columns) - 0.5, -0.5, n_rows - 0.5, color="white", lw=width_px * 72 / DPI)
