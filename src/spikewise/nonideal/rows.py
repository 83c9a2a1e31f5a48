r"""One block of rows of crossbars: currents, read noise and converters.

The currents of all taps of a block are summed before the converter, or each is converted separately
(``tap_sum = "digital"``). Every kind of column (a digit, a sign, the references) has its own converter range:

.. math:: ADC( \sum_{tap} \sum_{row} x \, \tilde g + \eta ), \qquad
          \eta \sim N(0, \sigma_{read}^2 \sum x^2 \tilde g^2) .

Drawing one :math:`\eta` per current has the distribution of noise on each cell. S chips are S times the groups of a
grouped convolution.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from . import device

Geometry = dict[str, Any]  # stride, padding, dilation and groups, as torch.nn.functional.conv2d takes them


class ReadNoise:
    """Source of the read noise of chips; it restarts with every batch, from a seed made of the batch's content.

    Parameters
    ----------
    seeds : sequence of int
        Seeds of the chips.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds = tuple(seeds)
        self.generators = [torch.Generator() for _ in self.seeds]

    def begin(self, x: Tensor) -> None:
        """Restart the noise for a run with these first inputs (B, ...) of each chip."""
        # A hash of the inputs: the same images give the same noise, in whatever order batches run.
        digest = hashlib.blake2b(x.detach().cpu().contiguous().numpy().tobytes(), digest_size=8).digest()
        place = int.from_bytes(digest, "big")
        self.generators = [torch.Generator(x.device).manual_seed(seed_of(seed, place)) for seed in self.seeds]

    def draw(self, currents: Tensor) -> Tensor:
        """Draw standard normal numbers (B, chips * groups, ...); those of a chip do not depend on other chips."""
        n_samples, n_groups, *others = currents.shape
        shape = n_samples, n_groups // len(self.seeds), *others
        lucks = [torch.randn(shape, generator=each, device=currents.device) for each in self.generators]
        return lucks[0] if len(lucks) == 1 else torch.cat(lucks, 1)

    def __deepcopy__(self, memo: dict[int, Any]) -> ReadNoise:
        return ReadNoise(self.seeds)  # a generator cannot be copied, and begins anew in any case


def seed_of(*entropy: int) -> int:
    """Combine several seeds into one of 63 bits."""
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))


class RowBlock(nn.Module):
    """Crossbars that share input rows, with their converters.

    Parameters
    ----------
    channels : slice
        Input channels of a group that are placed on these rows.
    cells : Tensor of shape (chips * groups, N, C, h, w)
        Conductances of the columns of weights and references, in cell levels.
    power : Tensor of the same shape, optional
        Variance of each cell's current from read to read; absent without read noise.
    kinds : Tensor of shape (N,)
        Converter range of each column, 0..K - 1; -1 for counted inputs, which are not converted and come last.
    n_chips : int
        Number of chips.
    n_bits : int, optional
        Resolution of the converters; exact if absent.
    taps_apart : bool
        Whether each tap of a kernel is converted separately.
    """

    kernel: Tensor
    power: Tensor | None
    kinds: Tensor
    step: Tensor

    def __init__(
        self, channels: slice, cells: Tensor, power: Tensor | None, kinds: Tensor, n_chips: int,
        n_bits: int | None, *, taps_apart: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.channels, self.n_bits = channels, n_bits
        self.n_taps = cells.shape[3] * cells.shape[4] if taps_apart else 1
        if taps_apart:
            cells, power = _apart(cells), None if power is None else _apart(power)
            kinds = torch.where(kinds < 0, kinds, kinds * self.n_taps).repeat_interleave(self.n_taps)
            kinds = kinds + torch.arange(self.n_taps).repeat(len(kinds) // self.n_taps) * (kinds >= 0)
        self.n_columns, self.n_measured = len(kinds), int((kinds >= 0).sum())
        # No column carries more than all of its rows together.
        most = cells.clamp(min=0).sum((2, 3, 4)).amax(0)
        n_kinds = int(kinds.max()) + 1
        self.largest = [float(most[kinds == kind].max()) for kind in range(n_kinds)]
        self.register_buffer("kernel", cells.flatten(0, 1), persistent=False)
        self.register_buffer("power", None if power is None else power.flatten(0, 1), persistent=False)
        self.register_buffer("kinds", kinds[: self.n_measured].to(cells.device), persistent=False)
        self.register_buffer("step", torch.ones(n_kinds, 1, 1, device=cells.device), persistent=False)
        self.seen: Tensor | None = None  # histograms (K, bins) of the currents, while a design is calibrated
        self.n_clipped = np.zeros(n_chips, np.int64)
        self.n_converted = 0  # on each chip

    def forward(self, x: Tensor, squares: Tensor, geometry: Geometry, noise: ReadNoise) -> Tensor:
        """Return converted currents (B, chips * groups, N, H, W) of inputs (B, chips * groups, C, H, W)."""
        currents = _weighted(x[:, :, self.channels], self.kernel, geometry)
        if self.power is not None:
            variance = _weighted(squares[:, :, self.channels], self.power, geometry)
            currents += variance.clamp_(min=0).sqrt_().mul_(noise.draw(variance))
        measured = currents[:, :, : self.n_measured]
        if self.seen is not None:
            for kind, most in enumerate(self.largest):
                self.seen[kind] += device.histogram(measured[:, :, self.kinds == kind], most)
        if self.n_bits is not None:
            step = self.step[self.kinds]
            is_clipped = (measured > step * (2**self.n_bits - 0.5)).chunk(len(self.n_clipped), 1)
            self.n_clipped += [int(torch.count_nonzero(chip)) for chip in is_clipped]
            self.n_converted += measured.numel() // len(self.n_clipped)
            device.convert(measured, step, self.n_bits)  # in place, and so in ``currents``
        return currents if self.n_taps == 1 else currents.unflatten(2, (-1, self.n_taps)).sum(3)


def _apart(cells: Tensor) -> Tensor:
    """Make each tap a separate column: (G, N, C, h, w) becomes (G, N * h * w, C, h, w), zero except for one tap."""
    n_taps = cells.shape[3] * cells.shape[4]
    masks = torch.eye(n_taps, device=cells.device).reshape(n_taps, 1, *cells.shape[3:])
    return (cells[:, :, None] * masks).flatten(1, 2)


def _weighted(x: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
    """Compute weighted sums (B, G, N, H, W) of inputs (B, G, C, H, W) with kernels (G * N, C, h, w)."""
    n_groups = x.shape[1]
    if "padding" not in geometry:  # a linear layer: of one pixel
        products = x.flatten(2).transpose(0, 1) @ kernel.flatten(1).unflatten(0, (n_groups, -1)).transpose(1, 2)
        return products.transpose(0, 1)[..., None, None]
    sums = functional.conv2d(x.flatten(1, 2), kernel, **{**geometry, "groups": n_groups})
    return sums.unflatten(1, (n_groups, -1))
