r"""A spiking network in fixed point: weights, currents, potentials and thresholds are integers.

Each neuron has its own unit (:mod:`spikewise.shrink.format`). With weighted sums a, shift k, sign g of the folded
normalisation, bias b, decay d / 256 and a potential of m bits,

.. math:: x_t = \langle g\,\lfloor a_t\,2^k + \tfrac12 \rfloor + b \rangle, \qquad
          u_t = \langle \lfloor d\,v_{t-1} / 256 + \tfrac12 \rfloor + x_t \rangle, \qquad s_t = [u_t \ge \theta]

where the angle brackets clip a number to m bits. Weighted sums take 32 bits. This module stores the integers in
floating-point tensors, which are exact up to :math:`2^{24}` (or :math:`2^{53}`, if that is not enough), so that torch's
convolutions can be used; :mod:`spikewise.shrink.integer` computes the same with integers alone.
"""

from typing import Any

import torch
from torch import Tensor, nn

from spikewise.errors import ParameterError
from spikewise.network.layers import SpikingLayer
from spikewise.network.models import SpikingNetwork
from spikewise.network.neurons import LIFParams
from spikewise.network.resnet import ResidualBlock, Shortcut
from spikewise.network.spec import ModelSpec

DECAY_BITS = 8
WHITE = 255  # the brightest pixel


def held(values: Tensor, limit: Tensor) -> Tensor:
    """Clip numbers to [-limit, limit - 1]."""
    return torch.minimum(torch.maximum(values, -limit), limit - 1)


def shifted(values: Tensor, shifts: Tensor) -> Tensor:
    """Return ``floor(values * 2**shifts + 1/2)``: a shift to the left, or to the right with rounding to nearest."""
    # ldexp changes only the exponent, so the product is exact.
    return torch.ldexp(values, shifts).add_(0.5).floor_()


