"""One sample in time, spike by spike: what came in, who answered, and how sure the network became."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from spikewise.errors import ParameterError, ShapeError, whole_number

from .base import DPI, WIDTH_PX
from .classes import CLASS_COLORS, Floats, Whole, check_paired, one_line_names, whole_numbers

_INK, _FAINT, _EXIT = "#1d232b", "#c3c8cf", "#d4442b"
_MOST_STROKES = 60  # spikes up to which each is a stroke; more are dots


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
    given = whole_numbers("in_steps", in_steps, 1, last), whole_numbers("in_inputs", in_inputs, 0)
    found = whole_numbers("out_steps", out_steps, 1, last), whole_numbers("out_neurons", out_neurons, 0)
    check_paired(least=0, in_steps=given[0], in_inputs=given[1])
    check_paired(least=0, out_steps=found[0], out_neurons=found[1])
    lines = None if scores is None else _score_changes(scores, last)
    heights = [3, 2] if lines is None else [3, 2, 2]
    figure = Figure(figsize=(WIDTH_PX / DPI, 1.05 * sum(heights)), dpi=DPI, layout="constrained")
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    _draw_spikes(panels[0], *given, last, "input")
    _draw_spikes(panels[1], *found, last, "output")
    if lines is not None:
        n_classes = lines[1].shape[1]
        names = one_line_names([str(k) for k in range(n_classes)] if class_names is None else class_names)
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
    steps, values = whole_numbers("steps of scores", given[0], 1, last), np.asarray(given[1], np.float64)
    if values.ndim != 2 or len(values) != len(steps) or not values.shape[1]:
        raise ShapeError(f"scores must be (T, K), or steps (P,) and (P, K), of {last} steps; got {values.shape}.")
    if (np.diff(steps) <= 0).any():
        raise ParameterError("steps of scores must rise; got one that does not. Keep the last change of a step.")
    if not ((values >= 0) & (values <= 1 + 1e-6)).all():
        raise ParameterError("scores must be probabilities in [0, 1]; got others. Pass the softmax of the evidence.")
    return steps, values
