"""Networks of any make: how they call their layers must not change what is counted."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spikewise.dynamic import EntropyExit
from spikewise.errors import ParameterError, ShapeError
from spikewise.network import LIF, build_model, record_workload
from spikewise.network.record.geometry import n_readers
from spikewise.price.platform import estimate
from spikewise.workload.metrics import count_metrics

T, B = 4, 6


class Slope(nn.Module):
    """A child of a neuron that fires, as surrogate functions are."""

    def forward(self, v):
        return (v >= 0).float()


class Node(nn.Module):
    """Neurons that keep their potential from call to call, for one step or for all steps of a call."""

    def __init__(self, many=False):
        super().__init__()
        self.many, self.slope = many, Slope()
        self.reset()

    def reset(self):
        self.v = 0.0

    def _step(self, x):
        self.v = 0.5 * self.v + x
        spikes = self.slope(self.v - 0.3)
        self.v = self.v * (1 - spikes)
        return spikes

    def forward(self, x):
        return torch.stack([self._step(one) for one in x]) if self.many else self._step(x)


class Leaky(nn.Module):
    """Neurons whose potential goes in and comes out."""

    def forward(self, x, v):
        v = 0.5 * v + x
        spikes = (v >= 0.3).float()
        return spikes, v * (1 - spikes)


class Layers(nn.Module):
    """What all networks below share; they differ in how they run through time."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.pool = nn.AvgPool2d(2)
        self.deep = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2)
        self.head = nn.Linear(8 * 2 * 2, 3)
        with torch.random.fork_rng():
            torch.manual_seed(3)
            for weight in self.parameters():
                nn.init.normal_(weight, std=0.7)


class Single(Layers):
    """One step per call; whoever runs it loops over time."""

    def __init__(self):
        super().__init__()
        self.nodes = nn.ModuleList([Node(), Node()])

    def forward(self, x):
        x = self.nodes[0](self.pool(self.stem(x)))
        return self.head(self.nodes[1](self.deep(x)).flatten(1))


class Multi(Layers):
    """Time-first tensors, all steps in one call; synapses see time and batch merged."""

    time_first = True

    def __init__(self):
        super().__init__()
        self.nodes = nn.ModuleList([Node(many=True), Node(many=True)])

    def _neurons(self, node, merged, lead):
        x = merged.unflatten(0, lead)
        spikes = node(x if self.time_first else x.transpose(0, 1))
        return spikes if self.time_first else spikes.transpose(0, 1)

    def forward(self, x):
        lead = x.shape[:2]
        x = self._neurons(self.nodes[0], self.pool(self.stem(x.flatten(0, 1))), lead)
        x = self._neurons(self.nodes[1], self.deep(x.flatten(0, 1)), lead)
        return self.head(x.flatten(2))


class BatchFirst(Multi):
    time_first = False


class Looping(Layers):
    """Loops over time inside, with potentials of its own and one neuron module for all layers."""

    def __init__(self):
        super().__init__()
        self.leaky = Leaky()

    def forward(self, x):
        v = w = 0.0
        scores = []
        for frame in x:
            spikes, v = self.leaky(self.pool(self.stem(frame)), v)
            spikes, w = self.leaky(self.deep(spikes), w)
            scores.append(self.head(spikes.flatten(1)))
        return torch.stack(scores), w


class Bare(Layers):
    """The same without any neuron module."""

    def forward(self, x):
        v = w = 0.0
        scores = []
        for frame in x:
            v = 0.5 * v + self.pool(self.stem(frame))
            spikes = (v >= 0.3).float()
            v = v * (1 - spikes)
            w = 0.5 * w + self.deep(spikes)
            fired = (w >= 0.3).float()
            w = w * (1 - fired)
            scores.append(self.head(fired.flatten(1)))
        return torch.stack(scores)


def by_steps(model, x):
    return torch.stack([model(frame) for frame in x])


@pytest.fixture(scope="module")
def frames():
    """Recordings (T, B, C, H, W) of events."""
    return (torch.rand(T, B, 2, 8, 8, generator=torch.Generator().manual_seed(5)) < 0.3).float()


