"""Pictures of competing neurons: which class each answers to, what they mix up, and one sample spike by spike.

They take arrays alone, so a network of any origin can be drawn, and are 960 pixels wide. Each of up to ten
classes has the same colour in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike, NDArray

from spikewise.errors import ParameterError, ShapeError, whole_number

from .figure import DPI, WIDTH_PX

# From a search for the largest distance of the nearest pair (unmixed) in OKLab, for typical sight and for simulated
# protanopia, deuteranopia and tritanopia; ordered so that the first K are far apart too. The tests measure it.
CLASS_COLORS = (
    "#1166d0", "#fca800", "#950003", "#98bef8", "#b96da5", "#6b8330", "#5036a9", "#30e19d", "#a69d04", "#934e08",
)  # fmt: skip
NO_CLASS_COLOR = "#9ca1a8"
_INK, _FAINT, _EXIT = "#1d232b", "#c3c8cf", "#d4442b"
_MAP_PX, _KEY_PX, _ROW_PX, _PAD_PX = 660, 54, 26, 20
_N_TINTS = 32
_PALEST = 0.15  # share of its colour that a class keeps at strength 0, so that it is not taken for empty paper
_MOST_NUMBERED, _MOST_NAMED = 20, 40  # classes up to which a confusion matrix has room for counts, for all names
_MOST_STROKES = 60  # spikes up to which each is a stroke; more are dots
_MOST_LETTERS = 75  # of class names side by side below a matrix
_LONGEST_NAME = 18
_SMALLEST_PT = 7.0

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
    names = _names(class_names)
    label, certain = _whole("classes", classes, -1, len(names) - 1), np.asarray(strength, np.float64)
    _check_paired(classes=label, strength=certain)
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
    names = _names(class_names)
    k = len(names)
    label, answer = _whole("true", true, 0, k - 1), _whole("predicted", predicted, 0, k - 1)
    _check_paired(true=label, predicted=answer)
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


def raster_figure(
    in_steps: ArrayLike,
    in_inputs: ArrayLike,
    out_steps: ArrayLike,
    out_neurons: ArrayLike,
    n_steps: int,
    scores: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
    exit_step: int | None = None,
    *,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """One sample in time: its input spikes, the output spikes, and the scores of the classes.

    Parameters
    ----------
    in_steps, in_inputs : int arrays of shape (M,)
        When (steps count from 1) which input fired.
    out_steps, out_neurons : int arrays of shape (M',)
        The same of the output neurons.
    n_steps : int
        Steps T of a full run.
    scores : array of shape (T, K), or tuple of arrays of shapes (P,) and (P, K), optional
        Class probabilities, such as the softmax of the summed evidence: after every step; or rising steps and
        what holds from each of them on (before the first, all classes are equal).
    exit_step : int, optional
        Last step that was computed; what lies after it is shaded.
    class_names : sequence of str, optional
        Names of the K classes; their numbers if absent.

    Examples
    --------
    >>> figure = raster_figure([1, 1, 3], [0, 5, 2], [3], [7], n_steps=4, exit_step=3)
    >>> [axes.get_title("left") for axes in figure.axes]
    ['3 input spikes', '1 output spike']
    """
    last = whole_number("n_steps", n_steps, 1)
    stop = None if exit_step is None else whole_number("exit_step", exit_step, 1, last)
    given = _whole("in_steps", in_steps, 1, last), _whole("in_inputs", in_inputs, 0)
    found = _whole("out_steps", out_steps, 1, last), _whole("out_neurons", out_neurons, 0)
    _check_paired(least=0, in_steps=given[0], in_inputs=given[1])
    _check_paired(least=0, out_steps=found[0], out_neurons=found[1])
    lines = None if scores is None else _score_changes(scores, last)
    heights = [3, 2] if lines is None else [3, 2, 2]
    figure = Figure(figsize=(WIDTH_PX / DPI, 1.05 * sum(heights)), dpi=DPI, layout="constrained")
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    _draw_spikes(panels[0], *given, last, "input")
    _draw_spikes(panels[1], *found, last, "output")
    if lines is not None:
        n_classes = lines[1].shape[1]
        names = _names([str(k) for k in range(n_classes)] if class_names is None else class_names)
        if len(names) != n_classes:
            raise ShapeError(f"class_names must name each of the {n_classes} classes; got {len(names)} names.")
        _draw_scores(panels[2], *lines, last, names)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        if stop is not None:
            axes.axvline(stop, color=_EXIT, lw=1.4, ls="--")
            axes.axvspan(stop, last + (stop < last) / 2, color=_FAINT, alpha=0.4, lw=0)
    if stop is not None:
        panels[0].set_title(f"exit after step {stop} of {last}", loc="right", size=11, color=_EXIT)
    panels[-1].set(xlabel="timestep", xlim=(0, last + 0.5))
    panels[-1].xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
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


def _draw_spikes(axes: Axes, steps: Whole, sources: Whole, last: int, kind: str) -> None:
    """A stroke per spike where they are few, else a dot."""
    marker, size = ("|", 12.0) if steps.size <= _MOST_STROKES else (".", float(np.clip(WIDTH_PX / last, 3, 8)))
    axes.plot(steps, sources, marker, color=_INK, ms=size, mew=1.6 if marker == "|" else 0, zorder=3, rasterized=True)
    axes.set_title(f"{steps.size:,} {kind} spike{'' if steps.size == 1 else 's'}", loc="left", size=11)
    top = max(1, sources.max(initial=0))
    axes.set(ylabel=f"{kind} neuron", ylim=(-0.08 * top, 1.08 * top))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))


def _draw_scores(axes: Axes, steps: Whole, values: Floats, last: int, names: Sequence[str]) -> None:
    """Probabilities as stairs, named in the order of the end; of many classes the ten that ever rise highest."""
    ends = np.concatenate([[0], steps, [last + 0.5]])
    stairs = np.concatenate([np.full((1, len(names)), 1 / len(names)), values])
    stairs = stairs[[*range(len(stairs)), -1]]
    order = np.argsort(-stairs[-1], kind="stable")
    highest = np.argsort(-stairs.max(0), kind="stable")[: len(CLASS_COLORS)]
    shown, others = order[np.isin(order, highest)], order[~np.isin(order, highest)]
    for place, k in enumerate(shown.tolist()):
        color = CLASS_COLORS[k if len(names) <= len(CLASS_COLORS) else place]
        z = 3 - place / len(CLASS_COLORS)  # the winner lies on top
        name = f" {names[k]}"  # a leading underscore would hide it
        axes.plot(ends, stairs[:, k], drawstyle="steps-post", color=color, lw=1.8, label=name, zorder=z)
    for k in others:
        label = f"{len(others)} others" if k == others[0] else None
        axes.plot(ends, stairs[:, k], drawstyle="steps-post", color=_FAINT, lw=1, label=label, zorder=1)
    axes.set(ylabel="probability", ylim=(-0.03, 1.03))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), labelspacing=0.15)


def _score_changes(scores: ArrayLike | tuple[ArrayLike, ArrayLike], last: int) -> tuple[Whole, Floats]:
    """Steps (P,) from which new probabilities (P, K) hold."""
    given = scores if isinstance(scores, tuple) else (np.arange(1, last + 1), scores)
    steps, values = _whole("steps of scores", given[0], 1, last), np.asarray(given[1], np.float64)
    if values.ndim != 2 or len(values) != len(steps) or not values.shape[1]:
        raise ShapeError(f"scores must be (T, K), or steps (P,) and (P, K), of {last} steps; got {values.shape}.")
    if (np.diff(steps) <= 0).any():
        raise ParameterError("steps of scores must rise; got one that does not. Keep the last change of a step.")
    if not ((values >= 0) & (values <= 1 + 1e-6)).all():
        raise ParameterError("scores must be probabilities in [0, 1]; got others. Pass the softmax of the evidence.")
    return steps, values


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
    ink = "white" if color[:3] @ (0.299, 0.587, 0.114) < 0.55 else _INK
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


def _names(class_names: Sequence[str]) -> list[str]:
    """Names on one line each; of a long one the middle is left out, for it is the ends that differ."""
    if not len(class_names):
        raise ParameterError("class_names must name at least one class; got none.")
    words = [" ".join(str(name).split()) for name in class_names]
    half = _LONGEST_NAME // 2
    short = [word if len(word) <= _LONGEST_NAME else f"{word[:half]}…{word[1 - half :]}" for word in words]
    return [word.replace("$", r"\$") for word in short]  # text, not mathematics


def _whole(name: str, values: ArrayLike, least: int, most: int | None = None) -> Whole:
    """Whole numbers (M,) in a range."""
    found = np.asarray(values)
    if found.ndim != 1:
        raise ShapeError(f"{name} must be one-dimensional; got shape {found.shape}.")
    if found.size and not np.issubdtype(found.dtype, np.integer):
        raise ParameterError(f"{name} must hold integers; got {found.dtype}. Pass indices.")
    if found.size and (found.min() < least or (most is not None and found.max() > most)):
        bounds = f"be at least {least}" if most is None else f"lie in {least}..{most}"
        raise ParameterError(f"{name} must {bounds}; got {found.min()}..{found.max()}.")
    return found.astype(np.int64)


def _check_paired(least: int = 1, **arrays: NDArray[Any]) -> None:
    shapes = [array.shape for array in arrays.values()]
    if shapes[0] != shapes[1] or shapes[0][0] < least:
        both, empty = " and ".join(arrays), ", not empty" if least else ""
        raise ShapeError(f"{both} must be equally long{empty}; got {shapes[0]} and {shapes[1]}.")
