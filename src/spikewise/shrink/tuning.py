r"""Train on, with rounded weights: forward uses what will be stored, the gradient passes the rounding by.

.. math:: \hat w = s\,\mathrm{clip}(\mathrm{round}(w / s)), \qquad
          \frac{\partial L}{\partial w} = \frac{\partial L}{\partial\hat w}\,[\,|w / s| \text{ within range}\,]

(the straight-through estimator, arXiv 1308.3432). Normalisations are folded first, so their scale stays as it is; what
they add to a sum is trained on with the weights. Potentials are rounded afterwards alone. Weights are rounded to
nearest, whatever the format says: so they are stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from spikewise.learn.gradient.fit import FitResult, Pair, fit
from spikewise.learn.gradient.settings import FitSettings
from spikewise.network.models import SpikingNetwork

from .convert import Steps, fold_factors, weight_steps
from .format import FixedFormat
from .layers import READOUT, frozen_norms, synapses_of


def finetune(
    network: SpikingNetwork, form: FixedFormat, train: Pair, validation: Pair, settings: FitSettings, **how: Any
) -> tuple[FitResult, Steps]:
    """Train a network on with weights of few bits; it is changed in place.

    Parameters
    ----------
    network : SpikingNetwork
        Trained already.
    form : FixedFormat
        The bits.
    train, validation : pair of arrays
        As for :func:`~spikewise.learn.gradient.fit`.
    settings : FitSettings
        How; a low learning rate and a few epochs do.
    **how
        ``checkpoint``, ``resume``, ``progress`` and ``logs`` of :func:`~spikewise.learn.gradient.fit`.

    Returns
    -------
    result, steps
        What training brought, and the steps for :func:`~spikewise.shrink.shrink_network`.
    """
    steps = weight_steps(network, form)
    with frozen_norms(network), _rounding(network, form, steps):
        return fit(network, train, validation, settings, **how), steps


@contextmanager
def _rounding(network: SpikingNetwork, form: FixedFormat, steps: Steps) -> Iterator[None]:
    """Let every layer use rounded weights while the block runs; afterwards it has those it trained."""
    layers = synapses_of(network)
    for name, layer in layers.items():
        weights: Any = layer.weight
        step = torch.from_numpy(steps[name]).view(-1, *[1] * (weights.ndim - 1))
        if name != READOUT:
            factors = fold_factors(network, name, weights.ndim)
            step = torch.where(factors == 0, 0.0, step / factors)
        parametrize.register_parametrization(layer, "weight", Rounded(step.float(), form.of(name)))
    try:
        yield
    finally:
        for layer in layers.values():
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)


class Rounded(nn.Module):
    """Weights on a grid, whose gradient is that of the weights themselves.

    Parameters
    ----------
    step : Tensor
        Of a shape that fits the weights, above 0; 0 where a channel is switched off, which then has no weights.
    bits : int
        Of one weight.

    Examples
    --------
    >>> weights = torch.tensor([0.26, -0.9, 3.0], requires_grad=True)
    >>> rounded = Rounded(torch.tensor(0.5), bits=3)(weights)
    >>> rounded.sum().backward()
    >>> rounded.tolist(), weights.grad.tolist()
    ([0.5, -1.0, 1.5], [1.0, 1.0, 0.0])
    """

    step: Tensor

    def __init__(self, step: Tensor, bits: int) -> None:
        super().__init__()
        self.register_buffer("step", step, persistent=False)  # it follows from the network and the bits
        self.lowest, self.highest = -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1

    def forward(self, weights: Tensor) -> Tensor:
        """Rounded weights."""
        inside = (weights / self.step.where(self.step != 0, 1)).clamp(self.lowest, self.highest)
        return self.step * (inside + (inside.round() - inside).detach())
