import numpy as np
import pytest
import torch
from torch import nn

from spikewise.dynamic import EntropyExit
from spikewise.errors import ParameterError
from spikewise.network import LIF, build_model, record_workload


@pytest.fixture(scope="module")
def images():
    return torch.randint(0, 256, (7, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model(images):
    network = build_model("vgg5", (1, 8, 8), 10, width=0.25)
    network.normalize_by(images)
    for _ in range(30):
        network(images, 3)  # settles the normalisation, so that neurons fire
    return network.eval()


def layer_inputs(model, images, n_steps):
    """Inputs (T, B, ...) of every layer of synapses and spikes of its neurons, from one whole run."""
    inputs, spikes = {}, {}
    for name, layer in model.layers.items():
        layer.synapses.register_forward_hook(lambda m, args, out, name=name: inputs.__setitem__(name, args[0]))
        layer.neurons.register_forward_hook(lambda m, args, out, name=name: spikes.__setitem__(name, out[0]))
    model.readout.register_forward_hook(lambda m, args, out: inputs.__setitem__("readout", args[0]))
    with torch.no_grad():
        model(images, n_steps)
    for module in model.modules():
        module._forward_hooks.clear()
    return inputs, spikes


def test_counts_are_those_of_unfolding_every_map(model, images):
    n_steps, batch = 3, len(images)
    inputs, spikes = layer_inputs(model, images, n_steps)
    load = record_workload(model, images, n_steps, batch_size=4)
    assert [layer.name for layer in load.layers] == ["conv1", "conv2", "conv3", "linear4", "readout"]
    for layer, busy in zip(load.layers, load.activity, strict=True):
        active = (inputs[layer.name] != 0).float()
        if layer.kind == "conv":
            unfolded = nn.functional.unfold(active, layer.kernel, padding=1).flatten(1).sum(1)
        else:
            unfolded = active.reshape(-1, layer.in_channels).sum(1)
        steps = 1 if layer.once_per_inference else n_steps
        want = unfolded.reshape(steps, batch).mean(1).expand(n_steps)
        np.testing.assert_allclose(busy.active_unfolded, want, rtol=1e-5)
        want_in = active.flatten(-3 if layer.kind == "conv" else -1).sum(-1).reshape(steps, batch).mean(1)
        np.testing.assert_allclose(busy.in_spikes, want_in.expand(n_steps), rtol=1e-5)
        if layer.has_neurons:
            np.testing.assert_allclose(busy.out_spikes, spikes[layer.name].flatten(2).sum(2).mean(1), rtol=1e-5)
        else:
            assert set(busy.out_spikes) == {0.0}


def test_shapes_are_those_before_pooling(model, images):
    first, second, third, linear, readout = record_workload(model, images, 2).layers
    assert (first.out_height, second.out_height, third.out_height) == (8, 4, 4)
    assert (first.pool, second.pool, third.pool) == ((2, 2), (1, 1), (2, 2))
    assert (first.n_neurons, second.n_neurons, third.n_neurons) == (8 * 16, 16 * 16, 16 * 4)
    assert (first.input_bits, first.once_per_inference) == (8, True)
    assert {layer.input_bits for layer in (second, third, linear, readout)} == {1}
    assert not any(layer.once_per_inference for layer in (second, third, linear, readout))
    assert [layer.has_neurons for layer in (first, second, third, linear, readout)] == [True] * 4 + [False]


def test_one_layers_spikes_are_the_next_ones_inputs(model, images):
    load = record_workload(model, images, 3)
    for before, after in zip(load.activity, load.activity[1:], strict=False):
        assert before.out_spikes == after.in_spikes
        assert max(before.out_spikes) > 0


def test_the_batch_size_does_not_change_the_counts(model, images):
    one, other = (record_workload(model, images, 3, batch_size=size) for size in (2, 7))
    # A flipped spike in one of seven images would be rounding; none occurs with this seed.
    for a, b in zip(one.activity, other.activity, strict=True):
        np.testing.assert_allclose(a.active_unfolded, b.active_unfolded, rtol=1e-3)


class LeaveByPlace:
    """Lets the first samples of a batch of seven go: two after step 1, four after step 2."""

    def ready(self, score_sum, n_steps):
        return np.arange(7) < 2 * n_steps


def test_activity_of_the_running_is_the_mean_over_them(model, images):
    load = record_workload(model, images, 3, LeaveByPlace())
    assert load.exit_histogram == (2, 2, 3)
    assert load.n_alive == (7, 5, 3)
    alone = record_workload(model, images[4:], 3)
    for all_of_them, running, last in zip(load.activity, load.alive_activity, alone.activity, strict=True):
        assert running.active_unfolded[0] == pytest.approx(all_of_them.active_unfolded[0])
        assert running.in_spikes[2] == pytest.approx(last.in_spikes[2], rel=1e-3)


def test_steps_that_nobody_runs_cost_nothing(model, images):
    load = record_workload(model, images, 3, EntropyExit(1.1))
    assert load.n_alive == (7, 0, 0)
    assert {busy.in_spikes[1:] for busy in load.alive_activity} == {(0.0, 0.0)}


class Foreign(nn.Module):
    """A network of another make: strided and grouped convolutions, neurons inside."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.deep = nn.Conv2d(4, 8, (1, 3), groups=4)
        self.lif = LIF()
        self.head = nn.Linear(8 * 4 * 2, 3)

    def start(self, images):
        return images

    def step(self, images):
        spikes, _ = self.lif(self.stem(images)[None])
        return self.head(self.deep(spikes[0]).flatten(1)), images


@torch.no_grad()
def test_networks_of_another_make_can_be_watched():
    images = (torch.rand(3, 2, 8, 8, generator=torch.Generator().manual_seed(1)) < 0.3).float()
    load = record_workload(Foreign().eval(), images, 2)
    stem, deep, head = load.layers
    assert (stem.stride, stem.in_height, stem.out_height, stem.input_bits) == ((2, 2), 8, 4, 1)
    assert (deep.groups, deep.kernel, deep.out_width, deep.has_neurons) == (4, (1, 3), 2, False)
    assert (stem.has_neurons, head.input_bits) == (True, 8)
    want = nn.functional.unfold(images, 3, stride=2, padding=1).sum().item() / 3
    assert load.activity[0].active_unfolded == pytest.approx((want, want))


def test_paddings_that_add_active_inputs_are_refused():
    network = Foreign()
    network.stem = nn.Conv2d(2, 4, 3, stride=2, padding=1, padding_mode="circular")
    with pytest.raises(ParameterError, match="zeros"):
        record_workload(network, torch.zeros(1, 2, 8, 8), 1)
