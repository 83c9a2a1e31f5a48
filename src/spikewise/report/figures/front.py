"""Every trained design of a search against memory and energy, with the front, the choice and the budget."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikewise._files import replacing
from spikewise.runs.results import DesignFigures, SearchResults
from spikewise.search.budget import Budget

from .base import DPI, WIDTH_PX, to_png

_INK, _OTHER, _FRONT, _CHOSEN, _RIVAL = "#1d232b", "#9aa3ad", "#3b86d1", "#e8833a", "#d9534f"
_PANELS = (("memory_bits", 1 / 8e3, "memory (kB)"), ("energy_j", 1e6, "energy of an answer (µJ)"))


def front_figure(results: SearchResults, budget: Budget) -> Figure:
    """Accuracy against memory, and against energy; at least one design must have been trained."""
    figure = Figure(figsize=(WIDTH_PX / DPI, 0.45 * WIDTH_PX / DPI), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (key, scale, title) in zip(panels, _PANELS, strict=True):
        _draw(axes, results, key, scale)
        limit = getattr(budget, key)
        if limit is not None:
            axes.axvline(limit * scale, color=_INK, lw=1.2, ls="--", label="budget")
        axes.set(xlabel=title, xscale="log")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("accuracy, validation images")
    panels[0].yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    panels[0].legend(frameon=False, loc="lower right")
    return figure


def write_front(results: SearchResults, budget: Budget, path: Path) -> Path:
    """Write the picture as a PNG file, in one move."""
    with replacing(path) as handle:
        handle.write(to_png(front_figure(results, budget), is_transparent=False))
    return path


def _draw(axes: Axes, results: SearchResults, key: str, scale: float) -> None:
    def at(rows: list[DesignFigures]) -> tuple[list[float], list[float]]:
        return [scale * getattr(row, key) for row in rows], [row.accuracy for row in rows]

    axes.plot(*at(results.trained), ".", color=_OTHER, ms=6, label="a trained design with one exit")
    axes.plot(*at(results.front), "o", color=_FRONT, ms=6, label="on the front")
    for taken, color, marker, word in (
        (results.fspinn, _RIVAL, "X", "FSpiNN's algorithm"), (results.chosen, _CHOSEN, "D", "chosen"),
    ):  # fmt: skip
        if taken is not None:
            axes.plot(*at([taken.figures]), marker, color=color, ms=10, mec="white", label=word)
