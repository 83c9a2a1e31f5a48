r"""Fine-tune a network with rounded weights: the forward pass rounds, the gradient ignores the rounding.

.. math:: \hat w = s\,\mathrm{clip}(\mathrm{round}(w / s)), \qquad
          \frac{\partial L}{\partial w} = \frac{\partial L}{\partial\hat w}\,[\,|w / s| \text{ within range}\,]

(the straight-through estimator, arXiv 1308.3432). Normalisations are folded first, so their scale is frozen; their
shift is trained with the weights. Potentials are rounded only after training. Weights are rounded to nearest in
training and in storage, whatever rounding the format names.
"""

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
    """Fine-tune a network with weights of few bits; the network is changed in place.

    Parameters
    ----------
    network : SpikingNetwork
        Trained network.
    form : FixedFormat
        Bits of the weights.
    train, validation : pair of arrays
        Samples and labels, as for :func:`~spikewise.learn.gradient.fit`.
    settings : FitSettings
        Settings of training; a low learning rate and a few epochs are enough.
    **how
        ``checkpoint``, ``resume``, ``progress`` and ``logs`` of :func:`~spikewise.learn.gradient.fit`.

    Returns
    -------
    result, steps
        Result of training, and the steps for :func:`~spikewise.shrink.shrink_network`.
    """
    # Chosen once and then fixed: the weights learn to fit the grid, and conversion must use the same grid.
    steps = weight_steps(network, form)
    with frozen_norms(network), _rounding(network, form, steps):
        return fit(network, train, validation, settings, **how), steps


@contextmanager
def _rounding(network: SpikingNetwork, form: FixedFormat, steps: Steps) -> Iterator[None]:
    """Let every layer use rounded weights while the block runs; afterwards it has its trained float weights again."""
    layers = synapses_of(network)
    for name, layer in layers.items():
        weights: Any = layer.weight
        step = torch.from_numpy(steps[name]).view(-1, *[1] * (weights.ndim - 1))
        if name != READOUT:
            # Steps are those of folded weights; training sees the weights before folding.
            factors = fold_factors(network, name, weights.ndim)
            step = torch.where(factors == 0, 0.0, step / factors)
        parametrize.register_parametrization(layer, "weight", Rounded(step.float(), form.of(name)))
    try:
        yield
    finally:
        for layer in layers.values():
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)


class Rounded(nn.Module):
    """Round weights to a grid, with the gradient of the unrounded weights (straight-through estimator).

    Parameters
    ----------
    step : Tensor
        Step of the grid, above 0, in a shape that broadcasts to the weights; 0 for a channel with a scale of 0, whose
        weights become 0.
    bits : int
        Bits of a weight.

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
        """Return the rounded weights."""
        # Only the rounding is detached: clipped weights keep a gradient of 0, as the equation says.
        inside = (weights / self.step.where(self.step != 0, 1)).clamp(self.lowest, self.highest)
        return self.step * (inside + (inside.round() - inside).detach())
