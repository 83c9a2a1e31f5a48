"""One sample, event by event: the answers of the network as it is written, and the network itself where it must be."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from spikewise.dynamic import EntropyExit
from spikewise.errors import ParameterError, ShapeError
from spikewise.network import LIFParams, SpikingClassifier, build_model
from spikewise.network.event_driven import SingleSample, single_sample
from spikewise.zoo import load_model


def lively(name="vgg5", in_shape=(3, 16, 16), **options):
    """A network in eval mode whose normalisation makes a third of its neurons spike."""
    torch.manual_seed(1)
    network = build_model(name, in_shape, 10, **{"width": 0.25, "seed": 1, **options})
    with torch.no_grad():
        network(torch.rand(16, *in_shape), 4)
        for layer in network.layers.values():
            layer.norm.bias.normal_(0.2, 0.5)
            layer.norm.momentum = None
        network.train()(torch.rand(64, *in_shape), 4)
    return network.eval()


@torch.no_grad()
def steps_of(network, images, n_steps):
    state, found = network.start(images), []
    for _ in range(n_steps):
        outputs, state = network.step(state)
        found.append(outputs)
    return torch.stack(found)


@pytest.mark.parametrize("name", ["vgg5", "vgg7", "vgg9"])
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize(
    ("in_shape", "options"),
    [
        ((3, 16, 16), {}),
        ((1, 28, 28), {"width": 0.3}),  # channels that are no whole vectors, maps that are halved to odd sides
        ((2, 17, 19), {"norm": "threshold"}),
        ((3, 16, 16), {"neurons": LIFParams(decay=0.8, v_threshold=0.6, v_reset=-0.1)}),
        ((3, 16, 16), {"neurons": LIFParams(reset="soft")}),
    ],
)
def test_scores_are_those_of_the_network(name, pooling, in_shape, options):
    network = lively(name, in_shape, pooling=pooling, **options)
    spikes = []
    for layer in network.layers.values():
        layer.neurons.register_forward_hook(lambda module, args, out: spikes.append(float(out[0].mean())))
    images = torch.rand(5, *in_shape)
    expected = steps_of(network, images, 4)
    assert np.reshape(spikes, (4, -1)).mean(0).min() > 0
    for layer in network.layers.values():
        layer.neurons._forward_hooks.clear()
    alone = single_sample(network)
    assert isinstance(alone, SingleSample)
    found = torch.cat([steps_of(alone, images[place : place + 1], 4) for place in range(5)], 1)
    is_same = (found - expected).abs().amax((0, 2)) < 1e-4
    assert is_same.sum() >= 4  # a neuron within rounding of its threshold may fire in one and not in the other


def test_recordings_are_taken_frame_by_frame():
    network, frames = lively(in_shape=(2, 12, 12)), (torch.rand(4, 1, 2, 12, 12) < 0.3).float()
    expected = steps_of(network, frames, 4)
    alone = single_sample(network)
    assert torch.allclose(steps_of(alone, frames, 4), expected, atol=1e-4)
    classifier, rule = SpikingClassifier(network, 4), EntropyExit(0.0)
    answers = list(classifier.stream((frame[0].numpy() for frame in frames), rule))
    sums = np.cumsum(expected[:, 0].numpy(), 0)
    np.testing.assert_allclose([answer.scores for answer in answers], sums, atol=1e-4)


def test_a_trained_network_decides_as_in_a_batch():
    from spikewise.data import load_splits

    classifier, rule = load_model("digits-vgg5"), EntropyExit(0.3)
    images = load_splits("digits", validation_fraction=0.25)["validation"].images[:60]
    expected = classifier.predict_with_exit(images, rule)
    alone = [classifier.predict_with_exit(images[place : place + 1], rule) for place in range(60)]
    assert [int(each.labels[0]) for each in alone] == expected.labels.tolist()
    assert [int(each.steps[0]) for each in alone] == expected.steps.tolist()
    np.testing.assert_allclose(np.concatenate([each.scores for each in alone]), expected.scores, atol=1e-4)
    full = classifier.trace(images[:1], np.zeros(1, int)).final_scores()
    np.testing.assert_allclose(full, classifier.trace(images, np.zeros(60, int)).final_scores()[:1], atol=1e-4)


def test_two_samples_at_the_same_time_do_not_disturb_each_other():
    network, images = lively(), torch.rand(2, 3, 16, 16)
    alone = single_sample(network)
    expected = [steps_of(alone, images[place : place + 1], 3) for place in range(2)]
    with torch.no_grad():
        states, found = [alone.start(images[place : place + 1]) for place in range(2)], [[], []]
        for _ in range(3):
            for place in range(2):
                outputs, states[place] = alone.step(states[place])
                found[place].append(outputs)
    for mine, theirs in zip(found, expected, strict=True):
        assert torch.equal(torch.stack(mine), theirs)


def _pooling(network):
    return next(layer for layer in network.layers.values() if isinstance(layer.pool, nn.MaxPool2d))


def _roll(weights):
    weights.copy_(weights.roll(1, 0))


def _threshold(network, value):
    for layer in network.layers.values():
        layer.neurons.params = dataclasses.replace(layer.neurons.params, v_threshold=value)


@pytest.mark.parametrize(
    "change",
    [
        lambda network: network.readout.weight.mul_(2),
        lambda network: network.readout.weight.data.neg_(),
        lambda network: network.readout.weight.data.copy_(network.readout.weight.flip(0)),
        lambda network: network.readout.bias.data.copy_(network.readout.bias.roll(1)),
        lambda network: _roll(network.layers["conv2"].synapses.weight.data),
        lambda network: network.readout.weight.detach().numpy().__imul__(0.5),
        lambda network: network.layers["conv2"].norm.running_var.mul_(2),
        lambda network: network.load_state_dict({key: value / 2 for key, value in network.state_dict().items()}),
        lambda network: _threshold(network, 2.0),
        lambda network: setattr(network.layers["conv2"].norm, "eps", 1.0),
        lambda network: setattr(_pooling(network), "pool", nn.AvgPool2d(2)),
    ],
)
def test_changes_are_noticed(change):
    network, image = lively(), torch.rand(1, 3, 16, 16)
    before = steps_of(single_sample(network), image, 2)
    with torch.no_grad():
        change(network)
    found, expected = steps_of(single_sample(network), image, 2), steps_of(network, image, 2)
    assert torch.allclose(found, expected, atol=1e-4)
    assert not torch.allclose(found, before, atol=1e-4)


def test_arrays_are_kept_while_nothing_changes_and_go_with_the_network():
    network = lively()
    assert single_sample(network)._layers is single_sample(network)._layers
    watched = weakref.ref(network)
    del network
    gc.collect()
    assert watched() is None


def test_the_smallest_change_of_any_weight_is_noticed():
    network = lively()
    for weights in (*network.parameters(), *network.layers.buffers()):
        if weights.is_floating_point():
            before = single_sample(network)._layers
            values = weights.detach().numpy()
            place = tuple(np.random.default_rng(0).integers(values.shape))
            values[place] = np.nextafter(values[place], np.float32(9))
            assert single_sample(network)._layers is not before


def test_changes_in_inference_mode_are_noticed():
    with torch.inference_mode():
        network, image = lively(), torch.rand(1, 3, 16, 16)
        steps_of(single_sample(network), image, 2)
        _roll(network.readout.weight)
        assert torch.allclose(steps_of(single_sample(network), image, 2), steps_of(network, image, 2), atol=1e-4)


def test_answers_beside_autocast_and_gradients():
    network, image = lively(), torch.rand(1, 3, 16, 16, requires_grad=True)
    classifier = SpikingClassifier(network, 2, batch_size=4)
    with torch.autocast("cpu", torch.bfloat16):
        assert single_sample(network) is None
        assert classifier.predict(np.zeros((5, 3, 16, 16), np.uint8)).shape == (5,)
    alone = single_sample(network)
    outputs, _ = alone.step(alone.start(image))
    assert not outputs.requires_grad


def test_several_samples_and_missing_frames_are_refused():
    alone = single_sample(lively())
    with pytest.raises(ShapeError, match=r"must come alone.*got \(2, 3, 16, 16\)"):
        alone.start(torch.rand(2, 3, 16, 16))
    with pytest.raises(ShapeError, match="recordings; got"):
        alone.start(torch.rand(4, 1, 3, 16, 17))
    state = alone.start(torch.rand(1, 1, 3, 16, 16))
    _, state = alone.step(state)
    with pytest.raises(ParameterError, match="none is left"):
        alone.step(state)


class _Loud(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def _changed(**parts):
    network = lively()
    for place, module in parts.items():
        if place == "readout":
            module.load_state_dict(network.readout.state_dict())
            network.readout = module
        else:
            setattr(network.layers["conv2"], place, module)
    return network


def _with_nan():
    network = lively()
    network.layers["conv2"].synapses.weight.data[0, 0, 0, 0] = float("nan")
    return network


def _hooked(network):
    network.layers["conv2"].register_forward_hook(lambda *_: None)
    return network


class _Own(nn.Module):
    pass


@pytest.mark.parametrize(
    "make",
    [
        lambda: lively().train(),
        lambda: _hooked(lively()),
        _with_nan,
        lambda: _changed(readout=_Loud(lively().readout.in_features, 10)),
        lambda: _changed(synapses=nn.Conv2d(16, 32, 3, padding=1, padding_mode="circular", bias=False)),
        lambda: _changed(pool=nn.MaxPool2d(2, ceil_mode=True)),
        lambda: lively().to(torch.bfloat16),
        lambda: lively().double(),
        lambda: build_model("resnet18", (3, 16, 16), 10, width=0.25).eval(),
        lambda: build_model("vgg5", (3, 16, 16), 10, width=0.25, trains_decay=True).eval(),
        _Own,
    ],
)
def test_what_the_loops_do_not_know_runs_as_it_is(make):
    assert single_sample(make()) is None
