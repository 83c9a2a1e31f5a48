r"""Read networks that are written by hand: a CSV or TOML table with one row per layer becomes a workload.

In a CSV file the columns from ``kernel`` to ``width`` may be missing where no row needs them; blank lines and lines
that begin with ``#`` are skipped::

    steps,4
    kind,in,out,kernel,stride,groups,height,width,rate
    conv,3,64,3,1,1,32,32,1
    conv,64,128,3,1,1,16,16,0.2;0.15;0.1;0.1
    linear,8192,10,,,,,,0.1

==================== ===================================================================================
kind                 conv, or linear (fully connected)
in, out              channels of a convolution, values of a linear layer
kernel, stride       one number, or height x width such as 3x5; a convolution needs a kernel, the stride is 1
groups               1 if empty; as many as channels for a depthwise convolution
height, width        of the layer's *own output, before pooling*; a convolution needs both
rate                 share of its inputs that are not zero: one number, or one per timestep separated by ``;``
name                 conv1, conv2, linear3, ... by position if absent
after                the earlier layer that it reads, if that is not the one above: for shortcuts of residual networks
weight_bits, ...     weight_bits, state_bits, input_bits: 1 to 32; the caller's defaults if absent
lateral              none, broadcast or matrix: lateral inhibition
once_per_inference   true if the layer sees an image that does not change and is computed once
==================== ===================================================================================

Settings may stand above the header: ``name``, ``steps`` (1 if neither this nor a row with several rates says
more), ``exit_histogram`` (how many samples left after step 1, 2, ..., T, separated by ``;``), ``samples`` (what these
counts must sum to) and ``final_rate``.

TOML has the same settings and keys, the latter in one ``[[layer]]`` table each.

**Assumptions replace what a table cannot say.** Active inputs are spread evenly, so a share ``rate`` of the unfolded
inputs is active too; zero padding counts as if it were as active as the rest, which gives an upper estimate. The
neurons of a layer fire at the rate of the layer that reads it, those of the last layer at ``final_rate`` (0: a read-out
that only accumulates). Neurons come before pooling. The input map has the size of the output times the stride. Samples
that are still running are as active as all samples.

Cells of CSV files are text, those of TOML files may be numbers; both are read in the same way. Each layer is also
checked against the layer that it reads.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spikewise._arguments import checks_arguments
from spikewise.errors import DataError, ParameterError, whole_number

from .layer import MAX_BITS, LayerActivity, LayerShape, check_follows
from .table_file import TableFile, TableRow, flag, is_table, pair, read_table, share, whole
from .workload import Workload


@checks_arguments
def read_layer_table(
    path: str | os.PathLike[str],
    *,
    n_steps: int | None = None,
    exit_histogram: Sequence[int] | None = None,
    final_rate: float | None = None,
    weight_bits: int = 8,
    state_bits: int = 16,
    input_bits: int = 1,
) -> Workload:
    r"""Read a network from a layer table that was written by hand.

    Parameters
    ----------
    path : path
        A file that ends in ``.csv`` or ``.toml``.
    n_steps : int, optional
        Timesteps. If absent: the file's ``steps``, else as many as a row has rates, else as many as the histogram has
        counts, else 1.
    exit_histogram : sequence of int, optional
        Number of samples that exit after step 1, 2, ..., T; overrides the file. If neither says so, all exit at the
        last step.
    final_rate : float, optional
        Firing rate of the last layer; overrides the file. 0 if neither says so.
    weight_bits, state_bits, input_bits : int
        Precision of layers for which the table gives none, 1 to 32.

    Raises
    ------
    ParameterError
        If a number of bits lies outside 1 to 32.
    DataError
        If the table, or an argument that overrides one of its settings, is wrong; the message names file, line and key.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "toy.csv")
    ...     _ = path.write_text("kind,in,out,rate\nlinear,64,32,0.5;0.25\nlinear,32,10,0.125\n")
    ...     load = read_layer_table(path, weight_bits=4)
    >>> load.n_steps, load.activity[0].in_spikes, load.activity[0].out_spikes
    (2, (32.0, 16.0), (4.0, 4.0))
    """
    given = {"steps": n_steps, "exit_histogram": exit_histogram, "final_rate": final_rate}
    bits = {"weight_bits": weight_bits, "state_bits": state_bits, "input_bits": input_bits}
    return Workload(**_table_parts(path, given, bits))


def read_workload(path: str | os.PathLike[str]) -> Workload:
    """Read a workload: a layer table if the name ends in ``.csv`` or ``.toml``, else JSON.

    Raises
    ------
    DataError
        If the file is absent or wrong; the message names file and key.
    """
    return Workload(**_table_parts(path)) if is_table(path) else Workload.read(path)


# Bounds on memory: without them a table of a few bytes could ask for gigabytes.
_MAX_STEPS = 10_000
_MAX_CELLS = 2**22  # layers x timesteps
BITS = MappingProxyType({"weight_bits": 8, "state_bits": 16, "input_bits": 1})
"""Precision of layers for which the table gives none."""


def _table_parts(
    path: str | os.PathLike[str], given: Mapping[str, Any] = MappingProxyType({}), bits: Mapping[str, int] = BITS
) -> dict[str, Any]:
    """Return the arguments of a :class:`~spikewise.workload.Workload`; ``given`` overrides the settings of the file."""
    for key, value in bits.items():
        whole_number(key, value, 1, MAX_BITS)
    table = read_table(path)
    layers = [_layer(row, number, bits) for number, row in enumerate(table.rows, start=1)]
    sources = _check_chain(table.rows, layers)
    rates = [_rates(row) for row in table.rows]
    settings = dict(table.settings)
    settings.update({key: value for key, value in given.items() if value is not None})
    if given.get("exit_histogram") is not None:
        settings.pop("samples", None)  # the number of samples belongs to the histogram of the file
    histogram = _histogram(path, settings)
    steps = _steps(path, table, settings, rates, histogram)
    if histogram and len(histogram) != steps:
        raise DataError(
            f"{path}: exit_histogram must hold one count per timestep ({steps}); got {len(histogram)}. "
            "Write how many samples left after each of them."
        )
    last = share(f"{path}: final_rate", settings.get("final_rate", 0.0))
    return {
        "name": _name(path, settings),
        "layers": layers,
        "activity": _activity(layers, sources, rates, last, steps),
        "exit_histogram": histogram,
        "n_samples": sum(histogram) if histogram else int(settings.get("samples", 1)),
    }


def _layer(row: TableRow, number: int, bits: Mapping[str, int]) -> LayerShape:
    """Return the shape that one row describes."""
    cells, where = row.cells, row.where
    kind: Any = cells["kind"].strip().lower() if isinstance(cells["kind"], str) else cells["kind"]
    if kind not in ("conv", "linear"):
        raise DataError(f"{where}: kind must be conv or linear; got {cells['kind']!r}. Choose one of them.")
    values: dict[str, Any] = {"in_channels": "in", "out_channels": "out", "out_height": "height", "out_width": "width"}
    for field, key in values.items():
        must = key in ("in", "out") or kind == "conv"  # a linear layer has a 1x1 map
        values[field] = whole(f"{where}: {key}", cells.get(key, ""), None if must else 1)
    kernel = pair(f"{where}: kernel", cells.get("kernel", ""), None if kind == "conv" else (1, 1))
    stride = pair(f"{where}: stride", cells.get("stride", ""), (1, 1))
    if kind == "linear" and (kernel, stride, values["out_height"], values["out_width"]) != ((1, 1), (1, 1), 1, 1):
        raise DataError(
            f"{where}: kernel, stride, height and width of a linear layer must be 1 or left empty; got "
            f"{kernel[0]}x{kernel[1]}, {stride[0]}x{stride[1]}, {values['out_height']} and {values['out_width']}. "
            "Clear them, or call it conv."
        )
    for key in BITS:
        values[key] = whole(f"{where}: {key}", cells.get(key, ""), bits[key], MAX_BITS)
    name = cells.get("name", "")
    if not isinstance(name, str):
        raise DataError(f"{where}: name must be text; got {name!r}. Write it in quotation marks.")
    try:
        return LayerShape(
            name.strip() or f"{kind}{number}", kind, **values, kernel=kernel, stride=stride,
            groups=whole(f"{where}: groups", cells.get("groups", ""), 1),
            once_per_inference=flag(f"{where}: once_per_inference", cells.get("once_per_inference", "")),
            lateral=cells.get("lateral") or "none",
        )  # fmt: skip
    except ParameterError as error:
        raise DataError(f"{where}: {error}") from None


def _check_chain(rows: Sequence[TableRow], layers: Sequence[LayerShape]) -> list[int | None]:
    """Return the index of the layer that each layer reads; raise DataError if the two do not fit."""
    known: dict[str, int] = {}
    sources: list[int | None] = []
    for number, (row, layer) in enumerate(zip(rows, layers, strict=True)):
        if layer.name in known:
            raise DataError(
                f"{row.where}: names must be unique; got {layer.name!r}, as in {rows[known[layer.name]].where}. "
                "Rename one of them."
            )
        after = row.cells.get("after", "")
        if after and (not isinstance(after, str) or after not in known):
            raise DataError(f"{row.where}: after must name an earlier layer; got {after!r}. Move it down, or mend it.")
        # Without "after", a layer reads the one above; the first layer reads the input, which has no index.
        source = known[after] if after else number - 1 if number else None
        if source is not None:
            try:
                check_follows(layer, layers[source])
            except ParameterError as error:
                advice = "Mend one of the two, or name the layer that it reads in the column after."
                raise DataError(f"{row.where}: {error} {advice}") from None
        sources.append(source)
        known[layer.name] = number
    return sources


def _rates(row: TableRow) -> list[float]:
    """Return the rates of a row: one, or one per timestep."""
    raw = row.cells["rate"]
    parts = raw.split(";") if isinstance(raw, str) else raw if isinstance(raw, list) else [raw]
    if not parts:
        raise DataError(f"{row.where}: rate must hold at least one number; got an empty list. Write one, such as 0.1.")
    return [share(f"{row.where}: rate", part) for part in parts]


def _steps(
    path: str | os.PathLike[str],
    table: TableFile,
    settings: dict[str, Any],
    rates: Sequence[Sequence[float]],
    histogram: Sequence[int],
) -> int:
    """Return the number of timesteps: the setting, else the number of rates of a row or of counts, else 1."""
    steps = 0
    if "steps" in settings:
        steps = whole(f"{path}: steps", settings["steps"], None, _MAX_STEPS)
    for row, values in zip(table.rows, rates, strict=True):
        if len(values) > 1:
            steps = steps or len(values)
            if len(values) != steps:
                raise DataError(
                    f"{row.where}: rate must be one number or one per timestep ({steps}); got {len(values)}. "
                    "Give as many in each row."
                )
    steps = steps or len(histogram) or 1
    if steps > _MAX_STEPS or steps * len(table.rows) > _MAX_CELLS:
        raise DataError(
            f"{path}: layers times timesteps must be at most {_MAX_CELLS}, and timesteps {_MAX_STEPS}; "
            f"got {len(table.rows)} x {steps}. Merge timesteps."
        )
    return steps


def _histogram(path: str | os.PathLike[str], settings: dict[str, Any]) -> tuple[int, ...]:
    """Return the number of samples that exit after each step; empty if the file gives none."""
    what = f"{path}: samples"
    samples = whole(what, settings["samples"], None, 2**53) if "samples" in settings else None
    if "exit_histogram" not in settings:
        return ()
    raw = settings["exit_histogram"]
    counts = list(raw) if not isinstance(raw, str | bytes) and hasattr(raw, "__iter__") else None
    if not counts:
        raise DataError(
            f"{path}: exit_histogram must hold one count per timestep; got {raw!r}. "
            "Leave it out if no sample leaves early."
        )
    try:
        histogram = tuple(
            whole_number("every count", int(count) if isinstance(count, str) else count, 0, 2**53) for count in counts
        )
    except ValueError:  # ParameterError is one
        raise DataError(
            f"{path}: exit_histogram must hold numbers of samples, whole and not negative; got {counts[:8]!r}. "
            "Multiply shares by the number of samples."
        ) from None
    if not sum(histogram):
        raise DataError(f"{path}: exit_histogram must count at least one sample; got only zeros. Mend it.")
    if samples is not None and sum(histogram) != samples:
        raise DataError(
            f"{path}: exit_histogram must sum to the {samples} samples; got {sum(histogram)}. Mend one of the two."
        )
    return histogram


def _activity(
    layers: Sequence[LayerShape],
    sources: Sequence[int | None],
    rates: Sequence[Sequence[float]],
    last: float,
    n_steps: int,
) -> list[LayerActivity]:
    """Return the activity of each layer; its output rate is the input rate of the layer that reads it."""
    rows = [list(values) * (n_steps if len(values) == 1 else 1) for values in rates]
    activity = []
    for number, layer in enumerate(layers):
        # The branches of a residual block are summed. If no layer names this branch as its source, the reader of the
        # sum is the first layer whose source stands at or below this row: hence ">=".
        reader = next((n for n, source in enumerate(sources) if source is not None and source >= number), None)
        out = [last] * n_steps if reader is None else rows[reader]
        activity.append(
            LayerActivity(
                active_unfolded=tuple(layer.n_unfolded * rate for rate in rows[number]),
                in_spikes=tuple(layer.n_inputs * rate for rate in rows[number]),
                out_spikes=tuple(layer.n_neurons * rate for rate in out),
            )
        )
    return activity


def _name(path: str | os.PathLike[str], settings: dict[str, Any]) -> str:
    name = settings.get("name", Path(path).stem)
    if not isinstance(name, str) or not name.strip():
        raise DataError(f"{path}: name must be text; got {name!r}. Write it in quotation marks, or leave it out.")
    return name
