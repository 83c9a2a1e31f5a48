"""The headline figures of a demo as one table for the terminal: two networks side by side.

Estimates name the platform that they are for and stand with their band, and a calibrated chip is followed by the
physical one. What the machine itself took has a section of its own.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from rich.table import Table

from spikewise.price.analysis.companions import PriceFigures
from spikewise.report.wording import STAGES, caption_of, joules_of, remarks_of
from spikewise.runs.results import DemoResults, NetworkOfDemo
from spikewise.units import format_area, format_memory, format_share, format_si

_Figures = TypeVar("_Figures")


def demo_table(results: DemoResults) -> Table:
    """The figures of the two networks of :func:`~spikewise.workflow.run_demo`."""
    deep, stdp = results.deep, results.stdp
    measured = [each.measured for each in (deep, stdp)]
    remarks = [remark for each in measured for remark in remarks_of(each)]
    table = Table(
        title=f"{results.data}: learned, stopped early, priced",
        caption=caption_of(remarks),
        caption_justify="left",
    )
    table.add_column("test images, threshold chosen on validation images")
    for header in ("deep SNN (gradients)", "STDP (no labels)"):
        table.add_column(header, justify="right")
    table.add_row("accuracy, all timesteps", f"{deep.accuracy_static:.2%}", f"{stdp.accuracy_full:.2%}")
    _add(table, _FOUND, [deep, stdp])
    for prices in zip(deep.cost.all, stdp.cost.all, strict=True):
        table.add_section()
        table.add_row(f"estimate: {prices[0].platform}")
        _add(table, _PRICED, prices)
    table.add_section()
    table.add_row("measured energy, this machine")
    for stage, name in STAGES.items():
        if any(stage in each for each in measured):
            cells = [joules_of(each[stage]) if stage in each else "" for each in measured]
            table.add_row(f"  {name}", *cells)
    return table


def _band(figures: PriceFigures, key: str, show: Callable[[float], str]) -> str:
    low, _, high = figures.band[key]
    return f"{show(low)} to {show(high)}"


def _joules(value: float) -> str:
    return format_si(value, "J")


def _add(table: Table, rows: Sequence[tuple[str, Callable[[_Figures], str]]], columns: Sequence[_Figures]) -> None:
    for name, show in rows:
        table.add_row(name, *map(show, columns))


_FOUND: tuple[tuple[str, Callable[[NetworkOfDemo], str]], ...] = (
    ("accuracy, early exit", lambda found: f"{found.accuracy_exit:.2%}"),
    ("accuracy, same steps at random", lambda found: f"{found.accuracy_random_exit:.2%}"),
    ("mean timesteps", lambda found: f"{found.mean_steps:.2f} of {found.n_steps}"),
)
_PRICED: tuple[tuple[str, Callable[[PriceFigures], str]], ...] = (
    ("  energy per image", lambda cost: _joules(cost.energy_j)),
    ("    low to high", lambda cost: _band(cost, "energy_j", _joules)),
    ("  latency per image", lambda cost: format_si(cost.latency_s, "s")),
    ("  EDP saved by early exit", lambda cost: format_share(cost.edp_saving)),
    ("    low to high", lambda cost: _band(cost, "edp_saving", format_share)),
    ("  area, on-chip memory", lambda cost: f"{format_area(cost.area_m2)}, {format_memory(cost.memory_bits)}"),
)
