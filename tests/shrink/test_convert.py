import copy

import numpy as np
import pytest
import torch

from spikewise.errors import ParameterError, ShapeError
from spikewise.network import LIFParams, OwnSpec, build_model
from spikewise.shrink.convert import shrink_network, weight_steps
from spikewise.shrink.fixed import held, shifted
from spikewise.shrink.format import FixedFormat
from spikewise.shrink.layers import frozen_norms, largest_potentials, layer_names, synapses_of


def test_every_number_is_whole_and_within_its_bits(network_and_images):
    network, images = network_and_images
    fixed = shrink_network(network, FixedFormat(5, membrane_bits=10), images, 3)
    for name, module in synapses_of(fixed).items():
        weights = module.weight
        assert torch.equal(weights, weights.round()), name
        assert weights.min() >= -16
        assert weights.max() <= 15
        assert weights.abs().max() > 0
    for name, values in fixed.state_dict().items():
        if name.endswith((".bias", ".threshold", ".v_reset")) and "neurons" in name:
            assert torch.equal(values, values.round()), name
            assert values.abs().max() <= 512
        if name.endswith("threshold"):
            assert values.min() >= 1


def test_the_network_stays_as_it_was(small):
    network, images = small
    before = copy.deepcopy(network.state_dict())
    shrink_network(network, FixedFormat(4), images, 3)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_chance_is_that_of_the_seed(small):
    network, images = small
    one, same, other = (
        shrink_network(network, FixedFormat(3, rounding="stochastic", seed=seed), images, 2).state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_a_shortcut_is_shifted_into_the_unit_of_its_neurons(residual):
    network, _ = residual
    steps = weight_steps(network, FixedFormat(8))
    shortcuts = [name for name in steps if name.endswith("shortcut")]
    assert shortcuts
    for name in shortcuts:
        powers = np.log2(steps[name] / steps[name.replace("shortcut", "conv2")])
        assert np.allclose(powers, powers.round())


def test_power2_is_one_power_of_two_per_layer(residual):
    for name, steps in weight_steps(residual[0], FixedFormat(6, scale="power2")).items():
        assert len(set(steps)) == 1, name
        assert np.log2(steps[0]) == round(np.log2(steps[0])), name


def test_a_decay_that_is_lost_is_told(unsettled):
    network, images = unsettled("vgg5", (1, 8, 8), {"neurons": LIFParams(decay=0.999)})
    with pytest.warns(UserWarning, match="decay of 0.999 becomes 1"):
        shrink_network(network, FixedFormat(), images, 2)


def test_a_low_reset_finds_room(unsettled):
    network, images = unsettled("vgg5", (1, 8, 8), {"neurons": LIFParams(v_reset=-40.0)})
    neurons = shrink_network(network, FixedFormat(), images, 2).layers["conv2"].neurons
    assert torch.allclose(neurons.v_reset / neurons.threshold, torch.tensor(-40.0), rtol=0.05)


def test_it_is_not_trained_again(small):
    network, images = small
    with pytest.raises(ParameterError, match="Train, then shrink"):
        shrink_network(network, FixedFormat(), images, 2).normalize_by(torch.as_tensor(images))


def test_potentials_are_those_of_the_network(network_and_images):
    network, images = network_and_images
    expected = network(torch.as_tensor(images), 3)
    found = largest_potentials(network, torch.as_tensor(images), 3)
    assert [*found] == [name for name in layer_names(network) if "shortcut" not in name and name != "readout"]
    assert all((values > 0).all() for values in found.values())
    assert torch.equal(network(torch.as_tensor(images), 3), expected)  # nothing is left behind


def test_norms_are_frozen_for_a_while(small):
    network = copy.deepcopy(small[0])
    with frozen_norms(network):
        network.train()
        assert not any(layer.norm.training for layer in network.layers.values())
        assert not any(layer.norm.weight.requires_grad for layer in network.layers.values())
    network.train()
    assert all(layer.norm.training and layer.norm.weight.requires_grad for layer in network.layers.values())


def test_other_networks_and_no_images_are_refused(small):
    network, images = small

    class Own(torch.nn.Module):
        spec = OwnSpec("mine", (1, 8, 8), 10)

    with pytest.raises(ParameterError, match="build_model; got Own"):
        synapses_of(Own())
    with pytest.raises(ShapeError, match="B at least 1"):
        shrink_network(network, FixedFormat(), images[:0], 2)


@pytest.mark.parametrize(
    ("value", "shift", "expected"), [(3, 2, 12), (5, -1, 3), (-5, -1, -2), (7, -3, 1), (-4, -3, 0)]
)
def test_shifting_to_the_right_rounds_to_nearest(value, shift, expected):
    assert shifted(torch.tensor([float(value)]), torch.tensor(shift)).item() == expected
    assert expected == (value << shift if shift >= 0 else (value + (1 << (-shift - 1))) >> -shift)


def test_numbers_are_held_within_their_bits():
    assert held(torch.tensor([-9.0, 3.0, 8.0]), torch.tensor(8.0)).tolist() == [-8.0, 3.0, 7.0]


def test_typical_images_are_those_of_every_other_door(small):
    network, images = small
    expected = shrink_network(network, FixedFormat(8), images, 3).state_dict()
    as_floats = images.astype(np.float64) / 255
    for same in (as_floats.astype(np.float32), as_floats, torch.as_tensor(as_floats)):
        found = shrink_network(network, FixedFormat(8), same, 3).state_dict()
        assert all(torch.equal(value, expected[key]) for key, value in found.items())
    for wrong in (images.astype(np.float32), np.where(images > 200, np.nan, as_floats)):
        with pytest.raises(ParameterError, match="floating-point images must be finite and lie in"):
            shrink_network(network, FixedFormat(8), wrong, 3)


@pytest.mark.parametrize("scale", ["channel", "power2"])
@pytest.mark.parametrize("factor", [0.0, 1e-20, 1e-38])
def test_a_dead_channel_stays_silent(factor, scale):
    network = build_model("vgg5", (1, 8, 8), 10, width=0.25).eval()
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), dtype=np.uint8)
    layer = list(network.layers.values())[1]
    with torch.no_grad():
        layer.synapses.weight.mul_(factor)  # as weight decay leaves them
        layer.norm.running_var.zero_()
        layer.norm.bias.fill_(0.3)  # the potential 0.3 + 0.15 + ... never reaches the threshold of 1
    fixed, spikes = shrink_network(network, FixedFormat(8, scale=scale), images, 4), []
    list(fixed.layers.values())[1].register_forward_hook(lambda *call: spikes.append(call[2][0].sum()))
    fixed(torch.as_tensor(images), 4)
    assert spikes == [0]
