from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spikewise.dynamic import AnytimeClassifier, EntropyExit, replay_exit
from spikewise.errors import DataError, ParameterError
from spikewise.learn.gradient.fit import FitSettings, fit
from spikewise.network import LIFParams, OwnSpec, SpikingClassifier, TrainableNetwork, build_model, lif_step
from spikewise.network.protocol import SteppingNetwork, check_network, run_steps, select


class Own(nn.Module):
    """As a user would write it: potentials in a dictionary, nothing of ours but the neurons' step."""

    spec = OwnSpec("mine", (1, 4, 4), n_classes=3)

    def __init__(self):
        super().__init__()
        self.hidden, self.recurrent, self.out = nn.Linear(16, 24), nn.Linear(24, 24), nn.Linear(24, 3)

    def start(self, images):
        current = self.hidden(images.flatten(1).float())
        return {"current": current, "v": torch.zeros_like(current), "spikes": torch.zeros_like(current)}

    def step(self, state):
        current = state["current"] + self.recurrent(state["spikes"])
        spikes, v = lif_step(current, state["v"], LIFParams(decay=0.75))
        return self.out(spikes), {**state, "v": v, "spikes": spikes}

    def forward(self, images, n_steps):
        return run_steps(self, images, n_steps)


@pytest.fixture(scope="module")
def samples():
    """Images whose bright row is their class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 120)
    images = rng.random((120, 1, 4, 4)) * 0.4
    images[np.arange(120), 0, labels] += 0.5
    return images, labels


@pytest.fixture(scope="module")
def trained(samples):
    images, labels = samples
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Own()
    settings = FitSettings(epochs=8, batch_size=20, n_steps=4)
    result = fit(network, (images[:90], labels[:90]), (images[90:], labels[90:]), settings)
    return network, result


def test_a_network_of_ones_own_learns(trained):
    network, result = trained
    assert result.best_validation_accuracy > 0.9
    assert not network.training


def test_a_network_of_ones_own_really_stops(trained, samples):
    classifier = SpikingClassifier(trained[0], n_steps=4, batch_size=32)
    assert isinstance(classifier, AnytimeClassifier)
    images, labels = samples
    trace = classifier.trace(images, labels)
    rule = EntropyExit(float(np.median(EntropyExit(0.5).uncertainty(trace.final_scores(), 4))) + 1e-4)
    result = classifier.predict_with_exit(images, rule)
    steps, classes = replay_exit(trace, rule)
    assert 1 < result.mean_steps < 4
    # Sums over another number of rows may round otherwise; an entropy within rounding of the bound is possible.
    assert (result.steps == steps).mean() > 0.98
    assert (result.labels == classes).mean() > 0.98


def test_a_network_of_ones_own_is_recorded_and_saved(trained, samples, tmp_path):
    classifier, images = SpikingClassifier(trained[0], n_steps=4, class_names=["a", "b", "c"]), samples[0][:7]
    load = classifier.workload(images)
    assert (load.name, load.n_samples) == ("mine", 7)
    assert [layer.name for layer in load.layers] == ["hidden", "recurrent", "out"]
    classifier.save(tmp_path / "own.safetensors")
    again = SpikingClassifier.load(tmp_path / "own.safetensors", Own())
    assert again.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(again.trace(images).scores, classifier.trace(images).scores)
    with pytest.raises(DataError, match=r"own\.safetensors must be .*; the model has a missing"):
        SpikingClassifier.load(tmp_path / "own.safetensors")  # its code is not in the file
    with pytest.raises(DataError, match=r"it belongs to .*mine"):
        SpikingClassifier.load(tmp_path / "own.safetensors", build_model("vgg5", (1, 4, 4), 3, width=0.1))


def test_both_kinds_of_network_keep_the_protocol():
    for network in (Own(), build_model("resnet18", (1, 8, 8), 3, width=0.05)):
        assert isinstance(network, SteppingNetwork)
        assert isinstance(network, TrainableNetwork)
        assert check_network(network) is network


def test_what_is_missing_is_named():
    class Half(nn.Module):
        def step(self, state):
            return state, state

    class Nameless(Own):
        spec = (1, 4, 4)

    with pytest.raises(ParameterError, match="got Half without spec, start, forward"):
        SpikingClassifier(Half(), 4)
    with pytest.raises(ParameterError, match=r"got Nameless without spec\.name, spec\.in_shape"):
        check_network(Nameless())
    with pytest.raises(ParameterError, match="must be a torch module; got int"):
        check_network(3)


class Pair(NamedTuple):
    v: Tensor
    trace: Tensor | None


@dataclass(frozen=True)
class Record:
    pair: Pair
    count: int


class Turned:
    """Samples along the second axis."""

    def __init__(self, v):
        self.v = v

    def select(self, keep):
        return Turned(self.v[:, keep])


def test_samples_are_taken_out_of_any_state():
    keep, v = torch.tensor([True, False, True]), torch.arange(3)
    kept = select(Record(Pair(v, None), 7), keep)
    assert (kept.pair.v.tolist(), kept.pair.trace, kept.count) == ([0, 2], None, 7)
    assert select({"a": [v, (v,)]}, keep)["a"][1][0].tolist() == [0, 2]
    assert select(Turned(v[None]), keep).v.tolist() == [[0, 2]]
