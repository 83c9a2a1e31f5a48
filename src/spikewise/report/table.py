"""Costs as tables for people: totals with their band, and where they come from."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import reduce
from typing import Any

from rich.table import Table

from spikewise.price.cost import CostReport
from spikewise.price.ledger import By, Cost
from spikewise.units import format_area, format_memory, format_share, format_si

_MOST_STEPS = 20  # rows of a table


def cost_table(report: CostReport) -> Table:
    """Totals of a report: with early exit, their band, and the static network beside.

    Examples
    --------
    >>> from spikewise.price.platform import estimate
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], n_steps=2, rates=[0.1])
    >>> [str(column.header) for column in cost_table(estimate(load)).columns]
    ['', 'with exit', 'low to high', 'static', 'saving']
    """
    caption = f"per sample; weakest constant: {report.weakest_tag}"
    table = Table(title=f"{report.workload} on {report.platform}", caption=caption, caption_justify="left")
    table.add_column("")
    for header in ("with exit", "low to high", "static", "saving"):
        table.add_column(header, justify="right")
    static = report.static
    for name, figure, show in _FIGURES:
        low, nominal, high = report.band(figure)
        full = float(getattr(static, figure))
        saving = format_share(1 - nominal / full) if full and figure in _SAVED else ""
        table.add_row(name, show(nominal), f"{show(low)} to {show(high)}", show(full), saving)
    table.add_row("latency, median", _seconds(report.latency_quantile(0.5)))
    table.add_row("latency, 95 %", _seconds(report.latency_quantile(0.95)))
    table.add_row("EDP of the means", _joule_seconds(report.edp_of_means_js))
    table.add_row("memory", format_memory(report.memory_bits))
    table.add_row("mean steps", f"{report.mean_steps:.3g}", "", str(report.n_steps))
    return table


def breakdown_table(report: CostReport, by: By = "component") -> Table:
    """Energy, latency, area and memory by component, layer or timestep, with their share of the energy.

    Of more than twenty steps several stand on a line; :func:`breakdown_csv` has them all.
    """
    table = Table(title=f"{report.workload} on {report.platform}, by {by}")
    table.add_column(by)
    for header in ("energy", "share", "latency", "area", "memory"):
        table.add_column(header, justify="right")
    total = report.total
    rows = report.breakdown(by)
    for name, cost in [*(_binned(rows) if by == "timestep" else rows).items(), ("total", total)]:
        if name == "total":
            table.add_section()
        share = format_share(cost.energy_j / total.energy_j) if total.energy_j else ""
        table.add_row(
            name,
            _joules(cost.energy_j),
            share if cost.energy_j else "",
            _seconds(cost.latency_s) if cost.latency_s else "",
            format_area(cost.area_m2) if cost.area_m2 else "",
            format_memory(cost.memory_bits) if cost.memory_bits else "",
        )
    return table


def assumption_table(report: CostReport) -> Table:
    """What was taken for granted, one line each."""
    table = Table.grid(padding=(0, 1))
    for line in report.assumptions:
        table.add_row("-", line)
    return table


def breakdown_csv(report: CostReport, by: By = "component") -> str:
    """The breakdown in SI units as comma-separated values, with a header line and the total last."""
    out = io.StringIO()
    rows = [{by: name, **asdict(cost)} for name, cost in [*report.breakdown(by).items(), ("total", report.total)]]
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def demo_table(results: Mapping[str, Any]) -> Table:
    """The headline figures of the two networks of :func:`~spikewise.workflow.run_demo`, side by side."""
    deep, stdp = results["deep"], results["stdp"]
    table = Table(title=f"{results['data']}: learned, stopped early, priced on {deep['platform']}")
    table.add_column("test images, threshold chosen on validation images")
    table.add_column("deep SNN (gradients)", justify="right")
    table.add_column("STDP (no labels)", justify="right")
    rows = (
        ("accuracy, all timesteps", deep["accuracy_static"], stdp["accuracy_full"], "{:.2%}".format),
        ("accuracy, early exit", deep["accuracy_exit"], stdp["accuracy_exit"], "{:.2%}".format),
        ("accuracy, same steps at random", deep["accuracy_random_exit"], stdp["accuracy_random_exit"], "{:.2%}".format),
        ("mean timesteps", deep["mean_steps"], stdp["mean_steps"], "{:.2f}".format),
        ("of", deep["n_steps"], stdp["n_steps"], "{}".format),
        ("energy per image", deep["energy_j"], stdp["energy_j"], _joules),
        ("latency per image", deep["latency_s"], stdp["latency_s"], _seconds),
        ("area", deep["area_m2"], stdp["area_m2"], format_area),
        ("on-chip memory", deep["memory_bits"], stdp["memory_bits"], format_memory),
        ("EDP saved by early exit", deep["edp_saving"], stdp["edp_saving"], "{:.1%}".format),
    )
    for name, left, right, show in rows:
        table.add_row(name, show(left), show(right))
    return table


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


def _joule_seconds(value: float) -> str:
    return f"{value:.3g} J s"


_FIGURES: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("energy", "energy_j", _joules),
    ("latency", "latency_s", _seconds),
    ("EDP", "edp_js", _joule_seconds),
    ("area", "area_m2", format_area),
)
_SAVED = ("energy_j", "latency_s", "edp_js")