@pytest.fixture(scope="module")
def oracle(frames):
    """Counts (T,) of each layer, by unfolding what a plain loop computes."""
    model, v, w = Layers(), 0.0, 0.0
    found = {"stem": [], "deep": [], "head": []}
    with torch.no_grad():
        for frame in frames:
            v = 0.5 * v + model.pool(model.stem(frame))
            spikes = (v >= 0.3).float()
            v = v * (1 - spikes)
            w = 0.5 * w + model.deep(spikes)
            fired = (w >= 0.3).float()
            w = w * (1 - fired)
            unfolded = nn.functional.unfold(frame, 3, padding=1).sum(), nn.functional.unfold(spikes, 3, 1, 1, 2).sum()
            found["stem"].append((unfolded[0], frame.sum(), spikes.sum()))
            found["deep"].append((unfolded[1], spikes.sum(), fired.sum()))
            found["head"].append((fired.sum(), fired.sum(), torch.zeros(())))
    return {name: np.array(rows, np.float64).T / B for name, rows in found.items()}


WAYS = {
    "steps outside": lambda frames, **more: record_workload(Single(), frames, T, run=by_steps, sample_axis=1, **more),
    "all at once": lambda frames, **more: record_workload(Multi(), frames, T, sample_axis=1, **more),
    "all at once, samples first": lambda frames, **more: record_workload(
        BatchFirst(), frames.transpose(0, 1), T, time_first=False, **more
    ),
    "steps inside": lambda frames, **more: record_workload(Looping(), frames, T, sample_axis=1, **more),
    "no neuron modules": lambda frames, **more: record_workload(Bare(), frames, T, sample_axis=1, **more),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("batch_size", [1, T, 5, 256])
def test_every_way_to_run_gives_the_counts_of_the_oracle(way, batch_size, frames, oracle):
    load = WAYS[way](frames, batch_size=batch_size)
    assert [layer.name for layer in load.layers] == ["stem", "deep", "head"]
    assert max(load.activity[1].out_spikes) > 0
    for layer, busy in zip(load.layers, load.activity, strict=True):
        found = busy.active_unfolded, busy.in_spikes, busy.out_spikes
        np.testing.assert_allclose(found, oracle[layer.name], rtol=1e-9)
    stem, deep, _ = load.layers
    assert (stem.out_height, stem.in_height, deep.out_height, deep.in_height, deep.groups) == (8, 8, 2, 4, 2)
    # The module that pools reads the very sums: it comes before the neurons, whether or not these are a module.
    assert (stem.pool, deep.pool) == ((2, 2), (1, 1))
    assert [layer.has_neurons for layer in load.layers] == [True, True, False]
    assert {layer.input_bits for layer in load.layers} == {1}
    assert not any(layer.once_per_inference for layer in load.layers)


@pytest.mark.parametrize("way", WAYS)
def test_a_rule_sees_the_scores_of_each_step(way, frames):
    load, plain = (WAYS[way](frames, rule=rule, name="mine") for rule in (EntropyExit(0.6), None))
    scores = by_steps(Single(), frames).detach().numpy()
    left = np.zeros(B, bool)
    for step in range(1, T):
        left |= EntropyExit(0.6).ready(scores[:step].sum(0), step)
        assert load.n_alive[step] == (~left).sum()
    assert 0 < load.n_alive[-1] < B
    assert (load.activity, load.name, plain.exit_histogram) == (plain.activity, "mine", (0, 0, 0, B))


def test_our_own_network_called_as_a_whole_is_recorded_as_in_steps():
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    model = build_model("vgg5", (1, 8, 8), 10, width=0.25)
    for _ in range(20):
        model(images, 3)
    model.eval()
    whole = record_workload(model, images, 3, run=lambda net, x: net(x, 3))
    stepped = record_workload(model, images, 3)
    assert whole.layers == stepped.layers
    for a, b in zip(whole.activity, stepped.activity, strict=True):
        np.testing.assert_allclose(a.out_spikes, b.out_spikes, rtol=1e-3)


def test_sizes_that_happen_to_be_equal_are_not_confused():
    """As many samples as steps, channels and classes."""
    frames = (torch.rand(2, 2, 2, 4, 4, generator=torch.Generator().manual_seed(1)) < 0.5).float()

    class Pair(nn.Module):
        def __init__(self, many):
            super().__init__()
            self.stem, self.node, self.head = nn.Conv2d(2, 2, 1, bias=False), Node(many), nn.Linear(32, 2)
            nn.init.constant_(self.stem.weight, 0.5)

    class Step(Pair):
        def forward(self, x):
            return self.head(self.node(self.stem(x)).flatten(1))

    class Whole(Pair):
        def forward(self, x):
            return self.head(self.node(self.stem(x.flatten(0, 1)).unflatten(0, (2, 2))).flatten(2))

    one = record_workload(Step(False), frames, 2, run=by_steps, sample_axis=1)
    other = record_workload(Whole(True), frames, 2, sample_axis=1)
    assert one == other
    assert one.activity[0].out_spikes[0] != one.activity[0].out_spikes[1]


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4)), st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)), st.one_of(st.integers(0, 3), st.sampled_from(["same", "valid"])),
    st.tuples(st.integers(7, 10), st.integers(7, 10)),
)  # fmt: skip
def test_readers_of_a_pixel_are_the_outputs_that_it_changes(kernel, stride, dilation, padding, size):
    stride = (1, 1) if padding == "same" else stride
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using padding='same' with even kernel")
        conv = nn.Conv2d(1, 1, kernel, stride, padding, dilation, bias=False)
        nn.init.ones_(conv.weight)
        x = torch.ones(1, 1, *size, requires_grad=True)
        conv(x).sum().backward()
    assert n_readers(conv, size).tolist() == x.grad[0, 0].round().int().tolist()


