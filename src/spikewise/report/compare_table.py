"""The same network on several platforms, side by side, with what each price includes; tables as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from spikewise.price.cost import CostReport
from spikewise.price.tornado import Swing
from spikewise.units import format_area, format_memory, format_share, format_si


def scope_of(report: CostReport) -> tuple[str, ...]:
    """Terms that a price includes: the components that take energy or time in a run of all steps.

    Examples
    --------
    >>> from spikewise.price.platform import estimate
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], n_steps=2, rates=[0.1])
    >>> "adc" in scope_of(estimate(load))
    True
    """
    parts = report.static.breakdown("component")
    return tuple(name for name, cost in parts.items() if cost.energy_j or cost.latency_s)


def platforms_table(reports: Sequence[CostReport]) -> Table:
    """One column per platform: figures with their bands, the saving by early exit, trust, and the scope."""
    table = Table(
        title=reports[0].workload, caption="per sample; low to high below each figure", caption_justify="left"
    )
    table.add_column("")
    for report in reports:
        table.add_column(report.platform, justify="right", overflow="fold")

    def add(name: str, cells: Sequence[str]) -> None:
        table.add_row(name, *cells)

    for name, figure, unit in (("energy", "energy_j", "J"), ("latency", "latency_s", "s")):
        add(name, [format_si(getattr(report, figure), unit) for report in reports])
        add("", [_band(report, figure, unit) for report in reports])
        add(f"{name}, static", [format_si(getattr(report.static, figure), unit) for report in reports])
    add("EDP", [f"{report.edp_js:.3g} J s" for report in reports])
    add("EDP saved by early exit", [format_share(report.edp_saving) for report in reports])
    add("area", [format_area(report.area_m2) if report.area_m2 else "" for report in reports])
    add("memory", [format_memory(report.memory_bits) for report in reports])
    add("weakest constant", [report.weakest_tag for report in reports])
    table.add_section()
    add("scope", [", ".join(scope_of(report)) for report in reports])
    return table


def pay_table(reports: Sequence[CostReport], rivals: Sequence[CostReport | None]) -> Table:
    """Whether spiking pays: the conventional network of the same shape beside the spiking one, per platform."""
    caption = "conventional: same layers, one dense pass, activations of as many bits as the steps can tell apart"
    table = Table(title="does spiking pay?", caption=caption, caption_justify="left")
    for header in ("platform", "conventional", "spiking, with exit", "spiking, static", ""):
        table.add_column(header, justify="left" if header in ("platform", "") else "right")
    for report, rival in zip(reports, rivals, strict=True):
        spent = [format_si(each.energy_j, "J") for each in (report, report.static)]
        if rival is None:
            table.add_row(report.platform, "", *spent, "no dense layers there")
            continue
        ratio = report.energy_j / rival.energy_j if rival.energy_j else float("inf")
        answer = f"yes, {1 - ratio:.0%} less" if ratio < 1 else f"no, {ratio:.2g} times as much"
        table.add_row(report.platform, format_si(rival.energy_j, "J"), *spent, answer)
    return table


def phases_table(phases: Mapping[Any, CostReport], platform: str) -> Table:
    """Energy of learning from a sample and of answering one, by part of the engine, from its counted operations."""
    table = Table(title=f"counted operations on {platform}", caption="per sample", caption_justify="left")
    table.add_column("part of the engine")
    for phase in phases:
        table.add_column(phase, justify="right")
    costs = {phase: report.breakdown("layer") for phase, report in phases.items()}
    names = dict.fromkeys(name for parts in costs.values() for name, cost in parts.items() if cost.energy_j)
    for name in names:
        energies = [parts[name].energy_j if name in parts else 0.0 for parts in costs.values()]
        table.add_row(name, *(format_si(energy, "J") if energy else "" for energy in energies))
    table.add_section()
    table.add_row("total", *(format_si(report.energy_j, "J") for report in phases.values()))
    table.add_row("memory", *(format_memory(report.memory_bits) for report in phases.values()))
    return table


def tornado_table(swings: Sequence[Swing], figure: str) -> Table:
    """The constants that move a figure most, each alone at its low and at its high end."""
    table = Table(title=f"what moves {figure} most, one constant at a time")
    for header in ("constant", "low end", "nominal", "high end", "tag"):
        table.add_column(header, justify="left" if header in ("constant", "tag") else "right")
    for swing in swings:
        values = [f"{value:.4g}" for value in (swing.low, swing.nominal, swing.high)]
        table.add_row(swing.constant.removeprefix("components."), *values, swing.tag)
    return table


def as_markdown(table: Table) -> str:
    """A table in the notation of Markdown, its title above.

    Examples
    --------
    >>> table = Table("part", "energy", title="toy")
    >>> table.add_row("adc", "1 pJ")
    >>> print(as_markdown(table))
    **toy**
    <BLANKLINE>
    | part | energy |
    |---|---|
    | adc | 1 pJ |
    """
    columns = [[str(column.header), *map(str, column.cells)] for column in table.columns]
    rows = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in zip(*columns, strict=True)]
    marks = ["---:" if column.justify == "right" else "---" for column in table.columns]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    body = [lines[0], "|" + "|".join(marks) + "|", *lines[1:]]
    return "\n".join([f"**{table.title}**", "", *body] if table.title else body)


def _band(report: CostReport, figure: str, unit: str) -> str:
    low, _, high = report.band(figure)
    return f"{format_si(low, unit)} to {format_si(high, unit)}"
