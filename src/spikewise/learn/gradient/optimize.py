r"""Optimiser, schedule of the learning rate, and limit on the gradient.

The learning rate depends only on the share p of all updates that are done, so it has no state of its own:

.. math:: \eta(p) = \eta_{max} \begin{cases} \frac1{25} + \frac{24}{25}\,c(p / r) & p < r \\
          1 - c((p - r) / (1 - r)) & p \ge r \end{cases}, \qquad c(x) = \frac{1 - \cos \pi x}2

with r = 0.3 for one cycle (arXiv 1708.07120) and r = 0 for plain cosine, unless a warm-up is set.
"""

import math

import torch
from torch import Tensor, nn

from .muon import Muon
from .settings import FitSettings

_START = 1 / 25  # of the highest learning rate


def learning_rate(settings: FitSettings, progress: float) -> float:
    """Return the learning rate after a share ``progress`` in [0, 1] of all updates.

    Examples
    --------
    >>> settings = FitSettings(lr=1.0)
    >>> [round(learning_rate(settings, p), 3) for p in (0.0, 0.3, 1.0)]
    [0.04, 1.0, 0.0]
    """
    rise = settings.rise
    if progress < rise:
        return settings.peak_lr * (_START + (1 - _START) * _bend(progress / rise))
    return settings.peak_lr * (1 - _bend((progress - rise) / (1 - rise)))


def _bend(x: float) -> float:
    """Return half a cosine, which rises from 0 at 0 to 1 at 1."""
    return (1 - math.cos(math.pi * x)) / 2


def build_optimizer(model: nn.Module, settings: FitSettings) -> torch.optim.Optimizer:
    """Build the optimiser; weight decay applies to matrices, not to biases and normalisation.

    Examples
    --------
    >>> optimizer = build_optimizer(nn.Linear(4, 2), FitSettings(optimizer="sgd"))
    >>> [group["weight_decay"] for group in optimizer.param_groups]
    [0.0005, 0.0]
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in parameters if p.ndim > 1]
    rest = {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0}
    decay, lr = settings.used_weight_decay, settings.peak_lr
    if settings.optimizer == "muon":
        return Muon(
            [
                {"params": matrices[1:-1], "weight_decay": decay, "orthogonal": True},
                # First layer and read-out; a network may have a single matrix, which counts once.
                {"params": matrices[:1] + matrices[1:][-1:], "weight_decay": decay, "orthogonal": False},
                {**rest, "orthogonal": False},
            ],
            lr=lr,
        )
    groups = [{"params": matrices, "weight_decay": decay}, rest]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=lr)
    return torch.optim.SGD(groups, lr=lr, momentum=settings.momentum, nesterov=settings.momentum > 0)


def clip(gradients: list[Tensor], longest: float) -> None:
    """Scale gradients in place so that their common Euclidean norm is at most ``longest``; 0 changes nothing.

    Examples
    --------
    >>> gradient = torch.tensor([3.0, 4.0])
    >>> clip([gradient], 1.0)
    >>> gradient.norm().item()
    1.0
    """
    if longest and gradients:
        norms = torch.stack([gradient.norm() for gradient in gradients])
        # A factor of at most 1 instead of a condition: reading the norm would make a GPU wait.
        torch._foreach_mul_(gradients, (longest / norms.norm()).clamp(max=1.0))
