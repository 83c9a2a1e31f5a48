"""Whole numbers in floating-point tensors and integers alone give the same counts, and come from the same network."""

import copy

import numpy as np
import pytest
import torch

from spikewise.errors import ParameterError, ShapeError
from spikewise.network import LIFParams
from spikewise.shrink.convert import shrink_network
from spikewise.shrink.format import FixedFormat
from spikewise.shrink.integer import run_integer
from spikewise.shrink.kernels import add_events
from spikewise.shrink.layers import layer_names

FORMS = [
    FixedFormat(8),
    FixedFormat(4, membrane_bits=6, scale="power2"),
    FixedFormat(3, membrane_bits=8, rounding="stochastic"),
    FixedFormat(16, rounding="truncate"),
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_integers_alone_give_the_same_bits(network_and_images, form):
    network, images = network_and_images
    fixed = shrink_network(network, form, images, 4)
    counts = run_integer(fixed, images, 4)
    assert np.abs(counts).max() > 0
    assert torch.equal(torch.as_tensor(counts) * fixed.scale, fixed(torch.as_tensor(images), 4))


def test_a_step_is_a_step_of_many(network_and_images):
    network, images = network_and_images
    fixed = shrink_network(network, FixedFormat(6), images, 4)
    state, outputs = fixed.start(torch.as_tensor(images)), []
    for _ in range(4):
        scores, state = fixed.step(state)
        outputs.append(scores)
    assert torch.equal(torch.stack(outputs), fixed(torch.as_tensor(images), 4))


@pytest.mark.parametrize("params", [LIFParams(reset="soft"), LIFParams(v_reset=-0.25, decay=0.9), LIFParams(decay=1.0)])
def test_every_kind_of_neuron(unsettled, params):
    network, images = unsettled("vgg5", (1, 8, 8), {"neurons": params})
    fixed = shrink_network(network, FixedFormat(8), images, 5)
    assert torch.equal(torch.as_tensor(run_integer(fixed, images, 5)) * fixed.scale, fixed(torch.as_tensor(images), 5))


def test_recordings_run_frame_by_frame(unsettled):
    network, _ = unsettled("vgg5", (2, 8, 8), {})
    frames = np.random.default_rng(0).integers(0, 3, (4, 5, 2, 8, 8), dtype=np.uint8)
    network.normalize_by(torch.as_tensor(frames))
    fixed = shrink_network(network, FixedFormat(8), frames, 4)
    counts = run_integer(fixed, frames, 4)
    assert torch.equal(torch.as_tensor(counts) * fixed.scale, fixed(torch.as_tensor(frames), 4))


@pytest.mark.parametrize("n_steps", [1, 4])
def test_many_bits_give_the_network_itself(network_and_images, n_steps):
    network, images = network_and_images
    images = torch.as_tensor(images)
    with torch.no_grad():
        expected = network.double()(images.double() / 255, n_steps)[-1]
    network.float()
    found = shrink_network(network, FixedFormat(16), images, n_steps)(images, n_steps)[-1]
    # A potential within half a unit of the threshold may fall on either side, and a spike more moves what follows.
    assert np.corrcoef(found.flatten(), expected.flatten())[0, 1] > 0.95


def test_pixels_between_0_and_1_are_those_of_bytes(small):
    network, images = small
    fixed = shrink_network(network, FixedFormat(), images, 2)
    pixels = torch.as_tensor(images)
    assert torch.equal(fixed(pixels, 2), fixed(pixels.double() / 255, 2))


def test_sums_that_a_float_cannot_hold_are_doubles(residual):
    """Counts of the read-out are sums over all pixels, far above those of one."""
    network, images = residual
    with torch.no_grad():
        network = copy.deepcopy(network)
        network.readout.weight.abs_().fill_(0.5)
    for bits, kind in ((4, torch.float32), (16, torch.float64)):
        form = FixedFormat({name: 8 if name != "readout" else bits for name in layer_names(network)})
        fixed = shrink_network(network, form, images, 3)
        assert fixed.scale.dtype == kind
        counts = torch.as_tensor(run_integer(fixed, images, 3))
        assert torch.equal(counts * fixed.scale, fixed(torch.as_tensor(images), 3))


def test_a_network_that_counts_in_powers_of_two_loses_nothing(unsettled):
    """Weights, thresholds and biases that are whole numbers of a step stay what they are."""
    network, images = unsettled("vgg5", (1, 8, 8), {})
    with torch.no_grad():
        network.mean.zero_()
        network.std.fill_(1 / 255)
        for layer in network.layers.values():
            layer.norm.running_mean.zero_()
            layer.norm.running_var.fill_(1 - layer.norm.eps)
            layer.norm.weight.fill_(1)
            layer.norm.bias.copy_((8 * layer.norm.bias).round() / 8)
            layer.synapses.weight.copy_((8 * layer.synapses.weight).round().clamp(-7, 7) / 8)
        first = network.layers["conv1"].synapses.weight
        first.copy_(first.sign() * 2**-3)
        network.readout.weight.copy_((16 * network.readout.weight).round() / 16)
        network.readout.bias.zero_()
    expected = network(torch.as_tensor(images), 4)
    fixed = shrink_network(network, FixedFormat(8, scale="power2"), images, 4)
    assert torch.equal(fixed(torch.as_tensor(images), 4), expected)


def test_the_kernel_is_a_convolution():
    generator = np.random.default_rng(0)
    x = generator.integers(-3, 4, (2, 7, 6, 3)).astype(np.int32)
    weights = generator.integers(-5, 6, (3, 3, 3, 4)).astype(np.int32)
    for stride in (1, 2):
        kernel, maps = torch.as_tensor(weights).permute(3, 2, 0, 1).double(), torch.as_tensor(x).permute(0, 3, 1, 2)
        expected = torch.nn.functional.conv2d(maps.double(), kernel, stride=stride, padding=1).permute(0, 2, 3, 1)
        for run in (add_events, add_events.py_func):
            out = np.zeros(expected.shape, np.int32)
            run(x, weights, stride, 1, out)
            assert (out == expected.numpy()).all()


def test_only_bytes_of_the_right_shape_are_taken(small):
    network, images = small
    fixed = shrink_network(network, FixedFormat(), images, 2)
    with pytest.raises(ShapeError, match="bytes of shape"):
        run_integer(fixed, images.astype(float), 2)
    with pytest.raises(ShapeError, match="bytes of shape"):
        run_integer(fixed, images[:, :, :4], 2)
    with pytest.raises(ParameterError, match="n_steps"):
        run_integer(fixed, images, 0)
