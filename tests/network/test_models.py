import pytest
import torch

from spikewise.errors import DataError, ParameterError, ShapeError
from spikewise.network import LIFParams, ModelSpec, build_model, select


@pytest.fixture(scope="module")
def images():
    return torch.randint(0, 256, (6, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model(images):
    network = build_model("vgg5", (1, 8, 8), 10, width=0.25)
    network.normalize_by(images)
    return network.eval()


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


@pytest.mark.parametrize("name", ["vgg5", "vgg9", "vgg16"])
@pytest.mark.parametrize("in_shape", [(1, 28, 28), (3, 17, 32)])
def test_every_model_takes_any_image_that_is_large_enough(name, in_shape):
    network = build_model(name, in_shape, 7, width=0.05)
    assert network(torch.rand(2, *in_shape), 2).shape == (2, 2, 7)


def test_every_weight_receives_a_gradient(images):
    network = build_model("vgg5", (1, 8, 8), 10, width=0.5)
    network(images, 2).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_a_spec_survives_the_way_through_a_dictionary():
    spec = ModelSpec("vgg9", (3, 32, 32), 100, 0.5, LIFParams(reset="soft"))
    assert ModelSpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "vg5"}, "Did you mean 'vgg5'"),
        ({"in_shape": (1, 3, 8)}, r"at least 4x4; got \(1, 3, 8\)\. Scale them up\.$"),
        ({"name": "vgg16", "in_shape": (1, 8, 8)}, "16x16; .*Scale them up, or take vgg5."),
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
