r"""Convolutions and linear layers whose weighted sums run on crossbars.

Integer weights are written as :mod:`~spikewise.price.mapping` places them: input channels on the rows, in blocks of
``n_rows``, one crossbar per kernel tap. The currents of all taps of a block are summed; the sum passes a converter
of its own range, and blocks and digits are added as numbers:

.. math:: y = \sum_{block} \sum_{digit} \pm 2^{c \, digit} \; ADC( \sum_{tap} \sum_{row} x \, \tilde g
              + \eta ), \qquad \eta \sim N(0, \sigma_{read}^2 \sum x^2 \tilde g^2) .

Drawing one :math:`\eta` per current has the distribution of noise on each cell. Inputs that are not spikes go
in bit by bit, positive and negative parts apart. Leaves out: unused rows and columns (they lie far from drivers and
converters, and carry nothing), noise that the columns share through a common reference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spikewise.errors import ParameterError

from . import crossbar_math as physics
from .crossbar_math import Nonideal


class ReadNoise:
    """Source of the read noise of a chip; begins anew with every batch, at a place that follows from its content.

    Parameters
    ----------
    seed : int
        Of the chip.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.generator = torch.Generator()

    def begin(self, x: Tensor) -> None:
        """Start a run on these first inputs."""
        digest = hashlib.blake2b(x.detach().cpu().contiguous().numpy().tobytes(), digest_size=8).digest()
        self.generator = torch.Generator(x.device).manual_seed(seed_of(self.seed, int.from_bytes(digest, "big")))

    def __deepcopy__(self, memo: dict[int, Any]) -> ReadNoise:
        return ReadNoise(self.seed)  # a generator cannot be copied, and begins anew in any case


def seed_of(*entropy: int) -> int:
    """One seed from several."""
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))


class RowBlock(nn.Module):
    """Crossbars that share input rows, with their converters.

    Parameters
    ----------
    channels : slice
        Input channels of a group that lie on these rows.
    cells : Tensor of shape (groups, O, P, C, h, w)
        Conductances of the P columns of each weight, in cell levels.
    power : Tensor of the same shape, optional
        Variance of each cell's current from read to read; absent without read noise.
    n_bits : int, optional
        Of the converters; exact if absent.
    """

    kernel: Tensor
    power: Tensor | None
    step: Tensor

    def __init__(self, channels: slice, cells: Tensor, power: Tensor | None, n_bits: int | None) -> None:
        super().__init__()
        self.channels, self.n_bits = channels, n_bits
        self.n_columns = cells.shape[2]
        # No column carries more than all of its rows together.
        self.largest = tuple(map(float, cells.clamp(min=0).sum((3, 4, 5)).amax((0, 1))))
        self.register_buffer("kernel", cells.flatten(0, 2), persistent=False)
        self.register_buffer("power", None if power is None else power.flatten(0, 2), persistent=False)
        self.register_buffer("step", torch.ones(self.n_columns, 1, 1, device=cells.device), persistent=False)
        self.seen: Tensor | None = None  # histograms (P, bins) of the currents, while a design is calibrated
        self.n_clipped = self.n_converted = 0

    def forward(self, x: Tensor, squares: Tensor, geometry: dict[str, Any], noise: ReadNoise) -> Tensor:
        """What the converters give, (B, O, P, H, W), for inputs (B, groups, C, H, W) and their squares."""
        currents = functional.conv2d(x[:, :, self.channels].flatten(1, 2), self.kernel, **geometry)
        if self.power is not None:
            variance = functional.conv2d(squares[:, :, self.channels].flatten(1, 2), self.power, **geometry)
            luck = torch.randn(currents.shape, generator=noise.generator, device=x.device)
            currents += variance.clamp_(min=0).sqrt_().mul_(luck)
        currents = currents.unflatten(1, (-1, self.n_columns))
        if self.seen is not None:
            columns = zip(currents.unbind(2), self.largest, strict=True)
            self.seen += torch.stack([physics.histogram(column, most) for column, most in columns])
        if self.n_bits is None:
            return currents
        self.n_clipped += int(torch.count_nonzero(currents > self.step * (2**self.n_bits - 0.5)))
        self.n_converted += currents.numel()
        return physics.convert(currents, self.step, self.n_bits)


