import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from spikewise.learn.gradient.fit import fit
from spikewise.learn.gradient.settings import FitSettings
from spikewise.network import build_model
from spikewise.network.classifier import SpikingClassifier
from spikewise.shrink.classifier import FixedClassifier
from spikewise.shrink.convert import fold_factors, shrink_network
from spikewise.shrink.format import FixedFormat
from spikewise.shrink.layers import synapses_of
from spikewise.shrink.tuning import Rounded, finetune


def data(n, seed):
    """Images that are bright in one of four quarters, with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n)
    images = rng.integers(0, 140, (n, 1, 8, 8), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        rows, columns = divmod(label, 2)
        image[0, 4 * rows : 4 * rows + 4, 4 * columns : 4 * columns + 4] += 60
    return images, labels


TRAIN, VALIDATION = data(200, 0), data(120, 1)
FORM = FixedFormat(2)


@pytest.fixture(scope="module")
def trained():
    network = build_model("vgg5", (1, 8, 8), 4, width=0.25)
    fit(network, TRAIN, VALIDATION, FitSettings(epochs=4, n_steps=2, batch_size=20, lr=1e-2))
    return network


@pytest.fixture(scope="module")
def tuned(trained):
    network = copy.deepcopy(trained)
    settings = FitSettings(epochs=3, n_steps=2, batch_size=20, lr=2e-3)
    result, steps = finetune(network, FORM, TRAIN, VALIDATION, settings)
    return network, result, steps


def test_it_wins_back_what_rounding_lost(trained, tuned):
    network, _, steps = tuned

    def accuracy(fixed):
        return FixedClassifier(fixed, FORM, 2).trace(*VALIDATION).accuracy_by_step()[-1]

    rounded = accuracy(shrink_network(trained, FORM, TRAIN[0], 2))
    again = accuracy(shrink_network(network, FORM, TRAIN[0], 2, steps))
    whole = SpikingClassifier(trained, 2).trace(*VALIDATION).accuracy_by_step()[-1]
    assert rounded < whole - 0.05  # there was something to win
    assert again > rounded + (whole - rounded) / 2


@pytest.mark.parametrize("rounding", ["nearest", "truncate", "stochastic"])
def test_what_was_trained_is_what_is_stored(tuned, rounding):
    """Each stored weight, times its step and unfolded, is the rounded weight that training used."""
    network, result, steps = tuned
    form = replace(FORM, rounding=rounding)
    fixed = shrink_network(network, form, TRAIN[0], 2, steps)
    for name, layer in synapses_of(network).items():
        step = torch.as_tensor(steps[name]).view(-1, *[1] * (layer.weight.ndim - 1))
        factors = 1.0 if name == "readout" else fold_factors(network, name, layer.weight.ndim)
        used = Rounded((step / factors).float(), 2)(layer.weight)
        assert torch.allclose(synapses_of(fixed)[name].weight * step / factors, used.double(), rtol=1e-5)
    found = FixedClassifier(fixed, form, 2).trace(*VALIDATION).accuracy_by_step()[-1]
    # Potentials of 16 bits alone are between them.
    assert found == pytest.approx(result.best_validation_accuracy, abs=0.02)


def test_a_channel_without_weights_stays_so(trained):
    network = copy.deepcopy(trained)
    with torch.no_grad():
        network.layers["conv2"].norm.weight[0] = 0.0
    settings = FitSettings(epochs=1, n_steps=2, batch_size=50, lr=1e-3)
    result, _ = finetune(network, FixedFormat(4), TRAIN, VALIDATION, settings)
    assert np.isfinite(result.history[-1].loss)


def test_the_folded_scale_stays(trained, tuned):
    network, _, _ = tuned
    for name, layer in network.layers.items():
        before = trained.layers[name].norm
        for key in ("weight", "running_mean", "running_var"):
            assert torch.equal(getattr(layer.norm, key), getattr(before, key))
        assert not torch.equal(layer.norm.bias, before.bias)
        assert type(layer.synapses) in (torch.nn.Conv2d, torch.nn.Linear)
        assert layer.synapses.weight.requires_grad


def test_killed_it_goes_on(trained, tmp_path):
    settings = FitSettings(epochs=2, n_steps=2, batch_size=50, lr=1e-3)
    whole = copy.deepcopy(trained)
    finetune(whole, FORM, TRAIN, VALIDATION, settings)

    def kill(moment):
        if moment.record is not None:
            raise KeyboardInterrupt

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(KeyboardInterrupt):
        finetune(copy.deepcopy(trained), FORM, TRAIN, VALIDATION, settings, checkpoint=path, progress=kill)
    resumed = copy.deepcopy(trained)
    finetune(resumed, FORM, TRAIN, VALIDATION, settings, checkpoint=path, resume=True)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
