"""What ships is whole, small, and answers as its card says."""

import numpy as np
import pytest

from spikewise.data import load_splits
from spikewise.price import estimate
from spikewise.workload import Workload
from spikewise.zoo import load_card, load_exits, load_model, load_rule, model_names
from spikewise.zoo.load import FOLDER

MOST_BYTES = 3_000_000
EXPECTED = {
    "cifar10-vgg7", "digits-vgg5", "fashion-mnist-stdp400", "fashion-mnist-vgg7", "mnist-stdp400", "mnist-vgg5",
    "nmnist-vgg5",
}  # fmt: skip


def test_both_kinds_of_network_ship():
    assert set(model_names()) == EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_network_is_small_and_answers(name):
    files = list(FOLDER.glob(f"{name}.*"))
    assert len(files) == 3
    assert sum(file.stat().st_size for file in files) < MOST_BYTES
    card, network = load_card(name), load_model(name)
    shape = (2, *card.data.shape) if card.kind == "stdp" or card.data.name != "nmnist" else None
    if shape is not None:
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        result = network.predict_with_exit(images, load_rule(name, "drop-0.005"))
        assert result.scores.shape == (2, len(card.data.classes))
    assert set(card.exits) == {"drop-0.002", "drop-0.005", "drop-0.01-sure-0.95"}
    assert card.n_parameters < 700_000


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_workload_that_ships_costs_what_the_card_says(name):
    card, recorded = load_card(name), load_exits(name)
    assert recorded.exits.keys() == card.exits.keys()
    full = Workload.from_dict(recorded.load)
    for setting, found in recorded.exits.items():
        told, load = card.exits[setting], Workload.from_dict(found.load)
        assert list(load.exit_histogram) == told.histogram == list(found.record["histogram"])
        assert found.record["accuracy_exit"] == told.accuracy
        for platform, energy_j in told.energy_j.items():
            assert estimate(load, platform).energy_j == pytest.approx(energy_j, rel=1e-6)
            saving = 1 - estimate(load, platform).energy_j / estimate(full, platform).energy_j
            assert saving == pytest.approx(told.energy_saving[platform], abs=1e-6)


def test_the_digits_are_told_apart_as_the_card_says():
    card, network, test = load_card("digits-vgg5"), load_model("digits-vgg5"), load_splits("digits")["test"]
    assert test.n_samples == card.data.n_test
    result = network.predict_with_exit(test.images, load_rule("digits-vgg5", "drop-0.005"))
    hits, promised = int((result.labels == test.labels).sum()), card.exits["drop-0.005"].accuracy * test.n_samples
    assert abs(hits - promised) <= 1.01  # the last bits differ from machine to machine
    assert abs(result.mean_steps - card.exits["drop-0.005"].mean_steps) < 0.02
