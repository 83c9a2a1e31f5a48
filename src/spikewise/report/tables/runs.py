"""Runs side by side: every figure of each exit setting as a number, and as a cell for people."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spikewise.errors import ParameterError
from spikewise.price.cost import CostReport
from spikewise.report.cells import SideBySide
from spikewise.runs.contents import RunContents
from spikewise.runs.exit_folder import ExitFolder
from spikewise.runs.exit_record import ExitRecord
from spikewise.runs.folder import Run

from .summary import ROWS

Column = tuple[RunContents, ExitFolder | None]
_FIGURES = (
    "n_test", "n_steps", "accuracy_full", "accuracy_exit", "accuracy_random_exit", "accuracy_truncated",
    "accuracy_first_spike", "first_spike_steps", "mean_steps", "median_steps", "p95_steps",
)  # fmt: skip
_PRICE = ("platform", "energy_j", "latency_s", "edp_js", "edp_saving", "area_m2", "memory_bits", "weakest_tag")
_BANDS = ("energy_j", "latency_s", "edp_js", "edp_saving", "area_m2")


def columns_of(runs: Sequence[Run]) -> list[Column]:
    """A column per exit setting of each run, one for a run without.

    Raises
    ------
    ParameterError
        If a run is named twice, or there is nothing to compare.
    """
    seen: set[Path] = set()
    for run in runs:
        folder = run.path.resolve()
        if folder in seen:
            raise ParameterError(f"runs must be different folders; got {run.path} twice. Name it once.")
        seen.add(folder)
    contents = [RunContents.read(run) for run in runs]
    columns: list[Column] = [(run, found) for run in contents for found in (run.exits or (None,))]
    if len(columns) < 2:
        names = ", ".join(name_of(column) for column in columns)
        first = runs[0].path
        advice = f"Name another run, or run: spikewise exit {first} --max-drop 0.005"
        raise ParameterError(f"runs must give two columns or more to compare; got {names}. {advice}")
    return columns


def name_of(column: Column) -> str:
    """Run and exit setting."""
    run, found = column
    return f"{run.name}, {found.name}" if found else run.name


def runs_table(columns: Sequence[Column]) -> SideBySide:
    """The rows of a report's summary, a column per exit setting."""
    rows = []
    for title, cell in ROWS:
        cells = [cell(*column) for column in columns]
        rows.append((title, tuple("\n".join([one.main, *one.notes]) for one in cells)))
    caption = ("prices of different platforms have different scopes",)
    return SideBySide("runs side by side", tuple(map(name_of, columns)), tuple(rows), caption)


def numbers_of(column: Column) -> dict[str, Any]:
    """The same as plain numbers: fractions and SI units; None or an empty list where a run has nothing."""
    run, found = column
    figures: ExitRecord | None = found.record if found else None
    prices = found.prices if found else ()
    return {
        "run": run.name,
        "exit": figures.name if figures else None,
        **{key: getattr(figures, key) if figures else None for key in _FIGURES},
        "max_entropy": getattr(figures.rule, "max_entropy", None) if figures else None,
        "max_drop": figures.calibration.max_drop if figures else None,
        "prices": [_price(report, asked=place == 0) for place, report in enumerate(prices)],
        "measured": {stage: asdict(taken) for stage, taken in run.measured(found).items()},
    }


def _price(report: CostReport, *, asked: bool) -> dict[str, Any]:
    return {
        **{key: getattr(report, key) for key in _PRICE},
        "asked": asked,
        "band": {key: list(report.band(key)) for key in _BANDS},
        "static": {key: getattr(report.static, key) for key in ("energy_j", "latency_s", "edp_js")},
    }
