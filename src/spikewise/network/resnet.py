r"""ResNets: blocks of two spiking convolutions, with a shortcut that is added before the last neurons.

.. math:: s^1 = \mathrm{LIF}(\mathrm{BN}(W^1 s)), \qquad s' = \mathrm{LIF}(\mathrm{BN}(W^2 s^1) + \mathrm{short}(s))

Both branches are added as currents and the neurons fire afterwards, so the output of a block is zero or one. The
shortcut is the identity where shapes allow it, else average pooling, a 1x1 convolution and a normalisation. A 1x1
convolution and the mean over a square are both linear, so their order can be exchanged: here the convolution comes
first, so that it reads spikes and not their means, which a crossbar with one-bit inputs could not read.
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from .layers import SpikingLayer, conv_layer
from .neurons import LIFParams
from .vgg import scaled

Potentials = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Stages:
    """Channels of the stem and channels, blocks and stride of each stage, at width 1.

    ResNet-18 is that of arXiv 1512.03385 with a stem for small images: 3x3, no pooling. ResNet-19 is that of DT-SNN.
    """

    stem: int
    channels: tuple[int, ...]
    n_blocks: tuple[int, ...]
    strides: tuple[int, ...]


RESNET: dict[str, Stages] = {
    "resnet18": Stages(64, (64, 128, 256, 512), (2, 2, 2, 2), (1, 2, 2, 2)),
    "resnet19": Stages(128, (128, 256, 512), (3, 3, 2), (1, 2, 2)),
}


class Shortcut(nn.Module):
    """1x1 convolution - average pooling - batch normalisation: a current that is added before neurons.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    stride : int
        Side of the averaged squares; at the edge of an odd map they are narrower, as for a strided convolution.
    """

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.synapses = nn.Conv2d(n_in, n_out, kernel_size=1, bias=False)
        self.pool = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, spikes: Tensor) -> Tensor:
        """Return the current (M, n_out, H / stride, W / stride) for spikes (M, n_in, H, W)."""
        current: Tensor = self.norm(self.pool(self.synapses(spikes)))
        return current


class ResidualBlock(nn.Module):
    """Two spiking convolutions and a shortcut around them; see the module's equation.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    params : LIFParams
        Parameters of both populations.
    stride : int
        Stride of the first convolution.
    """

    def __init__(self, n_in: int, n_out: int, params: LIFParams, stride: int = 1) -> None:
        super().__init__()
        first = nn.Conv2d(n_in, n_out, kernel_size=3, stride=stride, padding=1, bias=False)
        self.shortcut = nn.Identity() if stride == 1 and n_in == n_out else Shortcut(n_in, n_out, stride)
        self.conv1 = SpikingLayer(first, nn.BatchNorm2d(n_out), params)
        self.conv2 = conv_layer(n_out, n_out, params)

    def forward(self, spikes: Tensor, v: Potentials | None = None) -> tuple[Tensor, Potentials]:
        """Return spikes (T, B, ...) and last potentials of both populations for input spikes (T, B, ...)."""
        v1, v2 = (None, None) if v is None else v
        # The shortcut runs before conv2, since network.record assigns neurons to the synapses that ran last.
        residual = self.shortcut(spikes.flatten(0, 1))
        inner, v1 = self.conv1(spikes, v1)
        out, v2 = self.conv2(inner, v2, residual.unflatten(0, inner.shape[:2]))
        return out, (v1, v2)


def n_resnet_halvings(stages: Stages) -> int:
    """Return how often the network halves a map."""
    return sum(stride == 2 for stride in stages.strides)


def resnet_layers(
    stages: Stages, in_shape: tuple[int, int, int], width: float, params: LIFParams
) -> tuple[nn.ModuleDict, int]:
    """Build stem and blocks by name, and return the number of last channels; parameters as for ``vgg_layers``.

    Examples
    --------
    >>> layers, n_channels = resnet_layers(RESNET["resnet19"], (3, 32, 32), 0.25, LIFParams())
    >>> list(layers)[:3], len(layers), n_channels
    (['conv1', 'block2', 'block3'], 9, 128)
    """
    stem = scaled(stages.stem, width)
    layers = nn.ModuleDict({"conv1": conv_layer(in_shape[0], stem, params)})
    channels, strides = [stem], []
    for n_out, n_blocks, stride in zip(stages.channels, stages.n_blocks, stages.strides, strict=True):
        # Only the first block of a stage has a stride and changes the channels.
        channels += [scaled(n_out, width)] * n_blocks
        strides += [stride] + [1] * (n_blocks - 1)
    for (n_in, n_out), stride in zip(pairwise(channels), strides, strict=True):
        layers[f"block{len(layers) + 1}"] = ResidualBlock(n_in, n_out, params, stride)
    return layers, channels[-1]