class Crossbars(nn.Module):
    """The crossbars of one layer of synapses, in place of its weighted sum.

    Parameters
    ----------
    weights : Tensor of shape (O, C, h, w)
        Of a convolution; a linear layer is one with a kernel of 1 x 1.
    geometry : dict
        Stride, padding, dilation and groups, as ``torch.nn.functional.conv2d`` takes them.
    nonideal : Nonideal
        The chip.
    input_step : float, optional
        Step of inputs that are not spikes; absent for spikes.
    seed : int
        Of this layer on this chip.
    noise : ReadNoise, optional
        Shared by the layers of a chip.
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
        self, weights: Tensor, geometry: dict[str, Any], nonideal: Nonideal, input_step: float | None = None,
        seed: int = 0, noise: ReadNoise | None = None, *, begins: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.geometry, self.nonideal, self.input_step = geometry, nonideal, input_step
        self.noise = ReadNoise(seed) if noise is None else noise
        self.begins = begins
        integers, self.weight_step = physics.quantize_weights(weights, nonideal.weight_bits)
        counts, self.top = physics.digit_weights(
            nonideal.weight_bits, nonideal.cell_bits, differential=nonideal.differential
        )
        counts = counts.to(weights.device)
        self.register_buffer("integers", integers, persistent=False)
        blocks = [
            (channels, cells, (nonideal.read_noise * cells) ** 2)
            for channels, cells in self._written(counts, torch.Generator().manual_seed(seed))
        ]
        if nonideal.adc_bits is None:
            # Nothing but noise happens to a column alone: all fold into one signed kernel, which is P times as fast.
            whole = torch.stack([torch.einsum("gopchw,p->gochw", cells, counts) for _, cells, _ in blocks]).sum(0)
            power = torch.stack([torch.einsum("gopchw,p->gochw", part, counts**2) for *_, part in blocks]).sum(0)
            blocks, counts = [(slice(None), whole[:, :, None], power[:, :, None])], torch.ones_like(counts[:1])
        self.counts = tuple(counts.tolist())
        self.blocks = nn.ModuleList(
            RowBlock(
                channels,
                cells[:, :, :, channels],
                power[:, :, :, channels] if nonideal.read_noise else None,
                nonideal.adc_bits,
            )
            for channels, cells, power in blocks
        )

    def _written(self, counts: Tensor, generator: torch.Generator) -> Iterator[tuple[slice, Tensor]]:
        """Channels of each block of rows, and its cells (groups, O, P, C, h, w), zero in other rows."""
        chip, groups = self.nonideal, int(self.geometry.get("groups", 1))
        weights = self.integers.unflatten(0, (groups, -1))  # (groups, O, C, h, w)
        place = counts[: len(counts) // 2]
        if chip.differential:
            parts = [physics.digits_of(side.clamp(min=0), place, self.top) for side in (weights, -weights)]
            levels = torch.cat(parts, -1)
        else:
            levels = physics.digits_of(weights + 2 ** (chip.weight_bits - 1), place, self.top)
        _, _, n_in, *kernel = weights.shape
        n_taps = kernel[0] * kernel[1]
        levels = levels.flatten(3, 4).permute(0, 3, 2, 1, 4)  # (groups, taps, C, O, P)
        if chip.scheme == "im2col":
            levels = levels.transpose(1, 2).flatten(1, 2)[:, None]  # (groups, 1, C * taps, O, P)
        n_rows, per_row = levels.shape[2], levels.shape[2] // n_in
        n_side_by_side = chip.n_cols // chip.cells_per_weight
        for first in range(0, n_rows, chip.n_rows):
            last = min(first + chip.n_rows, n_rows)
            blocks = levels[:, :, first:last].split(n_side_by_side, 3)
            cells = levels.new_zeros(*levels.shape[:4], len(counts))
            cells[:, :, first:last] = torch.cat([self._crossbar(block, place, generator) for block in blocks], 3)
            if chip.scheme == "im2col":
                cells = cells[:, 0].unflatten(1, (n_in, n_taps)).transpose(1, 2)
            kernels = cells.permute(0, 3, 4, 2, 1).unflatten(4, kernel)
            yield slice(first // per_row, -(-last // per_row)), kernels

    def _crossbar(self, levels: Tensor, place: Tensor, generator: torch.Generator) -> Tensor:
        """Conductances that both sides of each weight seem to have; levels are (groups, taps, rows, O, P)."""
        chip = self.nonideal
        columns = levels.flatten(3)
        if not chip.differential:
            offset = torch.full((), 2.0 ** (chip.weight_bits - 1), device=levels.device)
            reference = physics.digits_of(offset, place, self.top)
            columns = torch.cat([columns, reference.expand(*columns.shape[:3], -1)], 3)
        cells = physics.program(
            columns, self.top, generator, on_off=chip.on_off, variation=chip.variation,
            stuck_on=chip.stuck_on, stuck_off=chip.stuck_off,
        )  # fmt: skip
        siemens = (1 - 1 / chip.on_off) / chip.r_on_ohm / self.top  # of one cell level
        cells = physics.wire_drop(cells, chip.wire_ohm * siemens)
        if chip.differential:
            return cells.unflatten(3, levels.shape[3:])
        own, reference = cells[..., : -len(place)].unflatten(3, levels.shape[3:]), cells[..., None, -len(place) :]
        return torch.cat([own, reference.expand_as(own)], 4)

    def whole_sums(self, x: Tensor, squares: Tensor | None = None) -> Tensor:
        """Weighted sums (B, O, H, W) of spikes or whole numbers (B, C, H, W) and the integer weights.

        ``squares`` are those of the inputs, for read noise; spikes are their own.
        """
        shape = (int(self.geometry.get("groups", 1)), -1)
        x = x.unflatten(1, shape)
        squares = x if squares is None else squares.unflatten(1, shape)
        total: Tensor | None = None
        for block in self.blocks:
            columns = block(x, squares, self.geometry, self.noise).unbind(2)
            for column, count in zip(columns, self.counts, strict=True):
                total = column * count if total is None else total.add_(column, alpha=count)
        assert total is not None
        return total

    def forward(self, x: Tensor) -> Tensor:
        """Weighted sums (B, O, H, W) of inputs (B, C, H, W)."""
        chip = self.nonideal
        if self.begins and chip.read_noise:
            self.noise.begin(x)
        if self.input_step is None:
            return self.whole_sums(x) * self.weight_step
        most = 2**chip.input_bits - 1
        codes = (x / self.input_step).round().clamp(-most, most)
        if chip.adc_bits is None:
            # Without rounding the bits need not be read apart; only their noise counts apart.
            squares = None
            if chip.read_noise:
                squares = sum(
                    (worth**2 * plane for worth, plane in self._planes(codes)), torch.zeros((), device=x.device)
                )
            sums = self.whole_sums(codes, squares)
        else:
            parts = (self.whole_sums(plane).mul_(worth) for worth, plane in self._planes(codes))
            sums = sum(parts, torch.zeros((), device=x.device))
        return sums * (self.input_step * self.weight_step)

    def _planes(self, codes: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Bits of whole numbers, each with what it is worth; those of negative ones apart."""
        for sign in (1, -1):
            side = (sign * codes).clamp(min=0)
            for bit in range(self.nonideal.input_bits):
                yield sign * 2**bit, (side / 2**bit).floor() % 2


