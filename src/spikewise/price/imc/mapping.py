r"""Mapping: place the weights of layers on crossbars.

A crossbar has X rows and Y columns of cells. Conductances have no sign, so a weight of :math:`b_w` bits takes s
neighbouring cells of a row in one of four ways:

===============  ============================================  ====================================================
sign             s                                             how the sign comes back
===============  ============================================  ====================================================
differential     :math:`2 \lceil (b_w - 1)/b_{cell} \rceil`    positive minus negative column; at least 2 cells
offset           :math:`\lceil b_w/b_{cell} \rceil`            minus one reference column of each crossbar
count            :math:`\lceil b_w/b_{cell} \rceil`            minus the offset times the counted inputs (SpikeSim)
twos_complement  :math:`b_w`                                   the highest bit counts negative; 1-bit cells only
===============  ============================================  ====================================================

*Kernel splitting* (SpikeSim, arXiv 2210.12899) gives each of the :math:`k^2`
kernel taps a crossbar of its own, with the input channels on the rows and the output channels on the
columns; the :math:`k^2` crossbars of one block form a processing element (PE):

.. math:: R = \lceil (C_{in}/g) / X \rceil, \quad C = \lceil (C_{out}/g)\, s / Y \rceil, \quad
          PEs = g R C, \quad crossbars = k^2 \cdot PEs.

*im2col* instead puts all inputs of a kernel on the rows of as few crossbars as they need, and a PE is as many of
them, n, as share its buffers and its place on a tile:

.. math:: R = \lceil (C_{in}/g)\, k^2 / X \rceil, \quad crossbars = g R C, \quad PEs = \lceil g R C / n \rceil.

A linear layer is a 1x1 convolution on a 1x1 map. A PE cycle is one kernel position with one bit of
input, so a layer takes positions x input bits x PEs of them per step, and each of them reads the
crossbars of its PE. Tiles are not shared by layers, unless ``tiles = "packed"``.

Validity: any kernel, stride and group count. Grouped layers leave most of a crossbar empty, which the
utilisation shows, unless ``pack_groups`` puts several groups block-diagonally into one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from spikewise.errors import CapacityError
from spikewise.workload.workload import LayerShape

IntArray = NDArray[np.int64]
Sign = Literal["differential", "offset", "count", "twos_complement"]
Scheme = Literal["kernel_split", "im2col"]
TapSum = Literal["analog", "digital"]


class CrossbarArray(BaseModel):
    """Geometry of the crossbars and how they are grouped.

    Examples
    --------
    >>> CrossbarArray(n_rows=64, n_cols=64, cell_bits=4).cells_per_weight(8)
    2
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_rows: int = Field(strict=True, ge=1, description="rows of a crossbar, inputs")
    n_cols: int = Field(strict=True, ge=1, description="columns of a crossbar, outputs")
    cell_bits: int = Field(strict=True, ge=1, le=8, description="bits stored in one cell")
    sign: Sign = Field(default="count", description="how cells without sign store weights that have one")
    scheme: Scheme = Field(default="kernel_split", description="how kernels are cut")
    tap_sum: TapSum = Field(
        default="analog", description="whether the taps of a split kernel are summed before or after the converter"
    )
    pack_groups: bool = Field(default=False, description="several groups of a layer share a crossbar, block-diagonally")
    parallel: Literal["all", "rows", "none"] = Field(
        default="all", description="blocks that work at the same time: all; those of a column; none"
    )
    tiles: Literal["per_layer", "packed"] = Field(default="per_layer", description="whether layers share tiles")
    cols_per_adc: int = Field(default=8, strict=True, ge=1, description="columns that take turns at a converter")
    adc_bits: int = Field(default=4, strict=True, ge=1, le=12, description="resolution of the converters")
    crossbars_per_pe: int = Field(default=9, strict=True, ge=1, description="crossbars of a PE, with im2col")
    pes_per_tile: int = Field(default=8, strict=True, ge=1, description="processing elements of a tile")
    n_tiles: int | None = Field(
        default=None, strict=True, ge=1, description="tiles of the chip; as many as needed if absent"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.sign == "twos_complement" and self.cell_bits > 1:
            raise ValueError(f"sign = twos_complement needs cells of 1 bit; got cell_bits = {self.cell_bits}")
        return self

    def cells_per_weight(self, weight_bits: int) -> int:
        """Return the number of cells that store one weight; the cells of a reference column are not included."""
        if self.sign == "differential":
            # Each side of the pair stores a magnitude, so the sign bit needs no cell.
            return 2 * max(1, -(-(weight_bits - 1) // self.cell_bits))
        return -(-weight_bits // self.cell_bits)

    def lossless_adc_bits(self, n_rows: int) -> int:
        """Return the resolution at which all sums over n_rows rows differ.

        >>> CrossbarArray(n_rows=64, n_cols=64, cell_bits=4).lossless_adc_bits(64)
        10
        """
        return int(n_rows * (2**self.cell_bits - 1)).bit_length()

    @property
    def columns_built(self) -> int:
        """Columns of a crossbar, the reference column included."""
        return self.n_cols + (self.sign == "offset")


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Size and work of each layer (L) on the chip; work is per timestep.

    Parameters
    ----------
    cells_per_weight, n_row_blocks, n_col_blocks, n_pes, n_crossbars, n_tiles : int array of shape (L,)
        Size on the chip; row and column blocks are those of one group.
    n_serial_cycles : int array of shape (L,)
        PE cycles in series: positions x input bits, times the blocks that do not work in parallel. Groups always do.
    n_pe_cycles : int array of shape (L,)
        PE cycles of all blocks.
    n_crossbar_reads : int array of shape (L,)
        Crossbars read in these cycles: one per kernel tap, or one each with im2col.
    n_phases : int array of shape (L,)
        Conversions in series: serial cycles times the columns that share a converter.
    n_conversions : int array of shape (L,)
        Analog-to-digital conversions, those of reference columns included; the taps of a split kernel are summed before
        or after the converter.
    n_adcs : int array of shape (L,)
        Converters: per PE if taps are summed before them, else per crossbar; reference columns have their own.
    n_partial_sums : int array of shape (L,)
        Additions of the sums of row blocks.
    utilisation : float array of shape (L,)
        Share of the cells that store a weight.
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
    n_phases: IntArray
    n_conversions: IntArray
    n_adcs: IntArray
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
    # Groups on one crossbar, block-diagonally: as many as fit into its rows and into its columns.
    together = np.ones_like(groups)
    if array.pack_groups:
        together = np.maximum(1, np.minimum(groups, np.minimum(array.n_rows // rows, array.n_cols // cols)))
    blocks = _ceil(groups, together) * row_blocks * col_blocks
    pes = blocks if is_split else _ceil(blocks, array.crossbars_per_pe)
    crossbars = blocks * taps if is_split else blocks
    tiles = _tiles(pes, array)
    _check_fit(layers, array, tiles)
    cycles = positions * input_bits
    in_turn = {"all": np.ones_like(pes), "rows": col_blocks, "none": row_blocks * col_blocks}[array.parallel]
    # A converter serves a block: its taps together, or each of its crossbars.
    banks = crossbars // blocks if array.tap_sum == "digital" else np.ones_like(blocks)
    references = blocks if array.sign == "offset" else np.zeros_like(blocks)
    # Only weights: reference columns and the zeros between packed groups are not used.
    used = n_in // groups * n_out * taps * slices
    return Placement(
        cells_per_weight=slices,
        n_row_blocks=row_blocks,
        n_col_blocks=col_blocks,
        n_pes=pes,
        n_crossbars=crossbars,
        n_tiles=tiles,
        n_serial_cycles=cycles * in_turn,
        n_pe_cycles=cycles * pes,
        n_crossbar_reads=cycles * crossbars,
        n_phases=cycles * in_turn * min(array.cols_per_adc, array.n_cols),
        n_conversions=cycles * banks * (row_blocks * n_out * slices + references),
        n_adcs=banks * (blocks * -(-array.n_cols // array.cols_per_adc) + references),
        n_partial_sums=positions * n_out * (row_blocks - 1),
        utilisation=used / (crossbars * array.n_rows * array.n_cols),
    )


def _tiles(pes: IntArray, array: CrossbarArray) -> IntArray:
    """Return the tiles of each layer; if layers share tiles, a tile counts for the first layer on it."""
    if array.tiles == "per_layer":
        return _ceil(pes, array.pes_per_tile)
    return np.diff(_ceil(np.cumsum(pes), array.pes_per_tile), prepend=0)


def hops(n_tiles: IntArray) -> NDArray[np.float64]:
    """Return the mean number of links (L,) from the tiles of a layer to those of the next; 0 for the last layer.

    Tiles are placed on a square mesh in the order of the layers, rows in alternating direction (a snake).

    Examples
    --------
    >>> hops(np.array([1, 1, 2])).tolist()
    [1.0, 1.5, 0.0]
    """
    stops = np.cumsum(n_tiles)
    # A layer that shares its tile with the one before it begins on that tile.
    firsts = np.minimum(stops - n_tiles, stops - 1)
    side = max(1, int(np.ceil(np.sqrt(stops[-1]))))
    distance = np.abs(np.subtract.outer(np.arange(side), np.arange(side)))

    def shares(layer: int) -> list[NDArray[np.float64]]:
        """Return the share of a layer's tiles in each row and in each column of the mesh."""
        # Manhattan distances split into rows and columns, so these shares replace a sum over all pairs of tiles.
        places = np.arange(firsts[layer], stops[layer])
        rows = places // side
        columns = np.where(rows % 2 == 0, places % side, side - 1 - places % side)
        return [np.bincount(axis, minlength=side) / len(places) for axis in (rows, columns)]

    found, here = np.zeros(len(n_tiles)), shares(0)
    for layer in range(len(n_tiles) - 1):
        there = shares(layer + 1)
        found[layer] = sum(one @ distance @ other for one, other in zip(here, there, strict=True))
        here = there
    return found


def _ceil(count: IntArray, size: int) -> IntArray:
    """Return the number of blocks of a size that hold a count."""
    return -(-count // size)


def _check_fit(layers: Sequence[LayerShape], array: CrossbarArray, tiles: IntArray) -> None:
    """Raise CapacityError, which says what would fit, if the chip has fewer tiles than the layers need."""
    if array.n_tiles is None or tiles.sum() <= array.n_tiles:
        return
    largest = int(tiles.argmax())
    # Without its limit, so that `place` does not check, and come back here, for each width that is tried.
    unlimited = array.model_copy(update={"n_tiles": None})
    for bits in range(max(layer.weight_bits for layer in layers) - 1, 0, -1):
        fewer = [replace(layer, weight_bits=min(bits, layer.weight_bits)) for layer in layers]
        needed = place(fewer, unlimited).n_tiles.sum()
        if needed <= array.n_tiles:
            advice = f"Weights of at most {bits} bits would need {needed}; or raise mapping.n_tiles to {tiles.sum()}."
            break
    else:
        fits = int((np.cumsum(tiles) <= array.n_tiles).sum())
        advice = f"The first {fits} of {len(layers)} layers would fit; raise mapping.n_tiles to {tiles.sum()}."
    raise CapacityError(
        f"the network must fit on the {array.n_tiles} tiles of the chip; it needs {tiles.sum()}, "
        f"{tiles[largest]} of them for layer {layers[largest].name!r}. {advice}"
    )
