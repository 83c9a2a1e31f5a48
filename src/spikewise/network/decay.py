r"""LIF neurons with a trainable decay: one per layer, trained with the weights.

The decay :math:`\lambda = \sigma(a)` stays in (0, 1) for any real :math:`a` (arXiv 2007.05785). Its gradient follows
from that of the inputs: in :math:`u_t = \lambda v_{t-1} + x_t` the input :math:`x_t` and the potential
:math:`u_t` have the same gradient, so that

.. math:: \frac{\partial L}{\partial\lambda} = \sum_t \frac{\partial L}{\partial x_t}\,v_{t-1},

and backward computes :math:`v_{t-1}` again from the inputs.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from spikewise.errors import ParameterError

from .fused.batch_norm import BatchNorm
from .fused.cpu import NormLIF, norm_lif
from .layers import SpikingLayer
from .neurons import LIFParams, lif_sequence, tell_decay


class TrainableLIF(NormLIF):
    """A LIF population with a trainable decay, which starts at ``params.decay``.

    Parameters
    ----------
    params : LIFParams
        Parameters of the neurons, with a decay inside (0, 1).

    Examples
    --------
    >>> neurons = TrainableLIF(LIFParams(decay=0.5))
    >>> spikes, v = neurons(torch.full((3, 1), 0.6))
    >>> v.sum().backward()
    >>> round(neurons.current_params().decay, 3), neurons.logit.grad is not None
    (0.5, True)
    """

    def __init__(self, params: LIFParams) -> None:
        if not 0 < params.decay < 1:
            raise ParameterError(f"a decay that is trained must begin inside (0, 1); got {params.decay}.")
        super().__init__(params)
        # The inverse of the sigmoid.
        self.logit = nn.Parameter(torch.tensor(math.log(params.decay / (1 - params.decay))))

    def current_params(self) -> LIFParams:
        """Return the parameters with the decay as learned so far."""
        return replace(self.params, decay=self.logit.detach().sigmoid().item())

    def forward(
        self, currents: Tensor, v0: Tensor | None = None, norm: BatchNorm | None = None, n_steps: int | None = None,
        residual: Tensor | None = None, *, means: bool = False,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Return spikes (T, B, ...) and last potential, like a population with this fixed decay."""
        params, n_steps = self.current_params(), len(currents) if n_steps is None else n_steps
        learns = torch.is_grad_enabled() and self.logit.requires_grad
        # Without a gradient the decay is a plain number, which costs no node of the autograd graph.
        decay = self.logit.sigmoid() if learns else None
        if norm is not None:
            return norm_lif(currents, norm, params, n_steps, v0, residual, decay, means=means)
        return lif_sequence(currents if decay is None else tell_decay(currents, decay, v0, params), params, v0)


def train_decay(network: nn.Module) -> None:
    """Make the decay of every spiking layer of a network trainable."""
    for module in network.modules():
        if isinstance(module, SpikingLayer):
            module.neurons = TrainableLIF(module.neurons.params)
