"""A network before and after its numbers were shortened, as one table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from spikewise.units import format_memory, format_si

_HEADERS = {"floats": "as trained, floats", "parent": "as its price assumed", "shrunk": "shrunk"}


def shrink_table(results: Mapping[str, Any]) -> Table:
    """Everything that :func:`~spikewise.workflow.shrink.run_shrink` found.

    Parameters
    ----------
    results : mapping
        What it returned.
    """
    columns = results["columns"]
    table = Table(title=f"{results['data']} in fixed point", caption=_caption(results), caption_justify="left")
    table.add_column("")
    for name in columns:
        table.add_column(_HEADERS[name], justify="right")
    for title, text in _rows(results["platform"]):
        table.add_row(title, *(text(column) for column in columns.values()))
    form = results["format"]
    if form and isinstance(form["bits"], dict):
        table.add_section()
        for layer, bits in form["bits"].items():
            table.add_row(f"bits of {layer}", *[""] * (len(columns) - 1), str(bits))
    return table


def _rows(platform: str) -> list[tuple[str, Any]]:
    return [
        ("accuracy, all steps", lambda each: f"{each['accuracy']:.2%}"),
        ("accuracy, early exit", lambda each: f"{each['accuracy_exit']:.2%}"),
        ("mean timesteps", lambda each: f"{each['mean_steps']:.2f}"),
        ("weights", lambda each: format_memory(each["weight_bits"])),
        ("membrane potentials", lambda each: format_memory(each["state_bits"])),
        (f"energy per image, {platform}", lambda each: format_si(each["energy_j"], "J")),
        ("latency per image", lambda each: format_si(each["latency_s"], "s")),
    ]


def _caption(results: Mapping[str, Any]) -> str:
    found = f"Tested on {results['n_test']:,} images. "
    n_trials = len(results["trials"])
    if n_trials:
        found += f"Bits chosen by {n_trials} trials on validation images. "
    return found + "Both are priced with the early exit of their own, chosen alike."
