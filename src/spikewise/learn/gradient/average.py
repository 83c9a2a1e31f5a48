r"""Averaged weights, and normalisation statistics for weights that were never trained.

An exponential moving average :math:`\bar w \leftarrow d\,\bar w + (1 - d)\,w` follows the weights after each update,
with :math:`d = \min(d_{max}, (1 + n) / (10 + n))` after n updates, so that the first weights are soon forgotten. The
average of running means and variances is not what batch normalisation measures with averaged weights. Such a network
is used only after they are measured again, on training images; the same holds for a network whose batches had different
numbers of timesteps.
"""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class WeightAverage:
    """A copy of a network whose weights are a moving average of those of the original.

    Parameters
    ----------
    model : Module
        The original, before its first update.
    decay : float
        The highest decay, in [0, 1).

    Examples
    --------
    >>> model = nn.Linear(1, 1, bias=False)
    >>> average = WeightAverage(model, decay=0.9)
    >>> _ = model.weight.data.fill_(1.0), average.model.weight.data.fill_(0.0)
    >>> average.follow(model, n_updates=1000)
    >>> round(average.model.weight.item(), 6)
    0.1
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def follow(self, model: nn.Module, n_updates: int) -> None:
        """Move towards the weights of ``model`` after its ``n_updates``-th update."""
        decay = min(self.decay, (1 + n_updates) / (10 + n_updates))
        own, theirs = ([p.detach() for p in each.parameters()] for each in (self.model, model))
        torch._foreach_lerp_(own, theirs, 1 - decay)
        for mine, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(buffer)  # other state, such as counters, cannot be averaged


@torch.no_grad()
def measure_statistics(model: nn.Module, batches: Iterable[Tensor], n_steps: int) -> None:
    """Replace the running statistics of every batch normalisation by their mean over these batches.

    Parameters
    ----------
    model : Module
        Called with a batch of images and ``n_steps``; left in training mode.
    batches : iterable of Tensor (B, C, H, W)
        Training images.
    n_steps : int
        Timesteps.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    model.train()
    try:
        for index, images in enumerate(batches):
            for norm in norms:
                norm.momentum = 1 / (index + 1)  # the mean of all batches; the first replaces the old value
            model(images, n_steps)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