def test_sequences_and_depthwise_kernels_are_counted():
    class Sound(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide = nn.Conv1d(3, 6, 5, stride=2, padding=4, dilation=2, groups=3)
            self.node = Node()
            self.head = nn.Linear(6 * 8, 2)

        def forward(self, x):
            return torch.stack([self.head(self.node(self.wide(x)).flatten(1)) for _ in range(3)])

    x = (torch.rand(4, 3, 16, generator=torch.Generator().manual_seed(2)) < 0.4).float()
    wide, head = (load := record_workload(Sound(), x, 3)).layers
    assert (wide.kernel, wide.stride, wide.groups, wide.out_height, wide.out_width) == ((1, 5), (1, 2), 3, 1, 8)
    assert (wide.in_width, wide.pool, wide.has_neurons, head.input_bits) == (16, (1, 1), True, 1)
    unfolded = nn.functional.unfold(x[:, :, None], (1, 5), (1, 2), (0, 4), (1, 2)).sum() / 4
    assert load.activity[0].active_unfolded == pytest.approx([float(unfolded)] * 3)


def test_a_layer_over_tokens_is_a_one_by_one_convolution():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix, self.head = nn.Linear(5, 7), nn.Linear(9 * 7, 2)

        def forward(self, x):
            return torch.stack([self.head((self.mix(x) > 0).float().flatten(1)) for _ in range(2)])

    x = torch.randint(1, 9, (3, 9, 5), generator=torch.Generator().manual_seed(2)) / 8
    for frames in (x, torch.stack([x, x])):  # once per step, or all steps at once
        model = Tokens() if frames is x else nn.Sequential(nn.Linear(5, 7), nn.Flatten(2), nn.Linear(63, 2))
        for weights in model.parameters():  # all sums exact, so equal steps stay equal in whatever order they are added
            nn.init.constant_(weights, 0.5)
        mix, head = (load := record_workload(model, frames, 2, sample_axis=frames.ndim - 3)).layers
        assert (mix.kind, mix.kernel, mix.n_positions, mix.n_weights, mix.n_inputs) == ("conv", (1, 1), 9, 35, 45)
        assert (head.kind, mix.once_per_inference, head.once_per_inference) == ("linear", True, frames is not x)
        assert load.activity[0].active_unfolded == (45.0, 45.0)


def test_a_network_without_time_is_an_ordinary_one():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    load = record_workload(model, torch.rand(4, 1, 8, 8), 1)
    assert [layer.name for layer in load.layers] == ["0", "3"]
    assert [(layer.has_neurons, layer.input_bits, layer.once_per_inference) for layer in load.layers] == [
        (False, 8, False),
        (False, 8, False),
    ]


def test_a_sum_that_is_computed_once_is_constant_in_time():
    class Direct(Layers):
        def __init__(self):
            super().__init__()
            self.nodes = nn.ModuleList([Node(), Node()])

        def forward(self, images):
            drive = self.pool(self.stem(images))
            steps = [self.head(self.nodes[1](self.deep(self.nodes[0](drive))).flatten(1)) for _ in range(3)]
            return torch.stack(steps)

    images = torch.rand(5, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    load = record_workload(Direct(), images, 3)
    stem, deep, _ = load.layers
    assert [layer.once_per_inference for layer in load.layers] == [True, False, False]
    assert (stem.input_bits, stem.has_neurons, deep.input_bits) == (8, True, 1)
    assert load.activity[0].out_spikes == load.activity[1].in_spikes
    assert len(set(load.activity[0].active_unfolded)) == 1


class Direct(nn.Module):
    """A network that sees an image, written in one of the styles of the field."""

    def __init__(self, style):
        super().__init__()
        self.style, self.conv, self.head = style, nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4 * 36, 3)
        for number, weight in enumerate(self.parameters()):
            nn.init.normal_(weight, std=0.5, generator=torch.Generator().manual_seed(number))

    def currents(self, images):
        """Input current of the neurons at each step."""
        if self.style == "hoisted":
            return [self.conv(images)] * T
        if self.style == "same tensor":
            return [self.conv(images) for _ in range(T)]
        if self.style == "copies":
            return [self.conv(images.clone()) for _ in range(T)]
        if self.style == "merged":
            return self.conv(images.repeat(T, 1, 1, 1)).unflatten(0, (T, -1))
        buffer = torch.empty_like(images)
        return [
            self.conv(buffer.copy_(images if self.style == "buffer" else images * step)) for step in range(1, T + 1)
        ]

    def forward(self, images):
        v, scores = 0.0, []
        for current in self.currents(images):
            v = 0.5 * v + current
            spikes = (v >= 0.3).float()
            v, scores = v * (1 - spikes), [*scores, self.head(spikes.flatten(1))]
        return torch.stack(scores)


def direct(style, images, **more):
    return record_workload(Direct(style), images, T, **more)


@pytest.mark.parametrize("style", ["same tensor", "copies", "merged", "buffer"])
@pytest.mark.parametrize("scale", ["grey", "black and white"])
def test_an_image_is_computed_once_however_the_loop_is_written(style, scale):
    images = torch.rand(7, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    images = images if scale == "grey" else (images < 0.5).float()
    once, found = (direct(each, images, batch_size=3) for each in ("hoisted", style))
    assert [layer.once_per_inference for layer in found.layers] == [True, False]
    assert found == once


def test_a_frame_that_is_written_into_the_same_memory_is_another_one():
    """A loop over time may use one buffer: the object stays, its values do not."""
    assert not direct("brighter", torch.rand(5, 1, 6, 6)).layers[0].once_per_inference


def test_one_batch_that_changes_over_time_is_enough(frames):
    still = torch.rand(1, 3, 2, 8, 8).expand(T, -1, -1, -1, -1)
    moving = torch.rand(T, 3, 2, 8, 8)
    both = [record_workload(Looping(), torch.cat(pair, 1), T, sample_axis=1, batch_size=3).layers[0].once_per_inference
            for pair in ((still, still), (still, moving), (moving, still))]  # fmt: skip
    assert both == [True, False, False]


def test_spikes_that_happen_to_repeat_are_computed_at_every_step():
    images = torch.ones(4, 1, 6, 6)
    model = Direct("same tensor")
    for bias in (-9.0, 9.0):  # never or always above the threshold
        nn.init.constant_(model.conv.bias, bias)
        nn.init.zeros_(model.conv.weight)
        conv, head = (load := record_workload(model, images, T)).layers
        assert (conv.once_per_inference, head.once_per_inference) == (True, False)
        assert len(set(load.activity[1].in_spikes)) == 1
    assert not record_workload(model, images * 0, T).layers[0].once_per_inference  # silence tells nothing


def test_precision_is_what_the_caller_says(frames):
    images = torch.rand(3, 1, 6, 6)
    plain, told = direct("copies", images), direct("copies", images, weight_bits=4, state_bits=12, input_bits=6)
    bits = [
        [(layer.weight_bits, layer.state_bits, layer.input_bits) for layer in load.layers] for load in (plain, told)
    ]
    assert bits == [[(8, 16, 8), (8, 16, 1)], [(4, 12, 6), (4, 12, 1)]]
    assert told.precision_note() == "weights 4 bits, states 12 bits, network input 6 bits"
    for key in ("weight_bits", "state_bits", "input_bits"):
        for value in (0, 33, "8", 2.5):
            with pytest.raises(ParameterError, match=rf"{key} must (lie in 1..32,|be) an integer; got {value!r}"):
                direct("copies", images, **{key: value})


def test_shortcuts_do_not_lend_their_inputs():
    """A layer without neurons is not given those of a shortcut that happens to run after it."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.a = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 4, 1)
            self.short, self.head = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 3, 1)

        def forward(self, x):
            spikes = (self.stem(x) > 0).float()
            return self.head(((self.a(spikes) + self.short(spikes)) > 0).float())

    layers = record_workload(Block(), torch.rand(2, 1, 4, 4), 1).layers
    assert [layer.has_neurons for layer in layers] == [True, False, True, False]


def test_neurons_with_recurrent_weights_are_one_population():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.loop = nn.Linear(5, 5)

        def forward(self, x, spikes):
            return (x + self.loop(spikes) > 0).float()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.feed, self.cell, self.head = nn.Linear(4, 5), Recurrent(), nn.Linear(5, 2)

        def forward(self, x):
            spikes, scores = torch.zeros(len(x), 5), []
            for _ in range(3):
                spikes = self.cell(self.feed(x), spikes)
                scores.append(self.head(spikes))
            return torch.stack(scores)

    load = record_workload(Net(), torch.rand(6, 4, generator=torch.Generator().manual_seed(0)), 3)
    assert [(layer.name, layer.has_neurons) for layer in load.layers] == [
        ("feed", False), ("cell.loop", True), ("head", False)
    ]  # fmt: skip
    assert load.activity[1].out_spikes == load.activity[2].in_spikes


def test_maps_may_have_time_and_samples_in_front(frames, oracle):
    class Conv(nn.Conv2d):
        def forward(self, x):
            return super().forward(x.flatten(0, 1)).unflatten(0, x.shape[:2])

    load = record_workload(nn.Sequential(Conv(2, 4, 3, padding=1)), frames, T, sample_axis=1)
    np.testing.assert_allclose(load.activity[0].active_unfolded, oracle["stem"][0], rtol=1e-9)


def test_a_model_is_left_as_it_was(frames):
    model = Looping()
    model.pool.eval()
    record_workload(model, frames, T, sample_axis=1)
    assert (model.training, model.stem.training, model.pool.training) == (True, True, False)
    assert not any(module._forward_hooks for module in model.modules())
    with pytest.raises(ParameterError):
        record_workload(model, frames, T + 1, sample_axis=1)
    assert not any(module._forward_hooks for module in model.modules())
    assert model.training


class Wrong(nn.Module):
    """Calls its layers as it is told."""

    def __init__(self, forward, **modules):
        super().__init__()
        self.told = forward
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x):
        return self.told(self, x)


X = torch.ones(3, 4)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Wrong(lambda m, x: x), "must call at least one Conv1d, Conv2d or Linear; got none"),
        (Wrong(lambda m, x: m.a(x), a=nn.Linear(4, 2)), "must run for 2 steps; got one run of each layer. Pass run"),
        (
            Wrong(lambda m, x: [m.a(x) for _ in range(3)], a=nn.Linear(4, 2)),
            r"layer 'a' must run once per step \(2\), or once for all of them; got 3 runs. Set n_steps",
        ),
        (
            Wrong(lambda m, x: [m.a(m.a(x)) for _ in range(2)], a=nn.Linear(4, 4)),
            "layer 'a' must run once per step .* got 4 runs. .* give a module that is used in several places a copy",
        ),
        (Wrong(lambda m, x: [m.a(x[:2]) for _ in range(2)], a=nn.Linear(4, 2)), "layer 'a' must run once per step"),
        (Wrong(lambda m, x: m.a(x[:2]), a=nn.Linear(4, 2)), "must see 3 samples per step, .* leading sizes"),
        (
            Wrong(lambda m, x: m.a(torch.stack([x, x], 1)), a=nn.Linear(4, 2)),
            r"must see time before the samples; got a tensor \(3, 2\) .* Set time_first=False",
        ),
        (
            Wrong(lambda m, x: [m.a(x.to_sparse()) for _ in range(2)], a=nn.Linear(4, 2)),
            "layer 'a' must see a dense tensor; got Tensor",
        ),
        (
            Wrong(lambda m, x: [m.a(x.unsqueeze(0)) for _ in range(2)], a=nn.Conv1d(3, 2, 1)),
            "layer 'a' must run once per step",
        ),
        (Wrong(lambda m, x: m.a(x), a=nn.Conv1d(3, 2, 1)), "layer 'a' must see a batch of maps; got an input of shape"),
        (
            Wrong(lambda m, x: m.a(x[None])[0], a=nn.LSTM(4, 2)),
            "every layer with weights must be a Conv1d, a Conv2d or a Linear; got LSTM at 'a'",
        ),
        (
            Wrong(lambda m, x: [m.a(x[:, None]) for _ in range(2)], a=nn.Conv1d(1, 2, 1, padding_mode="reflect")),
            "layer 'a' must pad with zeros; got 'reflect'",
        ),
        (
            Wrong(lambda m, x: [m.a(x[:, None, : 3 + n]) for n in range(2)], a=nn.Conv1d(1, 2, 1)),
            "must see maps of one size",
        ),
        (
            Wrong(
                lambda m, x: [m.n(torch.cat([m.a(x), m.b(x)], 1)) for _ in range(2)],
                a=nn.Linear(4, 2), b=nn.Linear(4, 2), n=Node(),
            ),
            "neurons 'n.slope' must be at most the 2 outputs of layer 'b'; got 4. Branches that are joined",
        ),
        (
            Wrong(lambda m, x: [m.p(m.n(m.a(x)[None])[0]) for _ in range(2)], a=nn.Linear(4, 2), n=LIF(), p=LIF()),
            "layer 'a' must have one population of neurons; got n, p",
        ),
        (
            Wrong(lambda m, x: [m.n(m.a(x)[None]) for _ in range(2)] + [m.n(x[None])], a=nn.Linear(4, 2), n=LIF()),
            "neurons 'n' must run once per step",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_counted_is_named(model, words):
    with pytest.raises(ParameterError, match=words):
        record_workload(model, X, 2)


def test_wrong_arguments_are_named(frames):
    with pytest.raises(ParameterError, match="model must be a torch module; got function"):
        record_workload(lambda x: x, X, 2)
    with pytest.raises(ParameterError, match="images must be a Tensor; got a ndarray"):
        record_workload(Single(), X.numpy(), 2)
    with pytest.raises(ShapeError, match="at least one sample along axis 0"):
        record_workload(Single(), X[:0], 2)
    with pytest.raises(ShapeError, match="at least one sample along axis 2"):
        record_workload(Single(), X, 2, sample_axis=2)
    with pytest.raises(ParameterError, match="n_steps must lie in 1"):
        record_workload(Single(), X, 0)
    with pytest.raises(ParameterError, match="batch_size"):
        record_workload(Single(), X, 2, batch_size=0)
    with pytest.raises(ParameterError, match="sample_axis must be an integer; got '1'"):
        record_workload(Single(), X, 2, sample_axis="1")
    with pytest.raises(ParameterError, match="run must be a function or None; got 3"):
        record_workload(Single(), X, 2, run=3)
    with pytest.raises(ParameterError, match="rule must be an exit rule; got 3"):
        record_workload(Single(), X, 2, 3)
    with pytest.raises(ParameterError, match="name must be text; got 3"):
        record_workload(Looping(), frames, T, sample_axis=1, name=3)
    for value in (np.nan, np.inf):
        with pytest.raises(ParameterError, match="images must be finite; got NaN or infinity"):
            record_workload(Single(), X * value, 2)

    def run(model, x):
        return {"scores": by_steps(model, x)}

    with pytest.raises(ParameterError, match=r"must return scores \(4, 6, K\), one per step; got dict. Stack them"):
        record_workload(Single(), frames, T, EntropyExit(0.5), run=run, sample_axis=1)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(2, 1, 6, 6, dtype=torch.uint8), "layer 'conv' must see floating-point values; got torch.uint8"),
        (torch.zeros(2, 1, 6, 6, dtype=torch.float64), "'conv' must see torch.float32, as its weights are; got .*64"),
        (
            torch.zeros(2, 3, 6, 6),
            r"layer 'conv' must see 1 channels along axis -3; got an input of shape \(2, 3, 6, 6",
        ),
        (torch.zeros(2, 1, 5, 5), r"layer 'head' must see 144 values along axis -1; got an input of shape \(2, 100\)"),
    ],
)
def test_images_of_the_wrong_kind_are_answered_with_the_layer_that_refuses_them(images, words):
    with pytest.raises((ParameterError, ShapeError), match=words):
        direct("same tensor", images)


def test_a_network_that_diverges_is_no_workload():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 1, 3))
    nn.init.constant_(model[0].weight, 3e38)
    with pytest.raises(ParameterError, match="layer '1' must see finite values; got NaN or infinity"):
        record_workload(model, torch.ones(2, 1, 6, 6), 1)


def test_a_layer_that_skips_a_batch_is_named():
    class Moody(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x):
            self.a(x)
            return self.b(x) if x[0, 0] else x

    with pytest.raises(ParameterError, match="layer 'b' must run in every batch"):
        record_workload(Moody(), torch.tensor([[1.0, 1, 1, 1], [0, 0, 0, 0]]), 1, batch_size=1)


def test_effective_operations_are_the_connections_that_carry_a_spike(frames):
    """As NeuroBench counts them: inputs and weights set to one, outputs summed."""
    model, seen = Looping(), []
    for layer in (model.stem, model.deep, model.head):
        ones = nn.utils.skip_init(type(layer), *_arguments(layer))
        nn.init.ones_(ones.weight)
        layer.register_forward_hook(lambda m, args, out, ones=ones: seen.append(ones(args[0]).sum().item()))
    with torch.no_grad():
        model(frames)
    metrics = count_metrics(record_workload(Looping(), frames, T, sample_axis=1))
    assert metrics.n_acs == pytest.approx(sum(seen) / B)
    assert metrics.n_macs == 0
    assert metrics.n_membrane_updates == T * (4 * 4 * 4 + 8 * 2 * 2)


def _arguments(layer):
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features, False
    sizes = layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding, layer.dilation
    return *sizes, layer.groups, False


def test_a_price_of_ones_own_network_takes_three_lines(frames):
    load = record_workload(Looping(), frames, n_steps=T, sample_axis=1)
    assert estimate(load, "rram-64-32nm").energy_j > 0
