"""Normalisation and neurons as separate operations, and what their tests share."""

import torch
from torch import nn

from spikewise.network.neurons import LIFParams
from spikewise.network.surrogate import Dspike, Triangle, fire

NEURONS = [
    LIFParams(surrogate=Dspike()),
    LIFParams(reset="soft", decay=0.7),
    LIFParams(surrogate=Triangle(1.0), v_reset=-0.2, v_threshold=0.8),
]


def norm_of(shape, is_training):
    """A normalisation for sums of this shape, with weights and statistics of its own."""
    norm = (nn.BatchNorm2d if len(shape) == 5 else nn.BatchNorm1d)(shape[2])
    nn.init.normal_(norm.weight, 1, 0.2)
    nn.init.normal_(norm.bias, 0.3, 0.2)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    return norm.train(is_training)


def norm_lif(sums, norm, params, n_steps, v0=None, residual=None, decay=None):
    """Spikes of all steps and the last potential, step by step."""
    currents = norm(sums.flatten(0, 1)).reshape(sums.shape).expand(n_steps, *sums.shape[1:])
    v = torch.zeros_like(currents[0]) if v0 is None else v0
    spikes = []
    for step, current in enumerate(currents):
        u = (params.decay if decay is None else decay) * v + current
        u = u if residual is None else u + residual[step]
        s = fire(u, params.v_threshold, params.surrogate)
        v = u - s * params.v_threshold if params.reset == "soft" else (1 - s) * u + s * params.v_reset
        spikes.append(s)
    return torch.stack(spikes), v


def relative(found, expected):
    """Largest difference, as a share of the largest value."""
    return float((found.double() - expected.double()).abs().max() / expected.abs().max())
