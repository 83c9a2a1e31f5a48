r"""A spiking network whose every number is whole: weights, currents, potentials, thresholds.

Each neuron counts in its own unit (:mod:`spikewise.shrink.format`). With weighted sums a, shift k, sign g (that of the
normalisation, which is folded in), bias b, decay d / 256 and a potential of m bits,

.. math:: x_t = \langle g\,\lfloor a_t\,2^k + \tfrac12 \rfloor + b \rangle, \qquad
          u_t = \langle \lfloor d\,v_{t-1} / 256 + \tfrac12 \rfloor + x_t \rangle, \qquad s_t = [u_t \ge \theta]

where the brackets hold a number within m bits. Weighted sums take 32 bits. Here the whole numbers are kept in
floating-point tensors, which hold them exactly up to :math:`2^{24}` (or :math:`2^{53}`, if that is not enough), so
that torch's convolutions may be used; :mod:`spikewise.shrink.integer` does the same with integers alone.
"""

from __future__ import annotations

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
    """Numbers within [-limit, limit - 1]."""
    return torch.minimum(torch.maximum(values, -limit), limit - 1)


def shifted(values: Tensor, shifts: Tensor) -> Tensor:
    """``floor(values * 2**shifts + 1/2)``: a shift to the left, or one to the right that rounds to nearest."""
    return torch.ldexp(values, shifts).add_(0.5).floor_()


class FixedLIF(nn.Module):
    """LIF neurons that count in whole numbers; see the module's equation.

    Parameters
    ----------
    n_channels : int
        Channels C, each with a unit of its own.
    params : LIFParams
        Tells how neurons are reset.
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
        """Spikes (T, B, C, ...) and last potential for weighted sums (T, B, C, ...), or (1, B, C, ...) of an image."""
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
    """Synapses of whole numbers - pooling - :class:`FixedLIF`."""

    def __init__(self, layer: SpikingLayer) -> None:
        nn.Module.__init__(self)
        self.synapses, self.pool = layer.synapses, layer.pool
        self.norm: Any = nn.Identity()  # folded into synapses and neurons
        self.neurons: Any = FixedLIF(layer.synapses.weight.shape[0], layer.neurons.params)


class FixedShortcut(Shortcut):
    """Current of a shortcut in the units of the neurons that receive it."""

    shift: Tensor
    limit: Tensor

    def __init__(self, shortcut: Shortcut) -> None:
        nn.Module.__init__(self)
        self.synapses, self.pool = shortcut.synapses, shortcut.pool
        self.register_buffer("shift", torch.zeros(shortcut.synapses.weight.shape[0]))
        self.register_buffer("limit", torch.zeros(()))

    def forward(self, spikes: Tensor) -> Tensor:
        """Current (M, C, ...) for spikes (M, n_in, ...)."""
        return held(shifted(self.pool(self.synapses(spikes)), self.shift.view(-1, 1, 1)), self.limit)


class FixedIdentity(nn.Module):
    """Current of a shortcut without weights: what one spike is worth to each channel."""

    worth: Tensor

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.register_buffer("worth", torch.zeros(n_channels))

    def forward(self, spikes: Tensor) -> Tensor:
        """Current (M, C, ...) for spikes (M, C, ...)."""
        return spikes * self.worth.view(-1, 1, 1)


def _fix_block(block: Any) -> None:
    """Let a residual block count in whole numbers."""
    block.conv1, block.conv2 = FixedLayer(block.conv1), FixedLayer(block.conv2)
    if isinstance(block.shortcut, Shortcut):
        block.shortcut = FixedShortcut(block.shortcut)
    else:
        block.shortcut = FixedIdentity(block.conv2.synapses.weight.shape[0])


class FixedNetwork(SpikingNetwork):
    """A :class:`~spikewise.network.SpikingNetwork` in whole numbers; made by :func:`spikewise.shrink.shrink_network`.

    ``mean`` holds the whole number that is taken from each pixel of a channel, ``scale`` what one count of a score is
    worth. It is for use, not for training.
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
        del self.std  # pixels are counted as they are
        self.requires_grad_(requires_grad=False).eval()

    def normalize_by(self, images: Tensor) -> None:
        """Refused: what is taken from each pixel was chosen when the network was shrunk."""
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
        """Scores (T, B, K) of last spikes (T, B, ...), in counts."""
        if isinstance(self.readout, nn.Linear):
            found: Tensor = self.readout(spikes.flatten(2))
            return found
        sums = self.readout(spikes.flatten(0, 1))
        # The mean, since it is a module and so is seen by whoever watches; rounding gives the sum back exactly.
        counts = torch.round(self.average(sums) * sums[0, 0].numel())
        return counts.reshape(*spikes.shape[:2], -1)
