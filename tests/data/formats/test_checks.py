"""What is refused before a type is changed, and what survives it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.data.formats.checks import as_labels, as_pixels, check_paired, check_size
from spikewise.errors import DataError


@given(st.integers(0, 255), st.sampled_from([np.float16, np.float32, np.float64]))
def test_a_byte_survives_its_way_through_floats(value, dtype):
    assert as_pixels(np.full((1, 2, 2), value / 255, dtype), "x").ravel().tolist() == [value] * 4


@given(st.floats(0, 1))
def test_the_error_of_a_pixel_is_at_most_half_a_level(value):
    assert abs(as_pixels(np.full((1, 1, 1), value), "x").item() / 255 - value) <= 0.5 / 255 + 1e-9


def test_read_only_pixels_become_writeable():
    assert as_pixels(np.frombuffer(bytes(8), np.uint8).reshape(2, 2, 2), "x").flags.writeable


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.full((1, 2, 2), np.nan), "NaN"),
        (np.full((1, 2, 2), np.inf), r"\[0, 1\]"),
        (np.full((1, 2, 2), 1.5), "Divide"),
        (np.full((1, 2, 2), -0.1), r"\[0, 1\]"),
        (np.zeros((1, 2, 2), np.int64), "uint8"),
        (np.zeros((1, 2, 2), bool), "uint8"),
        (np.zeros((4, 4), np.uint8), "shape"),
        (np.zeros((0, 2, 2), np.uint8), "at least one image"),
        (np.zeros((2, 0, 2), np.uint8), "at least one pixel"),
        (np.zeros((2, 8, 8, 3), np.uint8), "last axis"),
        (np.zeros((2, 5, 8, 8), np.uint8), "1 to 4 channels"),
    ],
)
def test_pixels_that_cannot_be_are_refused_by_name(images, words):
    with pytest.raises(DataError, match=f"file.*{words}"):
        as_pixels(images, "file")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 3], r"0\.\.2"),
        ([-1, 0], r"0\.\.2"),
        (np.array([2**64 - 1], np.uint64), r"0\.\.2"),
        ([0.0, 1.0], "integers"),
        (["a"], "integers"),
        ([[0, 1]], "shape"),
        (np.zeros(0, int), "at least 1"),
    ],
)
def test_labels_that_cannot_be_are_refused_by_name(labels, words):
    with pytest.raises(DataError, match=f"file.*{words}"):
        as_labels(labels, 3, "file")


def test_a_label_without_known_classes_must_still_be_reasonable():
    with pytest.raises(DataError, match=r"0\.\.65535"):
        as_labels([2**40], None, "file")


def test_one_label_per_image_is_needed():
    with pytest.raises(DataError, match="2 images, 1 labels"):
        check_paired(np.zeros((2, 1, 1, 1), np.uint8), np.zeros(1, np.int64), "file")


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2**32 + 1,), (2**32 - 1,) * 3])
def test_a_size_that_cannot_be_is_refused(shape):
    with pytest.raises(DataError, match="file must"):
        check_size(shape, 1, "file")
