"""A spiking layer: synapses, pooling, normalisation, neurons.

The weighted sum knows no time, so it runs on time and batch merged, ``(T * B, ...)``; batch
normalisation there sees all steps as one batch. Only the neurons run in time. Pooling averages the
*sums before the neurons*: averaging spikes would hand values like 1/4 to the next layer, which a
crossbar with one-bit inputs cannot take.
"""

from __future__ import annotations

from torch import Tensor, nn

from .fused import NormLIF
from .neurons import LIFParams
from .pooling import pooled_sums


class SpikingLayer(nn.Module):
    """Synapses - pooling - batch normalisation - LIF neurons.

    Parameters
    ----------
    synapses : Conv2d or Linear
        The weighted sum, without bias: the normalisation brings one.
    norm : BatchNorm1d or BatchNorm2d
        Applied to the (pooled) sums of all steps and samples together.
    params : LIFParams
        The neurons.
    pool : int
        Sums are averaged over squares of this size; 1 leaves them as they are.
    """

    def __init__(
        self, synapses: nn.Conv2d | nn.Linear, norm: nn.BatchNorm1d | nn.BatchNorm2d, params: LIFParams, pool: int = 1
    ) -> None:
        super().__init__()
        self.synapses = synapses
        self.pool = nn.AvgPool2d(pool) if pool > 1 else nn.Identity()
        self.norm = norm
        self.neurons = NormLIF(params)

    def sums(self, x: Tensor) -> Tensor:
        """Pooled weighted sums, (M, ...) for inputs (M, ...); M is T * B, or B for a static input."""
        if isinstance(self.synapses, nn.Linear):
            x = x.flatten(1)
        return pooled_sums(x, self.synapses, self.pool)

    def fire(
        self, sums: Tensor, n_steps: int, v: Tensor | None = None, residual: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Spikes (T, B, ...) and last potential for sums (T, B, ...), or (1, B, ...) of a static input."""
        out: tuple[Tensor, Tensor] = self.neurons(sums, v, self.norm, n_steps, residual)
        return out

    def forward(self, spikes: Tensor, v: Tensor | None = None, residual: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Spikes (T, B, ...) and last potential for input spikes (T, B, ...), and the current of a shortcut, if any."""
        sums = self.sums(spikes.flatten(0, 1))
        return self.fire(sums.reshape(*spikes.shape[:2], *sums.shape[1:]), len(spikes), v, residual)


def conv_layer(n_in: int, n_out: int, params: LIFParams, pool: int = 1) -> SpikingLayer:
    """Spiking 3x3 convolution that keeps the map's size, then pools."""
    synapses = nn.Conv2d(n_in, n_out, kernel_size=3, padding=1, bias=False)
    return SpikingLayer(synapses, nn.BatchNorm2d(n_out), params, pool)


def linear_layer(n_in: int, n_out: int, params: LIFParams) -> SpikingLayer:
    """Fully connected spiking layer."""
    return SpikingLayer(nn.Linear(n_in, n_out, bias=False), nn.BatchNorm1d(n_out), params)
