"""A network before and after its numbers were shortened, as one table for the terminal."""

from collections.abc import Callable

from rich.table import Table

from spikewise.price.analysis.companions import PriceFigures
from spikewise.runs.results import ShrinkColumn, ShrinkResults
from spikewise.units import format_memory, format_si

Pair = tuple[PriceFigures, PriceFigures]
"""A full run and early exit on one platform."""

_NO_FIT = "does not fit"


def shrink_table(results: ShrinkResults) -> Table:
    """Everything that :func:`~spikewise.workflow.shrink.run_shrink` found."""
    columns = (results.before, results.after)
    table = Table(title=f"{results.data} in fixed point", caption=_caption(results), caption_justify="left")
    table.add_column("")
    for header in ("before", "after"):
        table.add_column(header, justify="right")
    for title, text in _ROWS:
        table.add_row(title, *(text(column) for column in columns))
    costs = [column.cost for column in columns]
    for platform in zip(*(cost.pairs for cost in costs if cost), strict=False):
        table.add_section()
        for row in _price_rows(platform, has_before=costs[0] is not None):
            table.add_row(*row)
    bits_of = results.format["bits"] if results.format else None
    if isinstance(bits_of, dict):
        table.add_section()
        for layer, bits in bits_of.items():
            table.add_row(f"bits of {layer}", "", str(bits))
    return table


_ROWS: tuple[tuple[str, Callable[[ShrinkColumn], str]], ...] = (
    ("accuracy, all steps", lambda each: f"{each.accuracy:.2%}"),
    ("accuracy, early exit", lambda each: f"{each.accuracy_exit:.2%}"),
    ("mean timesteps", lambda each: f"{each.mean_steps:.2f}"),
    ("weights", lambda each: format_memory(each.weight_bits)),
    ("membrane potentials", lambda each: format_memory(each.state_bits)),
    ("bias, threshold, shift of each channel",
     lambda each: format_memory(each.channel_bits) if each.channel_bits else ""),
)  # fmt: skip


def _price_rows(costs: tuple[Pair, ...], *, has_before: bool) -> list[tuple[str, ...]]:
    """What a platform's estimate says of one column or both; the last is what was shrunk."""

    def row(title: str, text: Callable[[Pair], str]) -> tuple[str, ...]:
        return (title, *[_NO_FIT] * (not has_before), *(text(cost) for cost in costs))

    def band(cost: Pair) -> str:
        low, _, high = (format_si(value, "J") for value in cost[1].band["energy_j"])
        return f"{low} to {high}"

    return [
        (f"estimate: {costs[-1][1].platform}", "", ""),
        row("  energy per image, all steps", lambda cost: format_si(cost[0].energy_j, "J")),
        row("  energy per image, early exit", lambda cost: format_si(cost[1].energy_j, "J")),
        row("    low to high", band),
        row("  latency per image, early exit", lambda cost: format_si(cost[1].latency_s, "s")),
    ]


def _caption(results: ShrinkResults) -> str:
    found = f"Tested on {results.n_test:,} images. Before: {results.before.precision}"
    if results.format:
        found += " (the accuracy is that of floats)"
    found += f"; after: {results.after.precision}. Each stops early by a bound of its own, chosen alike. "
    if results.trials:
        found += f"Bits chosen by {len(results.trials)} trials on validation images. "
    if results.tuning:
        untuned, tuned = (results.tuning[key] for key in ("untuned", "tuned"))
        kept = "kept" if tuned >= untuned else "not kept"
        found += f"Fine-tuning took validation accuracy from {untuned:.2%} to {tuned:.2%} and was {kept}. "
    return found.strip()
