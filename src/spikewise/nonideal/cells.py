r"""Write integer weights to the cells of crossbars, and read signed outputs from their columns.

Weights are placed as in :mod:`~spikewise.price.imc.mapping`: input channels (or, with im2col, all inputs of a kernel)
on the rows in blocks of ``n_rows``, the digits of neighbouring weights on the columns in blocks of ``n_cols``. Cells
have no sign, so one of four read-outs restores it, from the columns :math:`c_{o,p}` of an output and the reference r of
its crossbar x(o):

.. math:: y_o = \sum_p m_p \, c_{o,p} - s \, r_{x(o)}, \qquad r = \begin{cases}
          0, \; m = (2^{c p}, -2^{c p}) & \text{differential} \\
          \text{one column of mid-level cells, shared by the crossbar} & \text{offset} \\
          \text{the inputs, counted exactly as numbers} & \text{count, two's complement} \end{cases}

where :math:`m_p = 2^{c p}` (in two's complement the highest one is negative). The scale s is such that a weight of zero
gives zero on an ideal chip, pedestal of :math:`G_{min}` included. A weight whose digits lie on two crossbars uses the
reference of the last one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from spikewise.price.imc.mapping import CrossbarArray

from . import device
from .settings import Nonideal


@dataclass(frozen=True, slots=True, eq=False)
class ReadOut:
    """Linear map from the columns of a group, (B, G, N, ...), to its outputs, (B, G, O, ...).

    Parameters
    ----------
    digits : tuple of float
        Factor of each of the P columns of a weight.
    reference : float
        Factor of the reference of a crossbar, which is subtracted.
    crossbar_of : Tensor of shape (O,), optional
        Index of the reference of each output; absent if there are no references.

    Examples
    --------
    >>> reads = ReadOut((1.0, -1.0))
    >>> reads(torch.tensor([[[3.0, 1.0, 0.0, 5.0]]]))
    tensor([[[ 2., -5.]]])
    """

    digits: tuple[float, ...]
    reference: float = 0.0
    crossbar_of: Tensor | None = None

    def __call__(self, columns: Tensor) -> Tensor:
        """Return the outputs of all columns: first the digits of each weight side by side, then the references."""
        n_own = columns.shape[2] if self.crossbar_of is None else len(self.crossbar_of) * len(self.digits)
        own, references = columns[:, :, :n_own], columns[:, :, n_own:]
        first, *others = own.unflatten(2, (-1, len(self.digits))).unbind(3)
        total = first * self.digits[0]
        for column, count in zip(others, self.digits[1:], strict=True):
            total.add_(column, alpha=count)
        if self.crossbar_of is not None:
            shared = references if references.shape[2] == 1 else references[:, :, self.crossbar_of]
            total.sub_(shared, alpha=self.reference)
        return total

    @property
    def squared(self) -> ReadOut:
        """The read-out of variances."""
        # Variances add with squared factors. A reference is subtracted by __call__, so its sign is turned here.
        return ReadOut(tuple(count**2 for count in self.digits), -(self.reference**2), self.crossbar_of)


def n_digits(array: CrossbarArray, weight_bits: int) -> int:
    """Return the digits of a weight, or of each side of a differential pair, from the number of cells that are priced.

    Examples
    --------
    >>> n_digits(CrossbarArray(n_rows=64, n_cols=64, cell_bits=4, sign="differential"), 8)
    2
    """
    return array.cells_per_weight(weight_bits) // (2 if array.sign == "differential" else 1)


def _bits(chip: Nonideal) -> int:
    """Return the bits of a cell that are used: at most those of a magnitude."""
    return min(chip.array.cell_bits, chip.weight_bits - (chip.array.sign == "differential"))


def _offset(chip: Nonideal) -> float:
    """Return the offset that makes weights non-negative, if they are stored with an offset; else 0."""
    return 2.0 ** (chip.weight_bits - 1) if chip.array.sign in ("offset", "count") else 0.0


def _is_counted(array: CrossbarArray) -> bool:
    """Whether the reference is the number of counted inputs instead of a column."""
    return array.sign in ("count", "twos_complement")


def read_out(chip: Nonideal, n_outputs: int) -> ReadOut:
    """Return the read-out of a group with this many outputs."""
    bits, array = _bits(chip), chip.array
    place = tuple(2.0 ** (bits * digit) for digit in range(n_digits(array, chip.weight_bits)))
    if array.sign == "differential":
        return ReadOut((*place, *(-count for count in place)))
    if array.sign == "twos_complement":
        place = (*place[:-1], -place[-1])
    # A stored zero conducts the offset and a pedestal per digit; the reference must take both away.
    pedestal = device.pedestal(2**bits - 1, chip.on_off)
    stored = _offset(chip) + pedestal * sum(place)
    if _is_counted(array):
        return ReadOut(place, stored, torch.zeros(n_outputs, dtype=torch.long))
    # A reference cell is programmed to the middle level, so it conducts that level and one pedestal.
    last_digits = torch.arange(1, n_outputs + 1) * len(place) - 1
    return ReadOut(place, stored / (2.0 ** (bits - 1) + pedestal), last_digits // array.n_cols)


def kinds_of(reads: ReadOut, n_columns: int, array: CrossbarArray) -> Tensor:
    """Return the converter range of each column: one per digit, one for the references, -1 for counted inputs."""
    per_weight = len(reads.digits)
    kinds = torch.arange(n_columns) % per_weight
    if reads.crossbar_of is not None:
        kinds[len(reads.crossbar_of) * per_weight :] = -1 if _is_counted(array) else per_weight
    return kinds


def write(integers: Tensor, chip: Nonideal, generator: torch.Generator) -> Iterator[tuple[slice, Tensor]]:
    """Yield the input channels of each block of rows, and the effective conductances (G, N, C, h, w) of its columns.

    Parameters
    ----------
    integers : Tensor of shape (G, O, C, h, w)
        Weights of each group.
    chip : Nonideal
        The design.
    generator : torch.Generator
        Source of the random deviations of this chip.
    """
    array, per_weight = chip.array, n_digits(chip.array, chip.weight_bits)
    if array.sign == "differential":
        parts = [device.digits_of(side.clamp(min=0), _bits(chip), per_weight) for side in (integers, -integers)]
        levels = torch.cat(parts, -1)
    else:
        # Of negative numbers these are the digits of two's complement.
        levels = device.digits_of(integers + _offset(chip), _bits(chip), per_weight)
    _, _, n_channels, *kernel = integers.shape
    n_taps = kernel[0] * kernel[1]
    levels = levels.flatten(3, 4).permute(0, 3, 2, 1, 4).flatten(3)  # (G, taps, C, columns)
    if array.scheme == "im2col":
        levels = levels.transpose(1, 2).flatten(1, 2)[:, None]  # (G, 1, C * taps, columns)
    n_rows = levels.shape[2]
    per_channel = n_rows // n_channels
    for first in range(0, n_rows, array.n_rows):
        last = min(first + array.n_rows, n_rows)
        channels = slice(first // per_channel, -(-last // per_channel))
        cells = _side_by_side(levels[:, :, first:last], chip, generator)
        # With im2col a block may begin and end within a channel: zeros fill the taps that other blocks hold.
        if array.scheme == "im2col":
            margins = first - channels.start * per_channel, channels.stop * per_channel - last
            whole = functional.pad(cells, (0, 0, *margins))
            cells = whole[:, 0].unflatten(1, (-1, n_taps)).transpose(1, 2)
        yield channels, cells.permute(0, 3, 2, 1).unflatten(3, kernel)


def _side_by_side(levels: Tensor, chip: Nonideal, generator: torch.Generator) -> Tensor:
    """Return the conductances of the columns of a block of rows (G, taps, rows, columns), then of its references."""
    crossbars = [_crossbar(block, chip, generator) for block in levels.split(chip.array.n_cols, 3)]
    if chip.array.sign == "offset":
        return torch.cat([*(cells[..., :-1] for cells in crossbars), *(cells[..., -1:] for cells in crossbars)], 3)
    if _is_counted(chip.array):
        crossbars.append(torch.ones_like(levels[..., :1]))
    return torch.cat(crossbars, 3)


def _crossbar(levels: Tensor, chip: Nonideal, generator: torch.Generator) -> Tensor:
    """Return the effective conductances of the columns of one crossbar, in cell levels."""
    bits = _bits(chip)
    top = 2**bits - 1
    if chip.array.sign == "offset":
        levels = functional.pad(levels, (0, 1), value=2.0 ** (bits - 1))
    siemens = (1 - 1 / chip.on_off) / chip.r_on_ohm / top  # of one cell level
    return device.wire_drop(device.program(levels, top, chip, generator), chip.wire_ohm * siemens)
