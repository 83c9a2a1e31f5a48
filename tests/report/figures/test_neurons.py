import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from spikewise.errors import ParameterError, ShapeError
from spikewise.report.figures.base import to_png
from spikewise.report.figures.classes import NO_CLASS_COLOR, class_colors
from spikewise.report.figures.neurons import confusion_figure, label_map

TEN = [str(k) for k in range(10)]


def size_px(figure):
    return tuple(np.rint(figure.get_size_inches() * figure.dpi).astype(int))


def neurons_drawn(figure):
    """Colours and opacity (rows, columns, 4) of the cells of a label map."""
    return np.asarray(figure.axes[0].images[0].get_array())


def counts_drawn(figure):
    """Counts as written, keyed by row and column."""
    cells = [(text.get_position(), text.get_text()) for text in figure.axes[0].texts]
    return {(round(y), round(x)): int(word) for (x, y), word in cells if word.isdigit()}


@st.composite
def labelled(draw, n_classes=4):
    n_neurons = draw(st.integers(1, 60))
    classes = draw(st.lists(st.integers(-1, n_classes - 1), min_size=n_neurons, max_size=n_neurons))
    strength = draw(st.lists(st.floats(0, 1), min_size=n_neurons, max_size=n_neurons))
    return np.array(classes), np.array(strength)


@settings(max_examples=8, deadline=None)
@given(labelled())
def test_a_certain_neuron_has_the_colour_of_its_class_and_a_silent_one_is_grey(neurons):
    classes, _ = neurons
    drawn = neurons_drawn(label_map(classes, np.ones(len(classes)), TEN[:4])).reshape(-1, 4)
    expected = np.vstack([class_colors(4), to_rgb(NO_CLASS_COLOR)])[classes]
    np.testing.assert_allclose(drawn[: len(classes), :3], expected)
    assert (drawn[: len(classes), 3] == 1).all()
    assert (drawn[len(classes) :, 3] == 0).all()


@settings(max_examples=8, deadline=None)
@given(labelled(n_classes=1))
def test_the_more_certain_a_neuron_the_further_it_is_from_white(neurons):
    classes, strength = neurons
    drawn = neurons_drawn(label_map(classes, strength, ["one"])).reshape(-1, 4)[: len(classes), :3]
    depth = np.linalg.norm(1 - drawn, axis=1)[classes == 0]
    order = np.argsort(strength[classes == 0], kind="stable")
    assert (np.diff(depth[order]) >= -1e-12).all()
    assert (depth > 0.1).all()


def test_a_map_fills_its_rows_in_the_order_of_the_neurons():
    drawn = neurons_drawn(label_map([0, 1, 2, 3, 0], np.ones(5), TEN[:4]))
    assert drawn.shape == (2, 3, 4)
    np.testing.assert_allclose(drawn[1, 0, :3], class_colors(4)[3])


@pytest.mark.parametrize("n_neurons", [1, 2, 100, 1600, 6400])
def test_neurons_are_squares_of_whole_pixels(n_neurons):
    figure = label_map(np.zeros(n_neurons, int), np.ones(n_neurons), TEN)
    n_rows, n_columns = neurons_drawn(figure).shape[:2]
    left, bottom, width, height = figure.axes[0].bbox.bounds
    cell = width / n_columns
    np.testing.assert_allclose([left, bottom, cell], np.rint([left, bottom, cell]), atol=1e-6)
    assert height == pytest.approx(cell * n_rows)
    assert cell >= 8
    assert size_px(figure)[0] == 960


def test_squares_with_room_for_a_name_say_it():
    small = label_map([1, -1, 0, 1], np.ones(4), ["no", "yes"])
    assert [text.get_text() for text in small.axes[0].texts] == ["yes", "no", "yes"]
    assert not label_map(np.zeros(1600, int), np.ones(1600), TEN).axes[0].texts


@pytest.mark.parametrize("n_classes", [1, 2, 10, 21, 200])
def test_the_key_counts_the_neurons_and_always_names_those_without_a_class(n_classes):
    classes = np.arange(-1, n_classes)
    key = label_map(classes, np.ones(len(classes)), [f"class {k}" for k in range(n_classes)]).axes[1]
    words = [label.get_text() for label in key.get_yticklabels()]
    assert "no class (1)" in words
    assert all(word.endswith("(1)") for word in words)
    assert len(words) == n_classes + 1 or n_classes > 20


