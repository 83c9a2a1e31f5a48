"""What a sweep found, as tables for the terminal: each network, and the designs worth a look."""

from dataclasses import replace

from rich.table import Table

from spikewise.report.cells import format_joule_seconds
from spikewise.runs.results import SweepResults, SweptDesign, SweptNetwork
from spikewise.units import format_memory, format_si

_MOST_ROWS = 15


def sweep_tables(results: SweepResults) -> list[Table]:
    """Networks, and the front with the choice."""
    return [_networks(results), _front(results)]


def _networks(results: SweepResults) -> Table:
    table = Table(title=f"{results.data}, {results.n_images:,} validation images")
    table.add_column("weights")
    for header in ("accuracy, all steps", "memory"):
        table.add_column(header, justify="right")
    for each in results.networks:
        table.add_row(each.name, _accuracy(each, results), format_memory(each.memory_bits))
    return table


def _front(results: SweepResults) -> Table:
    rows, chosen = results.front, results.chosen
    table = Table(title="designs that no other beats", caption=_caption(results), caption_justify="left")
    table.add_column("weights", no_wrap=True)
    table.add_column("platform", overflow="fold")
    for header in ("accuracy", "steps", "energy", "latency", "EDP"):
        table.add_column(header, justify="right")
    skip = max(1, -(-len(rows) // _MOST_ROWS))
    common = _common([row.platform for row in rows])
    for row in rows[::skip]:
        table.add_row(*_cells(row, results, common))
    if skip > 1:
        table.add_row(f"… one of {skip} of {len(rows)}", *[""] * 6)
    if chosen is not None:
        table.add_section()
        table.add_row(*_cells(replace(chosen, network=f"taken:\n{chosen.network}"), results, common))
    if common:
        table.caption = f"All on {common}. {table.caption}"
    return table


def _common(names: list[str]) -> str:
    """The platform that all these are, or are variants of; nothing if there is none."""
    first = {name.split(" ")[0] for name in names}
    return first.pop() if len(first) == 1 else ""


def _accuracy(row: SweptNetwork | SweptDesign, results: SweepResults) -> str:
    """On the images that chose, and on others if there are some."""
    return f"{row.accuracy:.2%}" + (f" / {row.accuracy_kept:.2%}" if results.judged_apart else "")


def _cells(row: SweptDesign, results: SweepResults, common: str) -> tuple[str, ...]:
    settings = row.platform.removeprefix(common).strip().replace(" ", "\n")
    return (
        row.network, settings, _accuracy(row, results).replace(" / ", "\n"),
        f"{row.mean_steps:.2f}", format_si(row.energy_j, "J"), format_si(row.latency_s, "s"),
        format_joule_seconds(row.edp_js),
    )  # fmt: skip


def _caption(results: SweepResults) -> str:
    text = (
        f"{results.n_designs:,} designs ({results.n_platforms} platforms) priced in {results.seconds:.2f} s, "
        f"{results.designs_per_s:,.0f} a second; {results.n_within:,} within the budget. Accuracy: "
    )
    text += "on the images that chose / on others" if results.judged_apart else "on the few images that chose"
    text += ". Settings of a platform change its price here, not the answers. "
    if results.chosen is None:
        return text + f"No design loses at most {100 * results.max_drop:.2g} points within the budget."
    return text + (
        f"Taken: the least energy-delay product that loses at most {100 * results.max_drop:.2g} points "
        "of the most accurate network, on the images that chose."
    )
