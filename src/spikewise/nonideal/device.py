r"""Model of a resistive crossbar: cells, wires and converters, as tensor functions.

A digit d of at most :math:`D = 2^c - 1` in a cell of c bits becomes

.. math:: G = G_{min} + (G_{max} - G_{min}) \frac{d}{D}, \qquad
          g = \frac{G \, D}{G_{max} - G_{min}} = d + \frac{D}{on/off - 1} .

All conductances below are in units g of one *cell level*: the current of an ideal column is then an exact integer.
Programming spreads cells as :math:`g (1 + \sigma \varepsilon)`, clipped at 0; a stuck cell has the largest or the
smallest conductance, whatever was written.

*Wires.* Rows are driven on the left, columns end in a virtual ground at the bottom, rows without a spike are held at
ground. The circuit is linear, so wires of r ohm per cell only change the effective conductance of a cell. To first
order in r, the voltage drop along row i and the rise along column j sum the currents of all cells behind each segment:

.. math:: \tilde g_{ij} = \frac{g_{ij}}{1 + x_{ij}}, \qquad
          x_{ij} = r ( \sum_l (\min(j, l) + 1) \, G_{il} + \sum_m (n - \max(i, m)) \, G_{mj} ) .

Validity: x up to about 1; see :func:`wire_drop` for measured errors. Leaves out: non-linear cells, drift, selector
transistors, offset and gain errors of converters. Constants are arguments: none is built in.
"""

import torch
from torch import Tensor

from .settings import Nonideal

N_BINS = 4096  # of the histogram from which a converter's range is read


def quantize_weights(weights: Tensor, n_bits: int) -> tuple[Tensor, float]:
    """Round weights to symmetric integers, and return these and their step; the largest weight becomes 2^(b-1) - 1.

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


def digits_of(magnitudes: Tensor, n_bits: int, n_digits: int) -> Tensor:
    """Split integers into digits (..., n_digits) of ``n_bits`` each, lowest first; negative ones in two's complement.

    Examples
    --------
    >>> digits_of(torch.tensor([35.0]), 4, 2)
    tensor([[3., 2.]])
    """
    # floor and % round towards minus infinity, which gives the complement of negative numbers.
    place = 2.0 ** (n_bits * torch.arange(n_digits, device=magnitudes.device))
    return (magnitudes[..., None] / place).floor() % 2**n_bits


def pedestal(top: int, on_off: float) -> float:
    """Return the conductance of a cell of digit 0, in cell levels.

    Examples
    --------
    >>> pedestal(9, on_off=10)
    1.0
    """
    return top / (on_off - 1)


def program(levels: Tensor, top: int, chip: Nonideal, generator: torch.Generator) -> Tensor:
    """Program cells, and return their conductances in cell levels.

    Parameters
    ----------
    levels : Tensor
        Digits to write, 0..top.
    top : int
        Largest digit.
    chip : Nonideal
        On/off ratio, spread, and shares of stuck cells.
    generator : torch.Generator
        Source of chance of this chip. For one seed, a cell has the same random numbers whatever the spread.

    Examples
    --------
    >>> program(torch.tensor([0.0, 9.0]), 9, Nonideal(on_off=10), torch.Generator()).tolist()
    [1.0, 10.0]
    """
    lowest = pedestal(top, chip.on_off)
    # Drawn even without variation or stuck cells, and on the CPU: a seed is the same chip at any setting and device.
    luck = torch.randn(levels.shape, generator=generator).to(levels.device)
    fate = torch.rand(levels.shape, generator=generator).to(levels.device)
    cells = ((levels + lowest) * (1 + chip.variation * luck)).clamp(min=0)
    cells = torch.where(fate < chip.stuck_on, top + lowest, cells)
    return torch.where((fate >= chip.stuck_on) & (fate < chip.stuck_on + chip.stuck_off), lowest, cells)


def wire_drop(cells: Tensor, wire: float) -> Tensor:
    """Return the effective conductances of cells behind resistive wires, to first order.

    Compared with the exact circuit of 64 x 64 random cells, the error of the drop of a column's current is 1 % of the
    drop if the largest x is 0.13, 3 % at 0.64 and 4 % at 2.6. (With 1 - x instead of 1 / (1 + x): 10, 47 and 184 %.)

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
    """Return the step of a converter that reaches ``full_scale`` with its 2^b - 1 steps; at least one cell level.

    Examples
    --------
    >>> converter_step(torch.tensor([150.0, 3.0]), 4).tolist()
    [10.0, 1.0]
    """
    return (full_scale / (2**n_bits - 1)).clamp(min=1.0)


def convert(currents: Tensor, step: Tensor, n_bits: int) -> Tensor:
    """Convert currents in place: round them to the step, and clip them to the range of the converter.

    Halves are rounded up, so that two columns with the same pedestal are rounded alike and their difference is exact.

    Examples
    --------
    >>> convert(torch.tensor([-1.0, 14.0, 26.0, 999.0]), torch.tensor(10.0), 4).tolist()
    [0.0, 10.0, 30.0, 150.0]
    """
    return currents.div_(step).add_(0.5).floor_().clamp_(0, 2**n_bits - 1).mul_(step)


def histogram(currents: Tensor, largest: float) -> Tensor:
    """Return the counts (N_BINS,) of the currents above 0; no column carries more than ``largest``."""
    # In a sparse network most currents are 0; counted, they would leave less than the share to clip.
    return torch.histc(currents[currents > 0], N_BINS, 0.0, max(largest, 1e-9))


def full_scale(counts: Tensor, largest: float, clip: float) -> float:
    """Return the current that a share ``clip`` of the counted currents exceeds; ``largest`` if none was counted.

    Examples
    --------
    >>> full_scale(histogram(torch.arange(1, 101.0), 128.0), 128.0, clip=0.25)
    75.03125
    """
    if not counts.sum():
        return largest
    share = counts.double().cumsum(0) / counts.sum()
    return float(torch.searchsorted(share, 1 - clip) + 1) * largest / len(counts)
