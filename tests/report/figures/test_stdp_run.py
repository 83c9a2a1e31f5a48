import numpy as np
import pytest

from spikewise.dynamic.rule import EntropyExit, NeverExit
from spikewise.dynamic.trace import ScoreTrace
from spikewise.report.figures.stdp_run import (
    accuracy_over_time,
    class_word,
    confusions,
    input_spikes,
    neuron_labels,
    neuron_tiles,
    sample_in_time,
    write_pictures,
)
from spikewise.runs.contents import NeuronWeights, RunContents
from spikewise.workflow.learn import open_network

# Six neurons of two inputs; the network knows the classes 3 and 5, one neuron has never fired.
NEURONS = NeuronWeights(
    np.arange(12.0).reshape(2, 6),
    np.array([5, 3, -1, 3, 5, 3]),
    np.array([0.9, 0.5, 0.0, 1.0, 0.7, 0.8]),
    np.array([3, 5]),
)
NAMES = ["a", "b", "c", "d", "e", "f"]


@pytest.fixture(scope="module")
def network(runs):
    return open_network(runs[0])


@pytest.fixture
def image(runs):
    return np.random.default_rng(0).integers(0, 256, (1, 1, 8, 8), np.uint8)


def words(axes):
    return [text.get_text() for text in axes.texts]


def test_neurons_stand_by_class_and_the_surest_first_in_both_pictures():
    mosaic, is_labelled = neuron_tiles(NEURONS, (1, 1, 2), NAMES)
    assert is_labelled
    assert words(mosaic.axes[0]) == ["d", "d", "d", "f", "f", "–"]
    assert words(neuron_labels(NEURONS, NAMES).axes[0]) == ["d", "d", "d", "f", "f"]
    tiles = mosaic.axes[0].images[0].get_array()
    assert tiles.shape[2] == 4


def test_long_names_and_many_neurons_leave_the_tiles_without_words():
    assert not neuron_tiles(NEURONS, (1, 1, 2), ["a long name"] * 6)[1]
    many = NeuronWeights(np.ones((2, 145)), np.zeros(145, int), np.ones(145), np.array([0]))
    assert not neuron_tiles(many, (1, 1, 2), ["a"])[1]


def test_scores_are_named_by_the_classes_they_stand_for():
    trace = ScoreTrace.dense([[[2.0, 1.0], [0.0, 1.0], [1.0, 0.0]]], labels=[0, 1, 1])
    axes = confusions(trace, NEURONS, NAMES).axes[0]
    counts = {(round(y), round(x)): text.get_text() for text in axes.texts for x, y in [text.get_position()]}
    assert (counts[3, 3], counts[5, 5], counts[5, 3]) == ("1", "1", "1")


def test_a_class_without_a_name_has_its_number():
    assert [class_word(["zero"], index) for index in (0, 1, -1)] == ["zero", "1", "–"]


def test_the_input_spikes_drawn_are_those_the_network_sees(network, image):
    steps, inputs = input_spikes(network.encoder_.engine_, image.reshape(1, -1))
    seen = network.encoder_.respond(image.reshape(1, -1)).in_spikes
    assert (np.bincount(steps - 1, minlength=len(seen)) == seen).all()
    assert (image.reshape(-1)[inputs] > 0).all()


@pytest.mark.parametrize("rule", [NeverExit(), EntropyExit(0.9, "sum")])
def test_a_sample_is_drawn_to_its_end_with_its_exit(network, image, rule):
    figure = sample_in_time(network, image, rule)
    stop = int(network.predict_with_exit(image, rule).steps[0])
    assert figure.axes[0].get_title("right") == f"exit after step {stop} of 40"
    n_out = int(network.encoder_.transform(image).sum())
    assert figure.axes[1].get_title("left").startswith(f"{n_out} output spike")


def test_an_empty_image_can_be_drawn(network):
    figure = sample_in_time(network, np.zeros((1, 1, 8, 8), np.uint8), NeverExit())
    assert figure.axes[0].get_title("left") == "0 input spikes"


def test_the_controls_stand_beside_the_chosen_threshold(runs):
    contents = RunContents.read(runs[0])
    axes = accuracy_over_time(contents.trace, [found.record for found in contents.exits]).axes[0]
    assert {"chosen threshold", "control: random exit"} <= {line.get_label() for line in axes.lines}


def test_all_pictures_are_written_the_same_twice(runs, network, image, tmp_path):
    contents = RunContents.read(runs[0])
    for folder in ("one", "two"):
        write_pictures(contents, network, image, EntropyExit(0.5, "sum"), tmp_path / folder)
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {"accuracy.png", "confusion.png", "labels.png", "raster.png", "weights.png"}
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
