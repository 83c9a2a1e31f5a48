import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spikewise.errors import ShapeError
from spikewise.report.figures.base import accuracy_figure, image_png, to_png, weight_mosaic


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


@given(st.sampled_from([1, 3]), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_an_image_keeps_every_pixel(n_channels, height, width, seed):
    image = np.random.default_rng(seed).integers(0, 256, (n_channels, height, width), np.uint8)
    found = pixels(image_png(image)).reshape(height, width, n_channels)
    assert (np.moveaxis(found, -1, 0) == image).all()


def test_two_channels_are_shown_as_their_mean():
    image = np.stack([np.full((2, 2), 10, np.uint8), np.full((2, 2), 20, np.uint8)])
    assert (pixels(image_png(image)) == 15).all()


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 4, 4), (2, 3, 5)])
@pytest.mark.parametrize("n_neurons", [1, 2, 7])
def test_a_mosaic_has_a_tile_per_neuron_and_nothing_between(shape, n_neurons):
    weights = np.random.default_rng(0).random((np.prod(shape), n_neurons))
    figure = weight_mosaic(weights, shape)
    canvas = figure.axes[0].images[0].get_array()
    assert (canvas[..., 3] > 0).sum() == n_neurons * shape[1] * shape[2]
    assert pixels(to_png(figure)).shape[2] == 4


def test_a_silent_neuron_is_a_dark_tile():
    canvas = weight_mosaic(np.zeros((4, 1)), (1, 2, 2)).axes[0].images[0].get_array()
    assert np.isfinite(canvas).all()
    assert canvas[..., :3].max() < 0.1


def test_a_label_is_text_and_not_mathematics():
    figure = weight_mosaic(np.ones((1, 1)), (1, 1, 1), labels=["$x_$"])
    assert pixels(to_png(figure)).size


def test_equal_figures_are_equal_files():
    figures = [accuracy_figure([0.1, 0.8], {"exit": ([1, 2], [0.5, 0.8])}, {"chosen": (1.5, 0.7)}) for _ in range(2)]
    assert to_png(figures[0]) == to_png(figures[1])


def test_long_runs_have_a_logarithmic_time():
    assert accuracy_figure(np.ones(4)).axes[0].get_xscale() == "linear"
    assert accuracy_figure(np.ones(350)).axes[0].get_xscale() == "log"


@pytest.mark.parametrize("n_steps", [1, 4, 350])
def test_all_that_is_compared_is_inside_the_frame(n_steps):
    static = np.linspace(0.1, 0.9, n_steps)
    points = {"chosen": (0.6 * n_steps + 0.4, 0.88), "control": (0.3 * n_steps + 0.7, 0.8)}
    curve = np.linspace(1, n_steps, 5), np.linspace(0.7, 0.9, 5)
    axes = accuracy_figure(static, {"every threshold": curve}, points).axes[0]
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    for x, y in [*points.values(), *zip(*curve, strict=True), (n_steps, static[-1])]:
        assert left < x < right
        assert low < y < high or y == static[-1] < low


def test_an_opaque_picture_has_paper_behind_it():
    figure = accuracy_figure([0.1, 0.8])
    assert pixels(to_png(figure))[0, 0, 3] == 0
    assert pixels(to_png(figure, is_transparent=False))[0, 0].tolist() == [255, 255, 255, 255]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: image_png(np.zeros((1, 0, 3), np.uint8)),
        lambda: image_png(np.zeros((2, 2), np.uint8)),
        lambda: weight_mosaic(np.zeros((5, 2)), (1, 2, 2)),
        lambda: weight_mosaic(np.zeros((4, 2)), (1, 2, 2), labels=["one"]),
        lambda: accuracy_figure([]),
    ],
)
def test_arrays_that_do_not_fit_are_refused(draw):
    with pytest.raises(ShapeError):
        draw()
