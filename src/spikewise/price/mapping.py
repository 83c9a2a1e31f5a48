r"""Where the weights go: layers placed on crossbars.

A crossbar has X rows and Y columns of cells. A weight of :math:`b_w` bits takes
:math:`s = \lceil b_w / b_{cell} \rceil` neighbouring cells of a row, twice that if positive and negative
parts are stored apart. *Kernel splitting* (SpikeSim, arXiv 2210.12899) gives each of the :math:`k^2`
kernel taps a crossbar of its own, with the input channels on the rows and the output channels on the
columns; the :math:`k^2` crossbars of one block form a processing element (PE):

.. math:: R = \lceil (C_{in}/g) / X \rceil, \quad C = \lceil (C_{out}/g)\, s / Y \rceil, \quad
          PEs = g R C, \quad crossbars = k^2 \cdot PEs.

*im2col* instead puts all inputs of a kernel on the rows of as few crossbars as they need, and a PE is one crossbar:

.. math:: R = \lceil (C_{in}/g)\, k^2 / X \rceil, \quad crossbars = PEs = g R C.

A linear layer is a 1x1 convolution on a 1x1 map. A PE cycle is one kernel position with one bit of
input, so a layer takes positions x input bits x PEs of them per step, and each of them reads the
crossbars of its PE. Tiles are not shared by layers, unless ``tiles = "packed"``.

Validity: any kernel, stride and group count. Grouped layers leave most of a crossbar empty, which the
utilisation shows, unless ``pack_groups`` puts several groups block-diagonally into one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from spikewise.errors import CapacityError
from spikewise.workload import LayerShape

IntArray = NDArray[np.int64]


class CrossbarArray(BaseModel):
    """Geometry of the crossbars and how they are grouped.

    Examples
    --------
    >>> CrossbarArray(n_rows=64, n_cols=64, cell_bits=4).cells_per_weight(8)
    2
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_rows: int = Field(ge=1, description="rows of a crossbar, inputs")
    n_cols: int = Field(ge=1, description="columns of a crossbar, outputs")
    cell_bits: int = Field(ge=1, le=8, description="bits stored in one cell")
    differential: bool = Field(default=False, description="positive and negative parts in separate cells")
    scheme: Literal["kernel_split", "im2col"] = Field(default="kernel_split", description="how kernels are cut")
    tap_sum: Literal["analog", "digital"] = Field(
        default="analog", description="whether the taps of a split kernel are summed before or after the converter"
    )
    pack_groups: bool = Field(default=False, description="several groups of a layer share a crossbar, block-diagonally")
    parallel: Literal["all", "rows", "none"] = Field(
        default="all", description="blocks that work at the same time: all; those of a column; none"
    )
    tiles: Literal["per_layer", "packed"] = Field(default="per_layer", description="whether layers share tiles")
    cols_per_adc: int = Field(default=8, ge=1, description="columns that share a converter")
    pes_per_tile: int = Field(default=8, ge=1, description="processing elements of a tile")
    n_tiles: int | None = Field(default=None, ge=1, description="tiles of the chip; as many as needed if absent")

    def cells_per_weight(self, weight_bits: int) -> int:
        """Cells that store one weight."""
        return -(-weight_bits // self.cell_bits) * (2 if self.differential else 1)


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """What each layer (L) takes on the chip, per timestep where a time is involved.

    Parameters
    ----------
    cells_per_weight, n_row_blocks, n_col_blocks, n_pes, n_crossbars, n_tiles : int array of shape (L,)
        Size on the chip; row and column blocks of one group.
    n_serial_cycles : int array of shape (L,)
        PE cycles one after the other: positions x input bits, times the blocks that do not work in parallel. Groups do.
    n_pe_cycles : int array of shape (L,)
        PE cycles of all blocks together.
    n_crossbar_reads : int array of shape (L,)
        Crossbars read in these cycles: one per kernel tap, or one each with im2col.
    n_conversions : int array of shape (L,)
        Analog-to-digital conversions; the taps of a split kernel are summed before or after the converter.
    n_partial_sums : int array of shape (L,)
        Additions that join the row blocks.
    utilisation : float array of shape (L,)
        Used share of the cells.
    """

    cells_per_weight: IntArray
    n_row_blocks: IntArray
    n_col_blocks: IntArray
    n_pes: IntArray
    n_crossbars: IntArray
    n_tiles: IntArray
    n_serial_cycles: IntArray
    n_pe_cycles: IntArray
    n_crossbar_reads: IntArray
    n_conversions: IntArray
    n_partial_sums: IntArray
    utilisation: NDArray[np.float64]


def place(layers: Sequence[LayerShape], array: CrossbarArray) -> Placement:
    """Place layers on crossbars, each on tiles of its own.

    Raises
    ------
    CapacityError
        If the chip has a number of tiles and the layers need more.

    Examples
    --------
    >>> layer = LayerShape("conv4", "conv", 128, 128, kernel=(3, 3), out_height=16, out_width=16, weight_bits=4)
    >>> placed = place([layer], CrossbarArray(n_rows=64, n_cols=64, cell_bits=4))
    >>> placed.n_pes.tolist(), placed.n_crossbars.tolist(), placed.n_pe_cycles.tolist()
    ([4], [36], [1024])
    """
    columns = [
        (layer.in_channels, layer.out_channels, layer.groups, layer.kernel[0] * layer.kernel[1], layer.n_positions)
        for layer in layers
    ]
    n_in, n_out, groups, taps, positions = np.array(columns, np.int64).T
    slices = np.array([array.cells_per_weight(layer.weight_bits) for layer in layers], np.int64)
    input_bits = np.array([layer.input_bits for layer in layers], np.int64)
    is_split = array.scheme == "kernel_split"

    rows, cols = n_in // groups * (1 if is_split else taps), n_out // groups * slices  # of one group
    row_blocks, col_blocks = _ceil(rows, array.n_rows), _ceil(cols, array.n_cols)
    together = np.ones_like(groups)
    if array.pack_groups:
        together = np.maximum(1, np.minimum(groups, np.minimum(array.n_rows // rows, array.n_cols // cols)))
    pes = _ceil(groups, together) * row_blocks * col_blocks
    per_pe = taps if is_split else np.ones_like(taps)
    tiles = _tiles(pes, array)
    _check_fit(layers, tiles, array.n_tiles)
    cycles = positions * input_bits
    in_turn = {"all": np.ones_like(pes), "rows": col_blocks, "none": row_blocks * col_blocks}[array.parallel]
    used = n_in // groups * n_out * taps * slices
    return Placement(
        cells_per_weight=slices,
        n_row_blocks=row_blocks,
        n_col_blocks=col_blocks,
        n_pes=pes,
        n_crossbars=per_pe * pes,
        n_tiles=tiles,
        n_serial_cycles=cycles * in_turn,
        n_pe_cycles=cycles * pes,
        n_crossbar_reads=cycles * pes * per_pe,
        n_conversions=cycles * row_blocks * n_out * slices * (per_pe if array.tap_sum == "digital" else 1),
        n_partial_sums=positions * n_out * (row_blocks - 1),
        utilisation=used / (per_pe * pes * array.n_rows * array.n_cols),
    )


def _tiles(pes: IntArray, array: CrossbarArray) -> IntArray:
    """Tiles of each layer; where layers share them, those that a layer is the first to need."""
    if array.tiles == "per_layer":
        return _ceil(pes, array.pes_per_tile)
    return np.diff(_ceil(np.cumsum(pes), array.pes_per_tile), prepend=0)


def hops(n_tiles: IntArray) -> NDArray[np.float64]:
    """Links (L,) that a bit takes from the tiles of a layer to those of the next, mean; 0 behind the last layer.

    Tiles lie on a square mesh, in the order of the layers, row by row and back (a snake).

    Examples
    --------
    >>> hops(np.array([1, 1, 2])).tolist()
    [1.0, 1.5, 0.0]
    """
    stops = np.cumsum(n_tiles)
    side = max(1, int(np.ceil(np.sqrt(stops[-1]))))
    places = np.arange(stops[-1])
    rows = places // side
    columns = np.where(rows % 2 == 0, places % side, side - 1 - places % side)
    # A layer that shares its tile with the one before it begins on that tile.
    firsts = np.minimum(stops - n_tiles, stops - 1)
    found = np.zeros(len(n_tiles))
    for layer in range(len(n_tiles) - 1):
        here, there = (slice(firsts[n], stops[n]) for n in (layer, layer + 1))
        for axis in (rows, columns):
            found[layer] += np.abs(axis[here, None] - axis[None, there]).mean()
    return found


def _ceil(count: IntArray, size: int) -> IntArray:
    """How many blocks of a size hold a count."""
    return -(-count // size)


def _check_fit(layers: Sequence[LayerShape], tiles: IntArray, limit: int | None) -> None:
    if limit is None or tiles.sum() <= limit:
        return
    largest = int(tiles.argmax())
    raise CapacityError(
        f"the network needs {tiles.sum()} tiles, {tiles[largest]} of them for layer {layers[largest].name!r}; "
        f"the chip has {limit}. Raise mapping.n_tiles or store weights in fewer bits."
    )