class CrossbarConv2d(nn.Conv2d):
    """A convolution on crossbars; its weights are kept as they were, for reference.

    Parameters
    ----------
    conv : Conv2d
        The layer that is replaced; padded with a number of zeros.
    chip : dict
        Further arguments of :class:`Crossbars`.
    """

    def __init__(self, conv: nn.Conv2d, **chip: Any) -> None:
        if conv.padding_mode != "zeros":
            raise ParameterError(f"padding_mode must be 'zeros' on crossbars; got {conv.padding_mode!r}.")
        geometry: dict[str, Any] = {key: getattr(conv, key) for key in ("stride", "padding", "dilation", "groups")}
        size: Any = conv.kernel_size
        # On "meta" the fresh weights, which are not wanted, draw no chance from torch's own state.
        super().__init__(conv.in_channels, conv.out_channels, size, bias=False, device="meta", **geometry)
        self.weight, self.bias = conv.weight, conv.bias
        self.crossbars = Crossbars(conv.weight.detach(), geometry, **chip)

    def forward(self, x: Tensor) -> Tensor:
        """Weighted sums (B, O, H, W)."""
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
        """Weighted sums (..., O) of inputs (..., C)."""
        sums: Tensor = self.crossbars(x.reshape(-1, self.in_features, 1, 1)).reshape(*x.shape[:-1], -1)
        return sums if self.bias is None else sums + self.bias
