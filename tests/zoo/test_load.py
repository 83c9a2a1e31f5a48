"""What ships is whole, small, and answers as its card says."""

import numpy as np
import pytest

from spikewise.data import load_splits
from spikewise.zoo import load_card, load_model, load_rule, model_names
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
    assert len(files) == 2
    assert sum(file.stat().st_size for file in files) < MOST_BYTES
    card, network = load_card(name), load_model(name)
    shape = (2, *card.data.shape) if card.kind == "stdp" or card.data.name != "nmnist" else None
    if shape is not None:
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        result = network.predict_with_exit(images, load_rule(name, "drop-0.005"))
        assert result.scores.shape == (2, len(card.data.classes))
    assert set(card.exits) == {"drop-0.002", "drop-0.005", "drop-0.01-sure-0.95"}
    assert card.n_parameters < 700_000


def test_the_digits_are_told_apart_as_the_card_says():
    card, network, test = load_card("digits-vgg5"), load_model("digits-vgg5"), load_splits("digits")["test"]
    assert test.n_samples == card.data.n_test
    result = network.predict_with_exit(test.images, load_rule("digits-vgg5", "drop-0.005"))
    hits, promised = int((result.labels == test.labels).sum()), card.exits["drop-0.005"].accuracy * test.n_samples
    assert abs(hits - promised) <= 1.01  # the last bits differ from machine to machine
    assert abs(result.mean_steps - card.exits["drop-0.005"].mean_steps) < 0.02
