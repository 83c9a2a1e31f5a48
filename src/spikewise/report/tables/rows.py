"""The estimates of a run as rows of a table: what all timesteps cost, and what early exit does, per platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spikewise.units import format_area, format_memory, format_share, format_si

Row = tuple[str, ...]


def price_sections(cost: Mapping[str, Any]) -> list[list[Row]]:
    """Rows of three cells for each platform; a saving stands below the column that saves.

    Parameters
    ----------
    cost : mapping
        The ``cost`` of what a run found, with ``without_exit`` and ``beside``.
    """
    full = cost["without_exit"]
    pairs = zip([full, *full["beside"]], [cost, *cost["beside"]], strict=True)
    return [_rows(static, stopped) for static, stopped in pairs]


def _rows(full: Mapping[str, Any], cost: Mapping[str, Any]) -> list[Row]:
    both = (full, cost)
    bands = [[format_si(each["band"]["energy_j"][end], "J") for end in (0, 2)] for each in both]
    low, _, high = cost["band"]["edp_saving"]
    return [
        (f"estimate: {cost['platform']}", "all steps", "early exit"),
        ("  energy per image", *(format_si(each["energy_j"], "J") for each in both)),
        ("    low to high", *(f"{low} to {high}" for low, high in bands)),
        ("  latency per image", *(format_si(each["latency_s"], "s") for each in both)),
        ("  EDP saved by early exit", "", format_share(cost["edp_saving"])),
        ("    low to high", "", f"{format_share(low)} to {format_share(high)}"),
        ("  area, memory", format_area(cost["area_m2"]), format_memory(cost["memory_bits"])),
    ]
