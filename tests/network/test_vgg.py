from itertools import pairwise

import pytest

from spikewise.network import build_model
from spikewise.network.vgg import VGG


def n_unit(n_in, n_out, area=9):
    """Weights of a convolution without bias, and the two parameters per channel of its normalisation."""
    return n_in * n_out * area + 2 * n_out


def n_parameters(name, in_shape, n_classes, **more):
    return sum(p.numel() for p in build_model(name, in_shape, n_classes, **more).parameters())


def n_row(channels):
    return sum(n_unit(n_in, n_out) for n_in, n_out in pairwise(channels))


@pytest.mark.parametrize("n_classes", [10, 100])
def test_vgg16_has_the_parameters_of_configuration_d_and_one_linear_layer(n_classes):
    body = n_row([3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512])
    for side in (16, 32, 64):  # a mean over the map makes the read-out independent of its size
        assert n_parameters("vgg16", (3, side, side), n_classes) == body + (512 + 1) * n_classes


def test_vgg11_has_the_parameters_of_configuration_a():
    assert n_parameters("vgg11", (3, 32, 32), 10) == n_row([3, 64, 128, 256, 256, 512, 512, 512, 512]) + 513 * 10


def test_vgg9_has_the_parameters_of_eight_convolutions_and_one_linear_layer():
    body = n_row([3, 64, 64, 128, 128, 256, 256, 256, 256])
    for side in (8, 28, 32):
        assert n_parameters("vgg9", (3, side, side), 10) == body + (256 + 1) * 10


def test_vgg5_ends_in_a_fully_connected_layer():
    assert n_parameters("vgg5", (1, 8, 8), 10) == n_row([1, 32, 64, 64]) + n_unit(64 * 2 * 2, 128, 1) + 129 * 10


def test_width_scales_every_layer():
    body = n_row([3, *(c // 4 for c in (64, 128, 256, 256, 512, 512, 512, 512))])
    assert n_parameters("vgg11", (3, 32, 32), 10, width=0.25) == body + (512 // 4 + 1) * 10


@pytest.mark.parametrize("name", VGG)
def test_a_name_counts_the_layers_with_weights(name):
    """Except that one read-out stands for the three fully connected layers of the two largest."""
    n_layers = len(build_model(name, (3, 16, 16), 10, width=0.05).layers) + 1
    assert n_layers + (2 if name in ("vgg11", "vgg16") else 0) == int(name.removeprefix("vgg"))
