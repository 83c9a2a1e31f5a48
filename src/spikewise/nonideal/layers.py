r"""Convolutions and linear layers whose weighted sums run on crossbars, of one chip or of several chips at once.

Blocks of rows (:mod:`~spikewise.nonideal.rows`) are read out (:mod:`~spikewise.nonideal.cells`) and added
as numbers:

.. math:: y = \sum_{block} \mathrm{read\_out}( ADC( \ldots ) ) .

Inputs that are not spikes are applied as codes, :math:`x \approx low + step \cdot code`, one bit plane after the other.
The contribution of :math:`low` is known when the weights are written, and is added digitally. So a normalised image
needs as many bit planes as it has bits, and no extra plane for its sign.

If S chips run together, sample i of chip s is row i S + s of the batch, so other layers need no change.
Leaves out: unused rows and columns (they are far from drivers and converters, and carry no current), several groups on
one crossbar (``pack_groups``; each group is computed as if it were alone).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikewise.errors import ParameterError

from . import device
from .cells import ReadOut, kinds_of, read_out, write
from .rows import Geometry, ReadNoise, RowBlock
from .settings import Nonideal


@dataclass(frozen=True, slots=True)
class InputCodes:
    """Whole numbers 0..2^b - 1 that stand for inputs ``low + step * code``.

    Examples
    --------
    >>> InputCodes.spanning(-1.0, 2.0, n_bits=8)
    InputCodes(low=-1.0, step=0.011764705882352941)
    """

    low: float
    step: float

    @classmethod
    def spanning(cls, least: float, most: float, n_bits: int) -> InputCodes:
        """Return codes whose range holds the least value, the largest value and 0."""
        low = min(least, 0.0)
        return cls(low, (max(most, 0.0) - low) / (2**n_bits - 1))


class Crossbars(nn.Module):
    """The crossbars of one layer of synapses, in place of its weighted sum.

    Parameters
    ----------
    weights : Tensor of shape (O, C, h, w)
        Weights of a convolution; those of a linear layer have a kernel of 1 x 1.
    geometry : dict
        Stride, padding, dilation and groups, as ``torch.nn.functional.conv2d`` takes them.
    nonideal : Nonideal
        The design.
    codes : InputCodes, optional
        Codes of inputs that are not spikes; absent for spikes.
    seeds : sequence of int
        Seed of this layer on each chip.
    noise : ReadNoise, optional
        Shared by the layers of the chips.
    begins : bool
        Whether a run begins with this layer.

    Examples
    --------
    >>> layer = Crossbars(torch.tensor([[[[0.7]], [[-0.3]]]]), {"groups": 1}, Nonideal())
    >>> layer(torch.ones(1, 2, 1, 1)).flatten().tolist()
    [0.4000000059604645]
    """

    integers: Tensor

    def __init__(
        self, weights: Tensor, geometry: Geometry, nonideal: Nonideal, codes: InputCodes | None = None,
        seeds: Sequence[int] = (0,), noise: ReadNoise | None = None, *, begins: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.geometry, self.nonideal, self.codes, self.begins = geometry, nonideal, codes, begins
        self.noise = ReadNoise(seeds) if noise is None else noise
        self.n_chips = len(seeds)
        integers, self.weight_step = device.quantize_weights(weights, nonideal.weight_bits)
        self.register_buffer("integers", integers, persistent=False)
        grouped = integers.unflatten(0, (int(geometry.get("groups", 1)), -1))  # (groups, O, C, h, w)
        self.read_out = read_out(nonideal, grouped.shape[1])
        self.blocks = nn.ModuleList(self._blocks(grouped, seeds))

    def _blocks(self, grouped: Tensor, seeds: Sequence[int]) -> Iterator[RowBlock]:
        """Build the blocks of rows of all chips from weights (groups, O, C, h, w)."""
        chip, reads = self.nonideal, self.read_out
        is_exact = chip.adc_bits is None
        # A linear read-out is applied to the cells once, before the run, which turns P columns into one. A noisy
        # reference column prevents this, since all weights of a crossbar share its noise.
        is_linear = is_exact and not (chip.read_noise and chip.array.sign == "offset")
        if is_linear:
            self.read_out = ReadOut((1.0,))
        for channels, cells in self._written(grouped, seeds, together=is_exact):
            kinds = kinds_of(reads, cells.shape[1], chip.array)
            power = None
            if chip.read_noise:  # counted inputs have none
                power = (chip.read_noise * cells * (kinds >= 0).to(cells.device)[:, None, None, None]) ** 2
            if is_linear:
                cells, power = reads(cells[None])[0], None if power is None else reads.squared(power[None])[0]
                kinds = torch.zeros(cells.shape[1], dtype=torch.long)
            apart = chip.array.tap_sum == "digital" and chip.array.scheme == "kernel_split" and not is_exact
            yield RowBlock(channels, cells, power, kinds, len(seeds), chip.adc_bits, taps_apart=apart)

    def _written(self, grouped: Tensor, seeds: Sequence[int], *, together: bool) -> Iterable[tuple[slice, Tensor]]:
        """Return channels and cells (chips * groups, N, C, h, w) of each block of rows, or of all blocks together."""
        chips = [write(grouped, self.nonideal, torch.Generator().manual_seed(seed)) for seed in seeds]
        blocks = [(parts[0][0], torch.cat([cells for _, cells in parts])) for parts in zip(*chips, strict=True)]
        if not together:
            return blocks
        whole = grouped.new_zeros(*blocks[0][1].shape[:2], *grouped.shape[2:])
        for channels, cells in blocks:
            whole[:, :, channels] += cells
        return [(slice(None), whole)]

    def whole_sums(self, x: Tensor, squares: Tensor | None = None) -> Tensor:
        """Compute weighted sums (B, O, H, W) of spikes or whole numbers (B, C, H, W) and the integer weights.

        ``squares`` of the inputs are for read noise; those of spikes are the spikes. B orders chips within samples.
        """
        shape = (-1, self.n_chips * int(self.geometry.get("groups", 1)), self.integers.shape[1], *x.shape[2:])
        x = x.reshape(shape)
        squares = x if squares is None else squares.reshape(shape)
        parts = (self.read_out(block(x, squares, self.geometry, self.noise)) for block in self.blocks)
        total = next(parts)
        for part in parts:
            total += part
        return total.reshape(-1, len(self.integers), *total.shape[3:])

    def forward(self, x: Tensor) -> Tensor:
        """Compute weighted sums (B, O, H, W) of inputs (B, C, H, W)."""
        chip, codes = self.nonideal, self.codes
        if self.begins and chip.read_noise:
            self.noise.begin(x[:: self.n_chips])
        if codes is None:
            return self.whole_sums(x) * self.weight_step
        whole = ((x - codes.low) / codes.step).round_().clamp_(0, 2**chip.input_bits - 1)
        if chip.adc_bits is None:
            # Exact converters are linear, so one pass replaces the bit planes; only noise must be summed by plane.
            squares = None
            if chip.read_noise:
                squares = sum((worth**2 * plane for worth, plane in self._planes(whole)), torch.zeros_like(whole))
            sums = self.whole_sums(whole, squares)
        else:
            first, *others = ((worth, self.whole_sums(plane)) for worth, plane in self._planes(whole))
            sums = first[1]
            for worth, part in others:
                sums.add_(part, alpha=worth)
        if codes.low:
            low = torch.full_like(x[:1], codes.low / codes.step)
            sums = sums + functional.conv2d(low, self.integers, **self.geometry)
        return sums * (codes.step * self.weight_step)

    def _planes(self, codes: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield the bit planes of whole numbers, each with its place value."""
        for bit in range(self.nonideal.input_bits):
            yield 2**bit, (codes / 2**bit).floor() % 2


