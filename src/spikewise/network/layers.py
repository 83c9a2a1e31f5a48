"""A spiking layer: synapses, pooling, normalisation, neurons.

The weighted sum does not depend on time, so it runs on time and batch merged, ``(T * B, ...)``; batch normalisation
sees all steps as one batch. Only the neurons run step by step. Pooling takes the maximum, or the mean, of the *sums
before the neurons*: averaged spikes would have values like 1/4, which a crossbar with one-bit inputs cannot read.
"""

from torch import Tensor, nn

from .fused.cpu import NormLIF
from .neurons import LIFParams
from .pooling import Pooling, SquareMeans, is_watched, may_exchange, pool_of, pooled_sums, sums_of_means


class SpikingLayer(nn.Module):
    """Synapses - pooling - batch normalisation - LIF neurons.

    Parameters
    ----------
    synapses : Conv2d or Linear
        The weighted sum, without bias, since the normalisation has one.
    norm : BatchNorm1d or BatchNorm2d
        Applied to the (pooled) sums of all steps and samples together.
    params : LIFParams
        Parameters of the neurons.
    pool : int
        Side of the squares over which sums are pooled; 1 is no pooling.
    pooling : {"max", "average"}
        Whether a square becomes its largest sum or the mean of its sums.
    """

    def __init__(
        self, synapses: nn.Conv2d | nn.Linear, norm: nn.BatchNorm1d | nn.BatchNorm2d, params: LIFParams, pool: int = 1,
        pooling: Pooling = "average",
    ) -> None:  # fmt: skip
        super().__init__()
        self.synapses = synapses
        self.pool = pool_of(pool, pooling)
        self.norm = norm
        self.neurons = NormLIF(params)

    def sums(self, x: Tensor) -> Tensor:
        """Return pooled weighted sums (M, ...) of inputs (M, ...); M is T * B, or B for a static input."""
        if isinstance(self.synapses, nn.Linear):
            x = x.flatten(1)
        return pooled_sums(x, self.synapses, self.pool)

    def fire(
        self,
        sums: Tensor,
        n_steps: int,
        v: Tensor | None = None,
        residual: Tensor | None = None,
        *,
        means: bool = False,
    ) -> tuple[Tensor | SquareMeans, Tensor]:
        """Return spikes (T, B, ...) and last potential for sums (T, B, ...), or (1, B, ...) of a static input."""
        out, v = self.neurons(sums, v, self.norm, n_steps, residual, means=means)
        return SquareMeans(out) if means else out, v

    def forward(
        self, spikes: Tensor | SquareMeans, v: Tensor | None = None, residual: Tensor | None = None, *,
        means: bool = False,
    ) -> tuple[Tensor | SquareMeans, Tensor]:  # fmt: skip
        """Return spikes (T, B, ...), or their means over squares, and the last potential.

        Parameters
        ----------
        spikes : Tensor of shape (T, B, ...), or SquareMeans
            Input spikes, or their means if :meth:`takes_means` is true.
        v : Tensor, optional
            Potential before the first step.
        residual : Tensor, optional
            Current of a shortcut, added before the neurons.
        means : bool
            Whether to return :class:`SquareMeans` for the next layer instead of spikes.
        """
        if isinstance(spikes, SquareMeans):
            spikes = spikes.values
            sums = sums_of_means(spikes.flatten(0, 1), self.synapses)
        else:
            sums = self.sums(spikes.flatten(0, 1))
        # Time and batch are separate axes again: from here on the neurons run step by step.
        sums = sums.reshape(*spikes.shape[:2], *sums.shape[1:])
        return self.fire(sums, len(spikes), v, residual, means=means)

    def takes_means(self, before: nn.Module) -> bool:
        """Whether the previous layer may pass means of its spikes: this one averages, and neither has a hook."""
        # A subclass may compute something else, so exact types only.
        if type(before) is not SpikingLayer or type(self) is not SpikingLayer:
            return False
        return not is_watched(before, before.neurons, self) and may_exchange(self.synapses, self.pool)


def conv_layer(n_in: int, n_out: int, params: LIFParams, pool: int = 1, pooling: Pooling = "average") -> SpikingLayer:
    """Build a spiking 3x3 convolution that keeps the size of the map, and then pools."""
    synapses = nn.Conv2d(n_in, n_out, kernel_size=3, padding=1, bias=False)
    return SpikingLayer(synapses, nn.BatchNorm2d(n_out), params, pool, pooling)


def linear_layer(n_in: int, n_out: int, params: LIFParams) -> SpikingLayer:
    """Build a fully connected spiking layer."""
    return SpikingLayer(nn.Linear(n_in, n_out, bias=False), nn.BatchNorm1d(n_out), params)
