"""VGG networks: spiking 3x3 convolutions, with pooling in between.

A table lists the channels of each convolution at width 1; ``"P"`` halves the map of the convolution before it, and
``"F128"`` is a fully connected layer of 128 neurons. If the last entry is a letter, the read-out has weights for every
pixel; if it is a number, the network ends in maps and the read-out averages over the pixels of each.

Following DT-SNN's code, VGG-11 and VGG-16 are the bodies of configurations A and D (arXiv 1409.1556) with four
poolings. VGG-9 has the seven convolutions of SpikeSim's example (arXiv 2210.12899) and an eighth on the smallest map,
in the place of a fully connected layer that would hold four fifths of all weights. VGG-7 is the two, two and two of
BinaryConnect (arXiv 1511.00363) without its fully connected layers.
"""

from torch import nn

from spikewise._arguments import checks_arguments
from spikewise.errors import positive_number

from .layers import conv_layer, linear_layer
from .neurons import LIFParams
from .pooling import Pooling

Table = tuple[int | str, ...]

VGG: dict[str, Table] = {
    "vgg5": (32, "P", 64, 64, "P", "F128"),
    "vgg7": (64, 64, "P", 128, 128, "P", 256, 256, "P"),
    "vgg9": (64, 64, "P", 128, 128, "P", 256, 256, 256, "P", 256),
    "vgg11": (64, "P", 128, "P", 256, 256, "P", 512, 512, "P", 512, 512),
    "vgg16": (64, 64, "P", 128, 128, "P", 256, 256, 256, "P", 512, 512, 512, "P", 512, 512, 512),
}


@checks_arguments
def scaled(n_channels: int, width: float) -> int:
    """Return a number of channels scaled by a width, at least one.

    Examples
    --------
    >>> scaled(64, 0.3), scaled(64, 1e-3)
    (19, 1)
    """
    return max(1, round(n_channels * positive_number("width", width, 1024)))


def n_vgg_halvings(table: Table) -> int:
    """Return how often the network halves a map."""
    return table.count("P")


def ends_in_maps(table: Table) -> bool:
    """Whether the read-out averages over maps; otherwise every pixel has its own weights."""
    return isinstance(table[-1], int)


def vgg_layers(
    table: Table, in_shape: tuple[int, int, int], width: float, params: LIFParams, pooling: Pooling = "max"
) -> tuple[nn.ModuleDict, int]:
    """Build spiking layers by name, and return the number of last channels, or of numbers if not averaged.

    Parameters
    ----------
    table : tuple
        A row of ``VGG``.
    in_shape : tuple of int
        Channels, height and width of an image.
    width : float
        Factor on all channel counts.
    params : LIFParams
        Parameters of all neurons.
    pooling : {"max", "average"}
        How maps are halved.

    Examples
    --------
    >>> layers, n_features = vgg_layers(VGG["vgg5"], (1, 8, 8), 0.5, LIFParams())
    >>> list(layers), n_features
    (['conv1', 'conv2', 'conv3', 'linear4'], 64)
    """
    layers = nn.ModuleDict()
    channels, height, width_px = in_shape
    # One entry ahead: a pooling belongs to the convolution before it.
    for entry, following in zip(table, [*table[1:], None], strict=True):
        if entry == "P":
            height, width_px = height // 2, width_px // 2
        elif isinstance(entry, int):
            n_out = scaled(entry, width)
            layers[f"conv{len(layers) + 1}"] = conv_layer(
                channels, n_out, params, 2 if following == "P" else 1, pooling
            )
            channels = n_out
        else:
            n_out = scaled(int(entry[1:]), width)
            layers[f"linear{len(layers) + 1}"] = linear_layer(channels * height * width_px, n_out, params)
            channels, height, width_px = n_out, 1, 1
    return layers, channels if ends_in_maps(table) else channels * height * width_px