class CrossbarConv2d(nn.Conv2d):
    """A convolution on crossbars; it keeps its trained weights for reference.

    Parameters
    ----------
    conv : Conv2d
        The layer that is replaced; its padding must be zeros.
    chip : dict
        Further arguments of :class:`Crossbars`.
    """

    def __init__(self, conv: nn.Conv2d, **chip: Any) -> None:
        if conv.padding_mode != "zeros":
            raise ParameterError(f"padding_mode must be 'zeros' on crossbars; got {conv.padding_mode!r}.")
        geometry: dict[str, Any] = {key: getattr(conv, key) for key in ("stride", "padding", "dilation", "groups")}
        size: Any = conv.kernel_size
        # On "meta" the initial weights, which are replaced below, do not change torch's global random state.
        super().__init__(conv.in_channels, conv.out_channels, size, bias=False, device="meta", **geometry)
        self.weight, self.bias = conv.weight, conv.bias
        self.crossbars = Crossbars(conv.weight.detach(), geometry, **chip)

    def forward(self, x: Tensor) -> Tensor:
        """Compute weighted sums (B, O, H, W) of inputs (B, C, H, W)."""
        sums: Tensor = self.crossbars(x)
        return sums if self.bias is None else sums + self.bias[:, None, None]


class CrossbarLinear(nn.Linear):
    """A linear layer on crossbars: a convolution of 1 x 1 on a map of one pixel.

    Parameters
    ----------
    linear : Linear
        The layer that is replaced.
    chip : dict
        Further arguments of :class:`Crossbars`.
    """

    def __init__(self, linear: nn.Linear, **chip: Any) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=False, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.crossbars = Crossbars(linear.weight.detach()[:, :, None, None], {"groups": 1}, **chip)

    def forward(self, x: Tensor) -> Tensor:
        """Compute weighted sums (..., O) of inputs (..., C)."""
        sums: Tensor = self.crossbars(x.reshape(-1, self.in_features, 1, 1)).reshape(*x.shape[:-1], -1)
        return sums if self.bias is None else sums + self.bias
