"""Costs as tables for people: totals with their band, breakdowns, and what was taken for granted."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import reduce
from typing import TYPE_CHECKING

from rich.table import Table

from spikewise.price.cost import CostReport, OnceMode
from spikewise.price.ledger import By, Cost
from spikewise.report.cells import add_row, format_joule_seconds, new_table, visible
from spikewise.units import format_area, format_memory, format_share, format_si
from spikewise.workload.workload import Workload

if TYPE_CHECKING:
    from spikewise.price.analysis.figures_of_merit import FiguresOfMerit

MERIT_WORDS = "SOP: synaptic operation, a weight that an active input meets; dense: two for every weight and step"
_MOST_STEPS = 20  # rows of a table
ONCE_WORDS: dict[OnceMode, str] = {
    "fit_proportional": "a fitted share of a step",
    "fit_per_crossbar": "a fitted energy per crossbar",
    "first_layer": "the first layer, where the image is constant",
    "none": "nothing",
}
"""What a chip does once per inference, mode by mode."""


def cost_table(report: CostReport, workload: Workload | None = None) -> Table:
    """Totals of a report: with early exit, their band, and the static network beside.

    Parameters
    ----------
    report : CostReport
        A price.
    workload : Workload, optional
        What was priced, for the figures of merit.

    Examples
    --------
    >>> from spikewise.price.platform import estimate
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], n_steps=2, rates=[0.1])
    >>> [str(column.header) for column in cost_table(estimate(load)).columns]
    ['', 'with exit', 'low to high', 'static', 'saving']
    """
    headers = ("", "with exit", "low to high", "static", "saving")
    caption = [f"per sample; weakest constant: {report.weakest_tag}"]
    caption += [MERIT_WORDS] if workload is not None else []
    table = new_table(f"{report.workload} on {report.platform}", headers, caption)
    static = report.static
    for name, figure, show in _FIGURES:
        low, nominal, high = report.band(figure)
        full = float(getattr(static, figure))
        saving = format_share(1 - nominal / full) if full and figure in _SAVED else ""
        add_row(table, name, show(nominal), f"{show(low)} to {show(high)}", show(full), saving)
    add_row(table, "latency, median", _seconds(report.latency_quantile(0.5)))
    add_row(table, "latency, 95 %", _seconds(report.latency_quantile(0.95)))
    add_row(table, "EDP of the means", format_joule_seconds(report.edp_of_means_js))
    add_row(table, "memory", format_memory(report.memory_bits))
    add_row(table, "mean steps", f"{report.mean_steps:.3g}", "", str(report.n_steps))
    if workload is not None:
        table.add_section()
        from spikewise.price.analysis.figures_of_merit import merit_figures

        merits = merit_figures(report, workload), merit_figures(static, workload.without_exit())
        for name, cells in merit_rows(merits):
            add_row(table, name, cells[0], "", cells[1])
    return table


def merit_rows(merits: Sequence[FiguresOfMerit]) -> list[tuple[str, tuple[str, ...]]]:
    """Figures of merit as rows: a name, and a cell for each price."""
    rows = []
    for name, key, show in _MERITS:
        values = [getattr(merit, key) for merit in merits]
        rows.append((name, tuple("" if value is None else show(value) for value in values)))
    return rows


def breakdown_table(report: CostReport, by: By = "component") -> Table:
    """Energy, latency, area and memory by component, layer or timestep, with their share of the energy.

    Of more than twenty steps several stand on a line; :func:`breakdown_csv` has them all.
    """
    headers = (by, "energy", "share", "latency", "area", "memory")
    table = new_table(f"{report.workload} on {report.platform}, by {by}", headers, _remarks(report, by), fold=True)
    total = report.total
    rows = report.breakdown(by)
    for name, cost in [*(_binned(rows) if by == "timestep" else rows).items(), ("total", total)]:
        if name == "total":
            table.add_section()
        add_row(table, name, *cost_cells(cost, total.energy_j))
    return table


def cost_cells(cost: Cost, total_j: float) -> tuple[str, str, str, str, str]:
    """Energy, its share of a total, latency, area and memory; nothing where there is none."""
    return (
        _joules(cost.energy_j),
        format_share(cost.energy_j / total_j) if cost.energy_j and total_j else "",
        _seconds(cost.latency_s) if cost.latency_s else "",
        format_area(cost.area_m2) if cost.area_m2 else "",
        format_memory(cost.memory_bits) if cost.memory_bits else "",
    )


def once_table(report: CostReport) -> Table | None:
    """What each reading of "once per inference" makes of a price; None where there is but one."""
    if not report.once_modes:
        return None
    caption = ["which of them holds is not known: the band of the price spans them; the first is the nominal one"]
    table = new_table(
        f"what {report.platform} does once per inference", ("once", "energy", "EDP saved by exit"), caption
    )
    for mode in report.once_modes:
        add_row(table, ONCE_WORDS[mode.mode], _joules(mode.energy_j), format_share(mode.edp_saving))
    return table


def assumption_table(report: CostReport) -> Table:
    """What was taken for granted, one line each."""
    table = new_table(f"taken for granted on {report.platform}", ("", ""), left=(0, 1))
    table.show_header, table.box, table.title_justify = False, None, "left"
    for line in report.assumptions:
        add_row(table, "-", line)
    return table


def breakdown_csv(reports: Sequence[CostReport], by: By = "component") -> str:
    """Breakdowns in SI units as comma-separated values: one header, and the total last for each platform."""
    out = io.StringIO()
    rows = [
        {"workload": visible(report.workload), "platform": visible(report.platform), by: visible(name), **asdict(cost)}
        for report in reports
        for name, cost in [*report.breakdown(by).items(), ("total", report.total)]
    ]
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _remarks(report: CostReport, by: By) -> list[str]:
    """What a reader of a breakdown must know."""
    if by == "timestep":
        return ["mean over all samples: a step counts with the share of samples that compute it; area is built once"]
    if by == "component":
        busy = [name for name, cost in report.breakdown("component").items() if cost.latency_s]
        if len(busy) == 1 and len(report.components) > 1:
            return [f"all time stands in {busy[0]}, which paces the parts beside it: they work at the same time"]
    return []


def _binned(rows: Mapping[str, Cost]) -> dict[str, Cost]:
    """What is paid once, and the steps in bins of equal width; the last may be shorter."""
    once, *steps = rows.values()
    width = -(-len(steps) // _MOST_STEPS)
    bins = {next(iter(rows)): once}
    for first in range(1, len(steps) + 1, width):
        last = min(first + width - 1, len(steps))
        name = f"step {first}" if first == last else f"steps {first}-{last}"
        bins[name] = reduce(Cost.then, steps[first - 1 : last])
    return bins


def _joules(value: float) -> str:
    return format_si(value, "J")


def _seconds(value: float) -> str:
    return format_si(value, "s")


def _number(value: float) -> str:
    return format_si(value, "").rstrip()


_FIGURES: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("energy", "energy_j", _joules),
    ("latency", "latency_s", _seconds),
    ("EDP", "edp_js", format_joule_seconds),
    ("area", "area_m2", format_area),
)
_SAVED = ("energy_j", "latency_s", "edp_js")
_MERITS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("energy per SOP", "energy_per_synaptic_operation_j", _joules),
    ("SOPS/W", "synaptic_operations_per_j", _number),
    ("OPS/W, dense", "dense_operations_per_j", _number),
    ("inferences/s", "inferences_per_s", _number),
    ("mean power", "mean_power_w", lambda value: format_si(value, "W")),
    ("power density", "power_density_w_per_m2", lambda value: f"{format_si(value * 1e-6, 'W')}/mm²"),
)
