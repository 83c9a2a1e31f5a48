"""The same network on several platforms, side by side, with what each price includes."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from spikewise.price.analysis.coverage import OTHERS, TERMS, coverage_of, unnamed_parts
from spikewise.price.analysis.figures_of_merit import merit_figures
from spikewise.price.analysis.sensitivity import Swing
from spikewise.price.cost import CostReport
from spikewise.price.digital.accelerator import DigitalAccelerator
from spikewise.price.digital.operations import Phase
from spikewise.price.protocol import Platform
from spikewise.report.cells import SideBySide, add_row, format_joule_seconds, new_table
from spikewise.units import format_area, format_memory, format_share, format_si
from spikewise.workload.workload import Workload

from .cost import MERIT_WORDS, merit_rows
from .platform import constant_names


def platforms_table(workload: Workload, reports: Sequence[CostReport], platforms: Sequence[Platform]) -> SideBySide:
    """One column per platform: figures with their bands, the saving by early exit, trust, and what the price includes.

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], n_steps=2, rates=[0.1])
    >>> chips = [load_platform(name) for name in ("sram-22nm", "digital-45nm")]
    >>> table = platforms_table(load, [chip.estimate(load) for chip in chips], chips)
    >>> dict(table.rows)["converters"]
    ('yes', 'n/a')
    """
    rows: list[tuple[str, tuple[str, ...]]] = []

    def add(name: str, cells: Sequence[str]) -> None:
        rows.append((name, tuple(cells)))

    for name, figure, unit in (("energy", "energy_j", "J"), ("latency", "latency_s", "s")):
        add(name, [format_si(getattr(report, figure), unit) for report in reports])
        for corner, place in (("low", 0), ("high", 2)):
            add(f"{name}, {corner}", [format_si(report.band(figure)[place], unit) for report in reports])
        add(f"{name}, static", [format_si(getattr(report.static, figure), unit) for report in reports])
    add("EDP", [format_joule_seconds(report.edp_js) for report in reports])
    add("EDP saved by exit", [format_share(report.edp_saving) for report in reports])
    add("area", [format_area(report.area_m2) if report.area_m2 else "" for report in reports])
    add("memory", [format_memory(report.memory_bits) for report in reports])
    rows += merit_rows([merit_figures(report, workload) for report in reports])
    add("weakest constant", [report.weakest_tag for report in reports])
    add("price includes", [])
    rows += coverage_rows(platforms)
    caption = ("per sample, with exit", MERIT_WORDS, "n/a: there is no such thing on this platform")
    return SideBySide(workload.name, tuple(report.platform for report in reports), tuple(rows), caption)


def coverage_rows(platforms: Sequence[Platform]) -> list[tuple[str, tuple[str, ...]]]:
    """Every term of :data:`~spikewise.price.analysis.coverage.TERMS`, and whether each platform's price includes it."""
    covered = [coverage_of(platform) for platform in platforms]
    rows = [(str(term), tuple(str(each[term]) for each in covered)) for term in TERMS]
    others = [", ".join(unnamed_parts(platform)) for platform in platforms]
    return [*rows, (OTHERS, tuple(others))] if any(others) else rows


def phases_table(phases: Mapping[Phase, CostReport], platform: Platform) -> Table:
    """Energy of learning from a sample and of answering one, by part of the engine, from its counted operations."""
    title = f"counted operations on {platform.name}"
    table = new_table(title, ("part of the engine", *phases), ["per sample", why_they_differ(platform)])
    costs = {phase: report.breakdown("layer") for phase, report in phases.items()}
    names = dict.fromkeys(name for parts in costs.values() for name, cost in parts.items() if cost.energy_j)
    for name in names:
        energies = [parts[name].energy_j if name in parts else 0.0 for parts in costs.values()]
        add_row(table, name, *(format_si(energy, "J") if energy else "" for energy in energies))
    table.add_section()
    add_row(table, "total", *(format_si(report.energy_j, "J") for report in phases.values()))
    add_row(table, "memory", *(format_memory(report.memory_bits) for report in phases.values()))
    return table


def why_they_differ(platform: Platform) -> str:
    """Why the price of counted operations is another than that of the layers, and which to believe."""
    if isinstance(platform, DigitalAccelerator):
        return (
            "The price above is that of an accelerator built for the layer: buffers and value memories included, one "
            "state per neuron, each used weight fetched once per step. Here is what the engine did: four states per "
            "neuron, leak and gain multiplied, memory read at each operation, no buffers. Believe the one above for a "
            "chip and beside other platforms, this one for learning against answering."
        )
    return (
        "The price above is that of a program that computes every weight at every step. Here is what the event-driven "
        "engine did: silent inputs are skipped. Believe this one for such a program, the one above for a dense one."
    )


def tornado_table(swings: Sequence[Swing], platform: Platform) -> Table:
    """The constants that move the energy most, each alone at its low and at its high end."""
    names = constant_names(platform)
    sources = [f"{names[swing.constant][0]} ({swing.tag}): {swing.source}" for swing in swings]
    nominal = [f"; nominal energy {format_si(swing.nominal, 'J')}" for swing in swings[:1]]
    caption = [f"one constant at a time, all others nominal{''.join(nominal)}", *dict.fromkeys(sources)]
    title = f"what moves the energy on {platform.name} most"
    table = new_table(title, ("constant", "low to high", "at low", "at high"), caption, fold=True)
    for swing in swings:
        name, constant = names[swing.constant]
        unit = "" if constant.unit == "1" else f" {constant.unit}"
        band = f"{_short(constant.low)} to {_short(constant.high)}{unit}"
        add_row(table, name, band, *(format_si(value, "J") for value in (swing.low, swing.high)))
    return table


def _short(value: float) -> str:
    """Three digits, and never a power of ten where a number is large."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
