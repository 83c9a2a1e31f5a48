import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from spikewise.errors import ParameterError, ShapeError
from spikewise.report.figures.base import to_png
from spikewise.report.figures.classes import class_colors
from spikewise.report.figures.raster import raster_figure


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 400), st.integers(0, 150), st.integers(0, 20), st.integers(0, 2**32 - 1))
def test_the_spikes_drawn_are_the_spikes_given(n_steps, n_in, n_out, seed):
    rng = np.random.default_rng(seed)
    given_in = np.stack([rng.integers(1, n_steps + 1, n_in), rng.integers(0, 784, n_in)], 1)
    given_out = np.stack([rng.integers(1, n_steps + 1, n_out), rng.integers(0, 400, n_out)], 1)
    figure = raster_figure(*given_in.T, *given_out.T, n_steps)
    for axes, spikes in zip(figure.axes, (given_in, given_out), strict=True):
        drawn = axes.lines[0].get_xydata()
        assert (drawn == spikes).all()
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        assert ((drawn > [left, bottom]) & (drawn < [right, top])).all()
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()


def scores_at(axes, name, step):
    """Height of a class's stairs just after a step."""
    line = next(line for line in axes.lines if str(line.get_label()).strip() == name)
    return line.get_ydata()[np.searchsorted(line.get_xdata(), step, side="right") - 1]


def test_change_points_and_full_scores_are_the_same_stairs():
    steps, values = np.array([2, 5]), np.array([[0.7, 0.3], [0.1, 0.9]])
    dense = np.array([[0.5, 0.5], *[values[0]] * 3, *[values[1]] * 3])
    sparse_axes = raster_figure([], [], [], [], 7, (steps, values), class_names=["cat", "dog"]).axes[2]
    dense_axes = raster_figure([], [], [], [], 7, dense, class_names=["cat", "dog"]).axes[2]
    for step in range(1, 8):
        for k, name in enumerate(["cat", "dog"]):
            found = scores_at(sparse_axes, name, step), scores_at(dense_axes, name, step)
            assert found == (dense[step - 1, k], dense[step - 1, k])


def test_a_class_has_one_colour_in_every_picture():
    axes = raster_figure([], [], [], [], 1, [[0.2, 0.3, 0.5]]).axes[2]
    found = {str(line.get_label()).strip(): to_rgb(line.get_color()) for line in axes.lines}
    assert [found[str(k)] for k in range(3)] == [tuple(color) for color in class_colors(3)]


def test_of_many_classes_the_ten_highest_are_named():
    scores = np.full((1, 30), 0.01)
    scores[0, 5:15] = 0.08
    words = [text.get_text() for text in raster_figure([], [], [], [], 1, scores).axes[2].get_legend().get_texts()]
    assert {word.strip() for word in words} == {*map(str, range(5, 15)), "20 others"}


@pytest.mark.parametrize(("exit_step", "n_steps"), [(1, 1), (3, 4), (350, 350)])
def test_the_exit_is_a_line_through_all_panels(exit_step, n_steps):
    figure = raster_figure([1], [0], [1], [0], n_steps, np.full((n_steps, 2), 0.5), exit_step)
    for axes in figure.axes:
        assert [line for line in axes.lines if list(line.get_xdata()) == [exit_step] * 2]
    assert figure.axes[0].get_title("right") == f"exit after step {exit_step} of {n_steps}"


def test_names_are_text_and_not_mathematics():
    names = ["$x_$", "_hidden", ""]
    axes = raster_figure([], [], [], [], 1, [[0.2, 0.5, 0.3]], class_names=names).axes[2]
    assert {text.get_text().strip() for text in axes.get_legend().get_texts()} == {r"\$x_\$", "_hidden", ""}


def test_a_raster_can_be_written():
    figure = raster_figure([1, 2], [0, 3], [2], [1], 4, ([2], [[0.2, 0.8]]), 3)
    assert to_png(figure).startswith(b"\x89PNG")
    assert round(figure.get_size_inches()[0] * figure.dpi) == 960


@pytest.mark.parametrize(
    "draw",
    [
        lambda: raster_figure([1], [], [], [], 1),
        lambda: raster_figure([], [], [1], [0, 1], 1),
        lambda: raster_figure([], [], [], [], 2, [[0.5, 0.5]]),
        lambda: raster_figure([], [], [], [], 2, ([1], [0.5, 0.5])),
        lambda: raster_figure([], [], [], [], 1, [[0.5, 0.5]], class_names=["a"]),
    ],
)
def test_arrays_that_do_not_fit_are_refused(draw):
    with pytest.raises(ShapeError, match="must"):
        draw()


@pytest.mark.parametrize(
    "draw",
    [
        lambda: raster_figure([0], [0], [], [], 1),
        lambda: raster_figure([2], [0], [], [], 1),
        lambda: raster_figure([1], [-1], [], [], 1),
        lambda: raster_figure([], [], [], [], 0),
        lambda: raster_figure([], [], [], [], 2, exit_step=3),
        lambda: raster_figure([], [], [], [], 1, [[2.0, -1.0]]),
        lambda: raster_figure([], [], [], [], 2, ([2, 2], np.full((2, 2), 0.5))),
    ],
)
def test_values_out_of_range_are_refused(draw):
    with pytest.raises(ParameterError, match="must"):
        draw()