class FixedLIF(nn.Module):
    """LIF neurons with integer potentials; see the module's equation.

    Parameters
    ----------
    n_channels : int
        Channels C, each with its own unit.
    params : LIFParams
        Parameters of the trained neurons, of which only the kind of reset is used.
    """

    emits_spikes = True
    shift: Tensor
    sign: Tensor
    bias: Tensor
    threshold: Tensor
    v_reset: Tensor
    decay: Tensor
    limit: Tensor

    def __init__(self, n_channels: int, params: LIFParams) -> None:
        super().__init__()
        self.params = params
        for key in ("shift", "sign", "bias", "threshold", "v_reset"):
            self.register_buffer(key, torch.zeros(n_channels))
        self.register_buffer("decay", torch.zeros(()))
        self.register_buffer("limit", torch.zeros(()))

    def forward(
        self, sums: Tensor, v0: Tensor | None = None, norm: Any = None, n_steps: int | None = None,
        residual: Tensor | None = None, *, means: bool = False,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Return spikes (T, B, C, ...) and the last potential from sums (T, B, C, ...), or (1, B, ...) of an image."""
        each = (-1, *[1] * (sums.ndim - 3))
        bias, threshold, v_reset = (part.view(each) for part in (self.bias, self.threshold, self.v_reset))
        constant = held(shifted(sums, self.shift.view(each)).mul_(self.sign.view(each)).add_(bias), self.limit)
        spikes, v = [], torch.zeros_like(sums[0]) if v0 is None else v0
        for step in range(len(sums) if n_steps is None else n_steps):
            current = constant[step if len(sums) > 1 else 0]
            if residual is not None:
                current = held(current + residual[step], self.limit)
            u = held((v * self.decay).ldexp_(-torch.tensor(DECAY_BITS)).add_(0.5).floor_().add_(current), self.limit)
            fired = u >= threshold
            v = torch.where(fired, u - threshold if self.params.reset == "soft" else v_reset, u)
            spikes.append(fired.to(sums.dtype))
        return torch.stack(spikes), v


class FixedLayer(SpikingLayer):
    """A layer in fixed point: integer synapses, pooling, :class:`FixedLIF`."""

    def __init__(self, layer: SpikingLayer) -> None:
        nn.Module.__init__(self)
        self.synapses, self.pool = layer.synapses, layer.pool
        self.norm: Any = nn.Identity()  # folded into synapses and neurons
        self.neurons: Any = FixedLIF(layer.synapses.weight.shape[0], layer.neurons.params)


class FixedShortcut(Shortcut):
    """A shortcut in fixed point, with its current in the units of the neurons that receive it."""

    shift: Tensor
    limit: Tensor

    def __init__(self, shortcut: Shortcut) -> None:
        nn.Module.__init__(self)
        self.synapses, self.pool = shortcut.synapses, shortcut.pool
        self.register_buffer("shift", torch.zeros(shortcut.synapses.weight.shape[0]))
        self.register_buffer("limit", torch.zeros(()))

    def forward(self, spikes: Tensor) -> Tensor:
        """Return the current (M, C, ...) for spikes (M, n_in, ...)."""
        return held(shifted(self.pool(self.synapses(spikes)), self.shift.view(-1, 1, 1)), self.limit)


class FixedIdentity(nn.Module):
    """A shortcut without weights: each spike adds the current ``worth`` of its channel."""

    worth: Tensor

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.register_buffer("worth", torch.zeros(n_channels))

    def forward(self, spikes: Tensor) -> Tensor:
        """Return the current (M, C, ...) for spikes (M, C, ...)."""
        return spikes * self.worth.view(-1, 1, 1)


def _fix_block(block: Any) -> None:
    """Replace the layers and the shortcut of a residual block by those in fixed point."""
    block.conv1, block.conv2 = FixedLayer(block.conv1), FixedLayer(block.conv2)
    if isinstance(block.shortcut, Shortcut):
        block.shortcut = FixedShortcut(block.shortcut)
    else:
        block.shortcut = FixedIdentity(block.conv2.synapses.weight.shape[0])


class FixedNetwork(SpikingNetwork):
    """A :class:`~spikewise.network.SpikingNetwork` in fixed point; made by :func:`spikewise.shrink.shrink_network`.

    ``mean`` is the integer that is subtracted from each pixel of a channel, ``scale`` the value of one count of a
    score. The network cannot be trained.
    """

    scale: Tensor

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        found: Any
        for name, found in list(self.layers.items()):
            if isinstance(found, ResidualBlock):
                _fix_block(found)
            else:
                self.layers[name] = FixedLayer(found)
        self.register_buffer("scale", torch.ones(()))
        del self.std  # the division is folded into the weights of the first layer
        self.requires_grad_(requires_grad=False).eval()

    def normalize_by(self, images: Tensor) -> None:
        """Raise ParameterError: the mean of the pixels was fixed when the network was converted."""
        raise ParameterError(
            "a network in fixed point must not be trained; got images to train it on. Train, then shrink it."
        )

    def _normalized(self, images: Tensor) -> Tensor:
        pixels = torch.round(images * WHITE) if images.is_floating_point() else images
        found = pixels.to(self.mean.dtype) - self.mean[:, None, None]
        return found.flatten(0, -4).contiguous(memory_format=torch.channels_last).reshape(found.shape)

    def _logits(self, spikes: Tensor) -> Tensor:
        return self.counts(spikes) * self.scale

    def counts(self, spikes: Tensor) -> Tensor:
        """Return the scores (T, B, K) in counts, from the spikes of the last layer (T, B, ...)."""
        if isinstance(self.readout, nn.Linear):
            found: Tensor = self.readout(spikes.flatten(2))
            return found
        sums = self.readout(spikes.flatten(0, 1))
        # A mean, because it is a module and so hooks see it; the rounding restores the exact sum.
        counts = torch.round(self.average(sums) * sums[0, 0].numel())
        return counts.reshape(*spikes.shape[:2], -1)
