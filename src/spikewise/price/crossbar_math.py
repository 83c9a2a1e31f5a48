r"""What a resistive crossbar makes of a weighted sum: cells, wires and converters, as tensor functions.

An integer weight is cut into digits of a cell's bits, and signs are brought in by a second column: *differential*
stores positive and negative parts apart, *offset* stores :math:`w + 2^{b-1}` and subtracts a reference column that
holds :math:`2^{b-1}` and that all weights of a crossbar share. A digit d of at most :math:`D = 2^c - 1` becomes

.. math:: G = G_{min} + (G_{max} - G_{min}) \frac{d}{D}, \qquad
          g = \frac{G \, D}{G_{max} - G_{min}} = d + \frac{D}{on/off - 1} .

Everything below is in these units, g, of one *cell level*: an ideal column then carries an exact integer. Programming
spreads cells as :math:`g (1 + \sigma \varepsilon)`, cut off at 0; a stuck cell is at one end whatever was written.

*Wires.* Rows are driven on the left, columns end in a virtual ground at the bottom, rows without a spike are held at
ground. The circuit is linear, so wires of r ohm per cell only change the conductance that a column seems to have. To
first order in r the drop along row i and the rise along column j sum the currents of all cells behind each segment:

.. math:: \tilde g_{ij} = \frac{g_{ij}}{1 + x_{ij}}, \qquad
          x_{ij} = r ( \sum_l (\min(j, l) + 1) \, G_{il} + \sum_m (n - \max(i, m)) \, G_{mj} ) .

Validity: x up to about 1; see :func:`wire_drop` for measured errors. Leaves out: non-linear cells, drift, selector
transistors, offset and gain errors of converters. Constants are arguments: none is built in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from spikewise.errors import ParameterError, positive_number, unknown_name, whole_number

N_BINS = 4096  # of the histogram from which a converter's range is read


@dataclass(frozen=True, slots=True)
class Nonideal:
    """How a chip falls short of exact integers; the defaults do not.

    Parameters
    ----------
    variation : float
        Standard deviation over mean of a programmed conductance, in [0, 1].
    read_noise : float
        The same, of a conductance from one read to the next.
    on_off : float
        Largest over smallest conductance, above 1.
    adc_bits : int, optional
        Bits of the converters, 1 to 16; exact if absent.
    stuck_on, stuck_off : float
        Shares of cells stuck at the largest and at the smallest conductance.
    wire_ohm : float
        Resistance of a wire from one cell to the next.
    r_on_ohm : float
        Resistance of a cell at the largest conductance; only wires ask for it.
    weight_bits, cell_bits, input_bits : int
        Bits of a weight with its sign (2 to 8), of a cell (1 to 8), of an input that is not a spike (1 to 8).
    n_rows, n_cols : int
        Size of a crossbar.
    differential : bool
        Whether negative weights have columns of their own; else an offset is stored and a reference column subtracted.
    scheme : {"kernel_split", "im2col"}
        Taps on crossbars of their own with their currents summed, or all taps on the rows of one.
    clip : float
        Share of the non-zero currents of calibration that may lie beyond a converter's range.

    Examples
    --------
    >>> Nonideal(variation=0.1, on_off=10, adc_bits=6).weight_bits
    4
    """

    variation: float = 0.0
    read_noise: float = 0.0
    on_off: float = math.inf
    adc_bits: int | None = None
    stuck_on: float = 0.0
    stuck_off: float = 0.0
    wire_ohm: float = 0.0
    r_on_ohm: float = 20e3  # chips of DT-SNN's class, second-hand
    weight_bits: int = 4
    cell_bits: int = 4
    input_bits: int = 8
    n_rows: int = 64
    n_cols: int = 64
    differential: bool = True
    scheme: Literal["kernel_split", "im2col"] = "kernel_split"
    clip: float = 0.01

    def __post_init__(self) -> None:
        def put(key: str, value: Any) -> None:
            object.__setattr__(self, key, value)

        for key in ("variation", "read_noise", "stuck_on", "stuck_off"):
            put(key, positive_number(key, getattr(self, key), 1, zero=True))
        put("wire_ohm", positive_number("wire_ohm", self.wire_ohm, 1e6, zero=True))
        put("r_on_ohm", positive_number("r_on_ohm", self.r_on_ohm, 1e12))
        put("clip", positive_number("clip", self.clip, 0.5, zero=True))
        for key, least, most in (("weight_bits", 2, 8), ("cell_bits", 1, 8), ("input_bits", 1, 8)):
            put(key, whole_number(key, getattr(self, key), least, most))
        for key in ("n_rows", "n_cols"):
            put(key, whole_number(key, getattr(self, key), 1, 65_536))
        if self.adc_bits is not None:
            put("adc_bits", whole_number("adc_bits", self.adc_bits, 1, 16))
        if not isinstance(self.on_off, int | float) or not self.on_off > 1:  # True is 1
            raise ParameterError(
                f"on_off must be a number above 1; got {self.on_off!r}. Give largest over smallest conductance."
            )
        if self.stuck_on + self.stuck_off > 1:
            raise ParameterError(f"stuck_on + stuck_off must be at most 1; got {self.stuck_on + self.stuck_off:g}.")
        if self.scheme not in ("kernel_split", "im2col"):
            raise unknown_name("scheme", str(self.scheme), ("kernel_split", "im2col"))
        if self.n_cols < self.cells_per_weight:
            raise ParameterError(
                f"n_cols must hold the {self.cells_per_weight} cells of a weight; got {self.n_cols}. Raise cell_bits."
            )

    @property
    def cells_per_weight(self) -> int:
        """Cells of one weight, without the shared reference."""
        counts, _ = digit_weights(self.weight_bits, self.cell_bits, differential=self.differential)
        return len(counts) if self.differential else len(counts) // 2

    @property
    def nominal(self) -> Nonideal:
        """The same design without luck: no spread, no noise, no stuck cell."""
        return replace(self, variation=0.0, read_noise=0.0, stuck_on=0.0, stuck_off=0.0)


def quantize_weights(weights: Tensor, n_bits: int) -> tuple[Tensor, float]:
    """Symmetric integers of a layer and the step between them; the largest weight becomes 2^(b-1) - 1.

    Examples
    --------
    >>> integers, step = quantize_weights(torch.tensor([0.7, -0.31]), 4)
    >>> integers.tolist(), round(step, 3)
    ([7.0, -3.0], 0.1)
    """
    top = 2 ** (n_bits - 1) - 1
    largest = float(weights.detach().abs().max())
    step = largest / top if largest > 0 else 1.0
    return (weights.detach() / step).round().clamp(-top, top), step


def digit_weights(weight_bits: int, cell_bits: int, *, differential: bool) -> tuple[Tensor, int]:
    """What the digits of a column count, S of the plus and S of the minus side, and the largest digit D.

    A magnitude has ``weight_bits - 1`` bits if it is stored apart from its sign, and ``weight_bits`` otherwise.

    Examples
    --------
    >>> digit_weights(8, 4, differential=True)
    (tensor([  1.,  16.,  -1., -16.]), 15)
    """
    n_bits = weight_bits - 1 if differential else weight_bits
    bits = min(cell_bits, n_bits)
    place = torch.tensor([2.0 ** (bits * index) for index in range(-(-n_bits // bits))])
    return torch.cat([place, -place]), 2**bits - 1


def digits_of(magnitudes: Tensor, counts: Tensor, top: int) -> Tensor:
    """Digits (..., S) of whole numbers of at least 0; ``counts`` (S,) is what each digit counts."""
    return (magnitudes[..., None] / counts).floor() % (top + 1)


def program(
    levels: Tensor,
    top: int,
    generator: torch.Generator,
    *,
    on_off: float,
    variation: float = 0.0,
    stuck_on: float = 0.0,
    stuck_off: float = 0.0,
) -> Tensor:
    """Conductances of cells in units of a level, as they come out of programming.

    Parameters
    ----------
    levels : Tensor
        Digits that were to be written, 0..top.
    top : int
        Largest digit.
    generator : torch.Generator
        The chip. The same chip draws the same luck for each cell, however large the spread.
    on_off : float
        Largest over smallest conductance, above 1.
    variation : float
        Standard deviation over mean.
    stuck_on, stuck_off : float
        Shares of cells stuck at the largest and the smallest conductance.

    Examples
    --------
    >>> program(torch.tensor([0.0, 9.0]), 9, torch.Generator(), on_off=10).tolist()
    [1.0, 10.0]
    """
    lowest = top / (on_off - 1)
    luck = torch.randn(levels.shape, generator=generator).to(levels.device)
    fate = torch.rand(levels.shape, generator=generator).to(levels.device)
    cells = ((levels + lowest) * (1 + variation * luck)).clamp(min=0)
    cells = torch.where(fate < stuck_on, top + lowest, cells)
    return torch.where((fate >= stuck_on) & (fate < stuck_on + stuck_off), lowest, cells)


def wire_drop(cells: Tensor, wire: float) -> Tensor:
    """Conductances that the columns seem to have behind resistive wires, to first order.

    Against the exact circuit of 64 x 64 random cells, the drop of a column's current is off by 1 % of itself where the
    largest x is 0.13, by 3 % at 0.64 and by 4 % at 2.6. (Its neighbour 1 - x is off by 10, 47 and 184 %.)

    Parameters
    ----------
    cells : Tensor of shape (..., n_rows, n_cols)
        Conductances; row 0 lies furthest from the converters, column 0 nearest to the drivers.
    wire : float
        Resistance of a wire between two cells, in units of the inverse of a conductance.

    Examples
    --------
    >>> wire_drop(torch.ones(1, 1), 0.5)  # a cell between two wires
    tensor([[0.5000]])
    """
    if wire == 0:
        return cells
    rows, columns = (torch.arange(n, dtype=cells.dtype, device=cells.device) for n in cells.shape[-2:])
    along_row = torch.minimum(columns[:, None], columns) + 1
    along_column = len(rows) - torch.maximum(rows[:, None], rows)
    return cells / (1 + wire * (cells @ along_row + along_column @ cells))


def converter_step(full_scale: Tensor, n_bits: int) -> Tensor:
    """Step of a converter that reaches ``full_scale`` with its 2^b - 1 steps; never finer than a cell level.

    Examples
    --------
    >>> converter_step(torch.tensor([150.0, 3.0]), 4).tolist()
    [10.0, 1.0]
    """
    return (full_scale / (2**n_bits - 1)).clamp(min=1.0)


def convert(currents: Tensor, step: Tensor, n_bits: int) -> Tensor:
    """What a converter makes of currents: rounded to its step, cut off at both ends.

    Halves are rounded up, so that two columns with the same pedestal are rounded alike and their difference is exact.

    Examples
    --------
    >>> convert(torch.tensor([-1.0, 14.0, 26.0, 999.0]), torch.tensor(10.0), 4).tolist()
    [0.0, 10.0, 30.0, 150.0]
    """
    return (currents / step).add_(0.5).floor_().clamp_(0, 2**n_bits - 1).mul_(step)


def histogram(currents: Tensor, largest: float) -> Tensor:
    """Counts (N_BINS,) of the currents above 0; no column carries more than ``largest``."""
    return torch.histc(currents[currents > 0], N_BINS, 0.0, max(largest, 1e-9))


def full_scale(counts: Tensor, largest: float, clip: float) -> float:
    """Current that all but a share ``clip`` of the counted ones stay below; ``largest`` if none was seen.

    Examples
    --------
    >>> full_scale(histogram(torch.arange(1, 101.0), 128.0), 128.0, clip=0.25)
    75.03125
    """
    if not counts.sum():
        return largest
    share = counts.double().cumsum(0) / counts.sum()
    return float(torch.searchsorted(share, 1 - clip) + 1) * largest / len(counts)
