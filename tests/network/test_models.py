import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.dynamic import EntropyExit, replay_exit
from spikewise.errors import DataError, ParameterError, ShapeError
from spikewise.network import LIFParams, ModelSpec, OwnSpec, SpikingClassifier, build_model, record_workload, select
from spikewise.network.spec import MODEL_NAMES


@pytest.fixture(scope="module")
def images():
    return torch.randint(0, 256, (6, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model(images):
    network = build_model("vgg5", (1, 8, 8), 10, width=0.25)
    network.normalize_by(images)
    return network.eval()


@torch.no_grad()
def exact_model(name, in_shape, neurons=None, seed=0, eps=0.0):
    """A network whose sums are all whole multiples of small powers of two: no order of summation rounds them."""
    name, _, pooling = name.partition(" ")
    network = build_model(name, in_shape, 4, width=0.07, neurons=neurons, pooling=pooling or "max", seed=seed).eval()
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            digits = torch.randint(-2, 3, module.weight.shape, generator=generator)
            # The power of two nearest to the spread of a sum of which a third is active: half of the neurons fire.
            module.weight.copy_(digits / 2 ** round(math.log2(1.4 * (digits[0].numel() / 3) ** 0.5)))
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.eps = eps
            module.bias.copy_(torch.randint(0, 3, module.bias.shape, generator=generator) / 4)
    return network


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def exact_images(*shape, seed=0):
    return torch.randint(0, 17, shape, generator=seeded(seed)) / 16


EVERY = pytest.mark.parametrize("name", MODEL_NAMES)
POOLED = pytest.mark.parametrize("name", [*MODEL_NAMES, "vgg5 average", "vgg9 average"])
RESETS = pytest.mark.parametrize("neurons", [LIFParams(), LIFParams(reset="soft")], ids=["hard", "soft"])
SHAPES = pytest.mark.parametrize("shape", [(5, 2, 16, 16), (4, 5, 2, 16, 16)], ids=["image", "events"])


@torch.no_grad()
@POOLED
@RESETS
@SHAPES
def test_steps_one_by_one_and_in_pieces_are_the_whole_run_bit_for_bit(name, neurons, shape):
    network, images = exact_model(name, (2, 16, 16), neurons), exact_images(*shape)
    whole = network(images, 4)
    assert len({tuple(scores.flatten().tolist()) for scores in whole}) > 1  # something happens in time
    state, outputs = network.start(images), []
    for _ in range(4):
        scores, state = network.step(state)
        outputs.append(scores)
    assert torch.equal(torch.stack(outputs), whole)
    first, state = network.advance(network.start(images), 1)
    rest, _ = network.advance(state, 3)
    assert torch.equal(torch.cat([first, rest]), whole)


@torch.no_grad()
@POOLED
@SHAPES
def test_samples_that_leave_take_nothing_of_the_others_along(name, shape):
    network, images = exact_model(name, (2, 16, 16)), exact_images(*shape)
    keep = torch.tensor([True, False, True, True, False])
    whole = network(images, 4)
    _, state = network.step(network.start(images))
    rest, state = network.advance(select(state, keep), 3)
    assert torch.equal(rest, whole[1:, keep])


@POOLED
@SHAPES
def test_a_network_that_really_stops_agrees_with_its_trace_bit_for_bit(name, shape):
    network, images = exact_model(name, (2, 16, 16)), exact_images(*shape).numpy()
    classifier = SpikingClassifier(network, n_steps=4, batch_size=3)
    trace = classifier.trace(images)
    first = EntropyExit(0.5).uncertainty(next(iter(trace.steps())), 1)
    rule = EntropyExit(float(np.median(first)))  # someone stays and someone goes
    result = classifier.predict_with_exit(images, rule)
    steps, classes = replay_exit(trace, rule)
    assert result.steps.tolist() == steps.tolist()
    assert result.labels.tolist() == classes.tolist()
    for step, scores in enumerate(trace.steps(), 1):
        np.testing.assert_array_equal(result.scores[steps == step], scores[steps == step])
    assert classifier.workload(images, rule).exit_histogram == tuple(result.histogram)


@POOLED
def test_every_family_survives_being_saved(name, tmp_path):
    classifier = SpikingClassifier(exact_model(name, (2, 16, 16), LIFParams(reset="soft"), eps=1e-5), 2, [*"abcd"])
    images = exact_images(3, 2, 16, 16).numpy()
    classifier.save(tmp_path / "model.safetensors")
    again = SpikingClassifier.load(tmp_path / "model.safetensors")
    assert (again.model.spec, again.class_names, again.n_steps) == (classifier.model.spec, tuple("abcd"), 2)
    np.testing.assert_array_equal(again.trace(images).scores, classifier.trace(images).scores)


@torch.no_grad()
def test_an_image_is_convolved_once_and_a_recording_at_every_step():
    network, n_rows = exact_model("resnet18", (2, 16, 16)), []
    network.layers["conv1"].synapses.register_forward_hook(lambda module, args, out: n_rows.append(len(args[0])))
    image = exact_images(3, 2, 16, 16)
    still = network(image, 4)
    film = network(image.expand(4, *image.shape), 4)
    assert n_rows == [3, 12]
    assert torch.equal(still, film)


@torch.no_grad()
def test_a_silent_pixel_of_a_recording_stays_silent():
    frames = (torch.rand(4, 6, 2, 8, 8, generator=torch.Generator().manual_seed(0)) < 0.1).float()
    network = build_model("vgg5", (2, 8, 8), 4, width=0.25)
    network.normalize_by(frames)
    first = record_workload(network.eval(), frames, 4, sample_axis=1).activity[0]
    assert sum(first.in_spikes) == pytest.approx(float(frames.sum()) / 6)
    assert (frames / network.std[:, None, None]).square().mean().item() == pytest.approx(1, rel=1e-5)


def test_a_recording_must_hold_a_frame_for_each_step():
    network, frames = exact_model("vgg5", (2, 16, 16)), exact_images(3, 5, 2, 16, 16)
    with pytest.raises(ParameterError, match="at most the 3 frames that are left; got 4"):
        network(frames, 4)
    with pytest.raises(ShapeError, match=r"T at least 4 and B at least 1; got \(3, 5, 2, 16, 16\)"):
        SpikingClassifier(network, 4).predict(frames)


@torch.no_grad()
def test_steps_taken_one_by_one_equal_the_whole_run(model, images):
    state, outputs = model.start(images), []
    for _ in range(4):
        out, state = model.step(state)
        outputs.append(out)
    # The convolutions see another batch size and may round differently; spikes rarely flip on six images.
    torch.testing.assert_close(torch.stack(outputs), model(images, 4), rtol=0, atol=1e-4)


@torch.no_grad()
def test_a_shorter_run_is_a_prefix_of_a_longer_one(model, images):
    torch.testing.assert_close(model(images, 2), model(images, 4)[:2], rtol=0, atol=1e-4)


@torch.no_grad()
def test_leaving_samples_out_does_not_change_the_others(model, images):
    keep = torch.tensor([True, False, True, True, False, False])
    _, state = model.step(model.start(images))
    want, _ = model.step(state)
    got, smaller = model.step(select(state, keep))
    torch.testing.assert_close(got, want[keep], rtol=0, atol=1e-4)
    assert len(smaller.drive) == 3


@torch.no_grad()
def test_bytes_and_floats_of_the_unit_range_are_the_same_image(model, images):
    torch.testing.assert_close(model(images, 2), model(images / 255, 2), rtol=0, atol=1e-4)


@torch.no_grad()
def test_every_input_of_every_later_layer_is_a_spike(model, images):
    seen = []
    hooks = [
        layer.synapses.register_forward_hook(lambda module, args, out: seen.append(args[0]))
        for layer in list(model.layers.values())[1:]
    ]
    hooks.append(model.readout.register_forward_hook(lambda module, args, out: seen.append(args[0])))
    model(images, 3)
    for hook in hooks:
        hook.remove()
    assert len(seen) == 4
    assert all(bool(((x == 0) | (x == 1)).all()) for x in seen)


def test_normalisation_centres_the_training_images(model, images):
    values = (images / 255 - model.mean[:, None, None]) / model.std[:, None, None]
    assert values.mean().item() == pytest.approx(0, abs=1e-5)
    assert values.std(correction=0).item() == pytest.approx(1, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 5), st.sampled_from([1, 40, 2**20]), st.integers(0, 9))
def test_statistics_of_bytes_are_exact_however_they_are_summed(n_frames, n_images, together, seed):
    frames = torch.randint(0, 256, (n_frames, n_images, 2, 4, 5), dtype=torch.uint8, generator=seeded(seed))
    exact = frames.numpy().astype(int).swapaxes(0, 2).reshape(2, -1)
    network = build_model("vgg5", (2, 4, 5), 2, width=0.05)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spikewise.network.models._SUMMED_TOGETHER", together)
        network.normalize_by(frames)
        assert network.mean.tolist() == [0, 0]
        np.testing.assert_allclose(network.std, np.sqrt((exact**2).mean(1)) / 255, rtol=1e-7)
        network.normalize_by(frames.flatten(0, 1))
        np.testing.assert_allclose(network.mean, exact.mean(1) / 255, rtol=1e-7)
        np.testing.assert_allclose(network.std, np.maximum(exact.std(1), 1) / 255, rtol=1e-7)


def test_a_constant_channel_stays_finite():
    network = build_model("vgg5", (1, 8, 8), 10, width=0.1)
    network.normalize_by(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    assert torch.isfinite(network(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), 1)).all()


def test_weights_depend_on_the_seed_alone():
    state = torch.random.get_rng_state()
    one, same, other = (build_model("vgg5", (1, 8, 8), 10, width=0.1, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.readout.weight, same.readout.weight)
    assert not torch.equal(one.readout.weight, other.readout.weight)
    assert torch.equal(torch.random.get_rng_state(), state)


@EVERY
@pytest.mark.parametrize("in_shape", [(1, 28, 28), (3, 17, 32)])
def test_every_model_takes_any_image_that_is_large_enough(name, in_shape):
    network = build_model(name, in_shape, 7, width=0.05)
    assert network(torch.rand(2, *in_shape), 2).shape == (2, 2, 7)


@pytest.mark.parametrize("name", ["vgg5", "resnet18", "resnet19"])
def test_every_weight_receives_a_gradient(name, images):
    network = build_model(name, (1, 8, 8), 10, width=0.5 if name == "vgg5" else 0.2)
    network(images, 2).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_a_spec_survives_the_way_through_a_dictionary():
    spec = ModelSpec("resnet19", (3, 32, 32), 100, 0.5, LIFParams(reset="soft"), "threshold")
    assert ModelSpec.from_dict(spec.to_dict()) == spec
    own = OwnSpec("mine", [1, 8, 8], 10)
    assert OwnSpec(**own.to_dict()) == own


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "vg5"}, "Did you mean 'vgg5'"),
        ({"pooling": "avg"}, "pooling"),
        ({"in_shape": (1, 3, 8)}, r"at least 4x4; got \(1, 3, 8\)\. Scale them up\.$"),
        (
            {"name": "vgg16", "in_shape": (1, 8, 8)},
            r"16x16; .*Scale them up, or take vgg5 or vgg7 or vgg9 or resnet18 or resnet19\.$",
        ),
        ({"name": "resnet18", "in_shape": (1, 4, 8)}, r"8x8; .*or take vgg5 or resnet19\.$"),
        ({"norm": "none"}, "norm"),
        ({"in_shape": (8, 8)}, "in_shape"),
        ({"n_classes": 1}, "n_classes must be at least 2; got 1. Give images of a second class"),
        ({"width": 0.0}, "width"),
    ],
)
def test_impossible_models_are_refused(changed, message):
    good = {"name": "vgg5", "in_shape": (1, 8, 8), "n_classes": 10}
    with pytest.raises(ParameterError, match=message):
        build_model(**{**good, **changed})
    with pytest.raises(DataError, match=message):
        ModelSpec.from_dict({**ModelSpec(**good).to_dict(), **changed})


def test_images_of_another_shape_and_empty_runs_are_refused(model, images):
    with pytest.raises(ShapeError, match="images must have shape"):
        model(images[:, :, :7], 2)
    with pytest.raises(ParameterError, match="n_steps"):
        model(images, 0)
