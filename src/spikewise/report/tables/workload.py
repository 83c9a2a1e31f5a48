"""What a network asks for, before any hardware is known; and where each of its layers went on a chip."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.table import Table

from spikewise.price.cost import CostReport
from spikewise.price.imc.chip import ImcChip
from spikewise.price.protocol import Platform
from spikewise.report.cells import SideBySide, add_row, new_table
from spikewise.units import format_memory, format_share
from spikewise.workload.metrics import Metrics, count_metrics
from spikewise.workload.workload import Workload

from .cost import cost_cells


@dataclass(frozen=True, slots=True)
class LayerFigures:
    """How busy a layer is and, on crossbars, what it takes of the chip.

    Parameters
    ----------
    name : str
        Of the layer.
    input_rate : float
        Share of its inputs that are active, mean over the steps that samples compute.
    n_pes, n_crossbars, n_tiles, utilisation : int, int, int, float, optional
        Its place on the chip; None on other platforms.
    """

    name: str
    input_rate: float
    n_pes: int | None = None
    n_crossbars: int | None = None
    n_tiles: int | None = None
    utilisation: float | None = None


def layer_figures(workload: Workload, platform: Platform) -> tuple[LayerFigures, ...]:
    """Activity and place of every layer, with the workload's exit.

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], n_steps=2, rates=[0.25])
    >>> figures = layer_figures(load, load_platform("rram-64-32nm"))[0]
    >>> figures.input_rate, figures.n_crossbars
    (0.25, 1)
    """
    shares = [alive / workload.n_samples for alive in workload.n_alive]
    rates = [
        sum(share * count for share, count in zip(shares, busy.in_spikes, strict=True)) / (layer.n_inputs * sum(shares))
        for layer, busy in zip(workload.layers, workload.alive_activity, strict=True)
    ]
    names = [layer.name for layer in workload.layers]
    if not isinstance(platform, ImcChip):
        return tuple(LayerFigures(*row) for row in zip(names, rates, strict=True))
    placed = platform.place(workload)
    columns = (placed.n_pes, placed.n_crossbars, placed.n_tiles, placed.utilisation)
    return tuple(LayerFigures(*row) for row in zip(names, rates, *(column.tolist() for column in columns), strict=True))


def layer_table(report: CostReport, workload: Workload, platform: Platform) -> SideBySide:
    """A row per layer: its place on the chip, how busy it is, and what it costs."""
    figures = {row.name: row for row in layer_figures(workload, platform)}
    on_crossbars = isinstance(platform, ImcChip)
    place = ("PEs", "crossbars", "used") if on_crossbars else ()
    caption = ["rate: share of active inputs, mean over the computed steps"]
    if on_crossbars:
        caption.append("used: share of the cells of its crossbars; PE: processing element")
    total = report.total
    rows = []
    for name, cost in report.breakdown("layer").items():
        row = figures.get(name)
        cells = [""] * (len(place) + 1)
        if row is not None:
            cells[-1] = format_share(row.input_rate)
            if row.utilisation is not None:
                cells[:3] = [f"{row.n_pes:,}", f"{row.n_crossbars:,}", format_share(row.utilisation)]
        rows.append((name, (*cells, *cost_cells(cost, total.energy_j))))
    sums = [f"{sum(getattr(row, key) or 0 for row in figures.values()):,}" for key in ("n_pes", "n_crossbars")]
    rows.append(("total", (*((*sums, "") if on_crossbars else ()), "", *cost_cells(total, total.energy_j))))
    columns = (*place, "rate", "energy", "share", "latency", "area", "memory")
    title = f"{report.workload} on {report.platform}, by layer"
    return SideBySide(title, columns, tuple(rows), tuple(caption), "layer", has_total=True)


def workload_table(workload: Workload) -> Table:
    """Footprint, operations and sparsity of a network, apart from any hardware.

    Examples
    --------
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], n_steps=2, rates=[0.1])
    >>> [str(column.header) for column in workload_table(load).columns]
    ['', 'with exit', 'static']
    """
    both = count_metrics(workload), count_metrics(workload.without_exit())
    caption = ["per sample, apart from any hardware; effective: weights that active inputs meet"]
    table = new_table(f"{workload.name}, the network itself", ("", "with exit", "static"), caption)
    for name, show in _ROWS:
        cells = [show(metrics) for metrics in both]
        add_row(table, name, cells[0], cells[1])
    return table


def _counted(value: float) -> str:
    """A count, exact where it is small."""
    return f"{value:,.0f}" if value < 1e6 else f"{value / 1e6:,.4g} M"


def _silent(metrics: Metrics) -> str:
    return "" if metrics.activation_sparsity is None else format_share(metrics.activation_sparsity)


_ROWS: tuple[tuple[str, Callable[[Metrics], str]], ...] = (
    ("weights", lambda found: _counted(found.n_weights)),
    ("weights stored", lambda found: format_memory(8 * found.weight_bytes)),
    ("states stored", lambda found: format_memory(8 * found.state_bytes)),
    ("additions, effective", lambda found: _counted(found.n_acs)),
    ("multiply-additions, effective", lambda found: _counted(found.n_macs)),
    ("multiply-additions, dense", lambda found: _counted(found.n_dense_macs)),
    ("updates of membranes", lambda found: _counted(found.n_membrane_updates)),
    ("silent outputs", _silent),
    ("mean steps", lambda found: f"{found.mean_steps:.3g}"),
)
