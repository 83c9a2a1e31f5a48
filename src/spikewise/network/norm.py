r"""Normalisation of the weighted sums over all samples and timesteps together.

The sums have time and batch merged, so ordinary batch normalisation already includes time.
*Threshold-dependent* batch normalisation (tdBN, arXiv 2011.05280) also scales the sums to the threshold:

.. math:: x = \alpha\,v_{th}\,\gamma\,\frac{y - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta, \qquad
          \alpha = 1, \text{ or } 1/\sqrt2 \text{ for each of two branches that are added}

The factor can be part of :math:`\gamma`: then only the initial weight of an ordinary batch normalisation changes.
"""

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
    """Initialise every normalisation of a network as a threshold-dependent one.

    In a residual block both added branches get the factor 1/sqrt(2), if the shortcut is normalised too; an identity
    shortcut passes its spikes unchanged.

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
    # Blocks come second: they replace the weight of their last normalisation, which the first loop has set.
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            branch = module.conv2.neurons.params.v_threshold / math.sqrt(2)
            module.conv2.norm.weight.fill_(branch)
            if isinstance(module.shortcut, Shortcut):
                module.shortcut.norm.weight.fill_(branch)
