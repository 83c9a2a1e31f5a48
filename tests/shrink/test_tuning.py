import copy

import numpy as np
import pytest
import torch

from spikewise.learn.fit import fit
from spikewise.learn.settings import FitSettings
from spikewise.network import build_model
from spikewise.network.infer import SpikingClassifier
from spikewise.shrink.classifier import FixedClassifier
from spikewise.shrink.convert import shrink_network, weight_steps
from spikewise.shrink.format import FixedFormat
from spikewise.shrink.tuning import finetune


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


def test_what_was_trained_is_what_is_stored(tuned):
    network, result, steps = tuned
    found = FixedClassifier(shrink_network(network, FORM, TRAIN[0], 2, steps), FORM, 2)
    # Potentials of 16 bits alone are between them.
    assert found.trace(*VALIDATION).accuracy_by_step()[-1] == pytest.approx(result.best_validation_accuracy, abs=0.02)


def test_the_folded_scale_stays(trained, tuned):
    network, _, _ = tuned
    for name, layer in network.layers.items():
        before = trained.layers[name].norm
        for key in ("weight", "running_mean", "running_var"):
            assert torch.equal(getattr(layer.norm, key), getattr(before, key))
        assert not torch.equal(layer.norm.bias, before.bias)
        assert type(layer.synapses) in (torch.nn.Conv2d, torch.nn.Linear)
        assert layer.synapses.weight.requires_grad
    assert [*weight_steps(network, FORM)] == [*weight_steps(trained, FORM)]


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
