"""The estimates of a run as rows of a table: what all timesteps cost, and what early exit does, per platform."""

from spikewise.price.analysis.companions import PriceFigures
from spikewise.runs.results import Costs
from spikewise.units import format_area, format_memory, format_share, format_si

Row = tuple[str, ...]


def price_sections(cost: Costs) -> list[list[Row]]:
    """Rows of three cells for each platform; a saving stands below the column that saves."""
    return [_rows(full, stopped) for full, stopped in cost.pairs]


def _rows(full: PriceFigures, cost: PriceFigures) -> list[Row]:
    both = (full, cost)
    bands = [[format_si(each.band["energy_j"][end], "J") for end in (0, 2)] for each in both]
    low, _, high = cost.band["edp_saving"]
    return [
        (f"estimate: {cost.platform}", "all steps", "early exit"),
        ("  energy per image", *(format_si(each.energy_j, "J") for each in both)),
        ("    low to high", *(f"{low} to {high}" for low, high in bands)),
        ("  latency per image", *(format_si(each.latency_s, "s") for each in both)),
        ("  EDP saved by early exit", "", format_share(cost.edp_saving)),
        ("    low to high", "", f"{format_share(low)} to {format_share(high)}"),
        ("  area, memory", format_area(cost.area_m2), format_memory(cost.memory_bits)),
    ]
