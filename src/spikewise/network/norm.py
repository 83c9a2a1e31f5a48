r"""Normalisation of the sums before the neurons, over all samples and timesteps together.

The sums run on time and batch merged, so ordinary batch normalisation there already is one over time as well.
*Threshold-dependent* batch normalisation (tdBN, arXiv 2011.05280) also fits the spread of the sums to the threshold:

.. math:: x = \alpha\,v_{th}\,\gamma\,\frac{y - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta, \qquad
          \alpha = 1, \text{ or } 1/\sqrt2 \text{ for each of two branches that are added}

The factor can go into :math:`\gamma`: then it is how a batch normalisation begins, and nothing else changes.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

from .layers import SpikingLayer
from .resnet import ResidualBlock, Shortcut

Norm = Literal["batch", "threshold"]
NORMS: tuple[Norm, ...] = ("batch", "threshold")


@torch.no_grad()
def scale_to_threshold(network: nn.Module) -> None:
    """Let every normalisation of a network begin as a threshold-dependent one.

    Both branches of a residual block have their share where the shortcut is normalised too; spikes that an identity
    passes on stay as they are.

    Examples
    --------
    >>> from spikewise.network import LIFParams
    >>> from spikewise.network.layers import conv_layer
    >>> layer = conv_layer(1, 2, LIFParams(v_threshold=0.5))
    >>> scale_to_threshold(layer)
    >>> layer.norm.weight.tolist()
    [0.5, 0.5]
    """
    for module in network.modules():
        if isinstance(module, SpikingLayer):
            module.norm.weight.fill_(module.neurons.params.v_threshold)
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            branch = module.conv2.neurons.params.v_threshold / math.sqrt(2)
            module.conv2.norm.weight.fill_(branch)
            if isinstance(module.shortcut, Shortcut):
                module.shortcut.norm.weight.fill_(branch)