def test_the_strength_of_a_neuron_without_a_class_is_not_looked_at():
    drawn = neurons_drawn(label_map([0, -1], [1.0, np.nan], ["a"]))
    assert np.isfinite(drawn).all()


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 6), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_the_counts_are_those_of_the_samples(n_classes, n_samples, seed):
    true, predicted = np.random.default_rng(seed).integers(0, n_classes, (2, n_samples))
    figure = confusion_figure(true, predicted, [str(k) for k in range(n_classes)])
    written = counts_drawn(figure)
    assert sum(written.values()) == n_samples
    assert all(count == ((true == row) & (predicted == column)).sum() for (row, column), count in written.items())
    share = np.asarray(figure.axes[0].images[0].get_array()).sum(1)
    np.testing.assert_allclose(share, np.isin(np.arange(n_classes), true))


def test_the_title_is_the_accuracy():
    assert (
        confusion_figure([0, 1, 1, 1], [0, 1, 1, 0], ["a", "b"]).axes[0].get_title("left") == "3 of 4 correct (75.0%)"
    )


def test_a_class_without_samples_has_a_row_that_says_so():
    axes = confusion_figure([0, 0, 2], [0, 1, 2], ["a", "b", "c"]).axes[0]
    words = {text.get_text(): round(text.get_position()[1]) for text in axes.texts}
    assert words["no samples"] == 1
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")


def test_many_classes_are_coloured_and_not_numbered():
    axes = confusion_figure([0], [0], [str(k) for k in range(21)]).axes[0]
    assert not axes.texts
    assert len(axes.get_yticks()) == 21
    assert len(confusion_figure([0], [0], [str(k) for k in range(200)]).axes[0].get_yticks()) <= 40


def test_the_middle_of_a_long_name_is_left_out():
    names = ["a long name whose end is one", "a long name whose end is two"]
    words = [label.get_text() for label in confusion_figure([0], [0], names).axes[0].get_yticklabels()]
    assert len(set(words)) == 2
    assert all(re.fullmatch(r"a long.*….*(one|two)", word) and len(word) <= 18 for word in words)


def test_names_are_text_and_not_mathematics():
    assert len(to_png(label_map([0, 1, -1], [1, 0.5, 0], ["$x_$", "_hidden", ""]))) > 1000


def test_equal_pictures_are_equal_files():
    pictures = [to_png(label_map([0, 1, -1], [0.9, 0.5, 0], ["a", "b"])) for _ in range(2)]
    assert pictures[0] == pictures[1]


def test_a_confusion_matrix_can_be_written():
    figure = confusion_figure([0, 1], [1, 1], ["$x_$", "_hidden", "a name of many words"])
    assert to_png(figure).startswith(b"\x89PNG")
    assert size_px(figure)[0] == 960


@pytest.mark.parametrize(
    "draw",
    [
        lambda: label_map([0, 0], [1.0], ["a"]),
        lambda: label_map([[0]], [[1.0]], ["a"]),
        lambda: label_map([], [], ["a"]),
        lambda: confusion_figure([0, 0], [0], ["a"]),
        lambda: confusion_figure([], [], ["a"]),
        lambda: confusion_figure(0, 0, ["a"]),
    ],
)
def test_arrays_that_do_not_fit_are_refused(draw):
    with pytest.raises(ShapeError, match="must"):
        draw()


@pytest.mark.parametrize(
    "draw",
    [
        lambda: label_map([1], [1.0], ["a"]),
        lambda: label_map([-2], [1.0], ["a"]),
        lambda: label_map([0], [1.1], ["a"]),
        lambda: label_map([0], [np.nan], ["a"]),
        lambda: label_map([0.5], [1.0], ["a"]),
        lambda: label_map([0], [1.0], []),
        lambda: confusion_figure([0], [-1], ["a"]),
        lambda: confusion_figure([1], [0], ["a"]),
    ],
)
def test_values_out_of_range_are_refused(draw):
    with pytest.raises(ParameterError, match="must"):
        draw()
