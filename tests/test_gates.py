"""Features of any shape and kind become rows; what is none is told in one sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from spikewise._gates import as_array, as_features, as_numbers, class_numbers
from spikewise.errors import ParameterError, ShapeError

ROWS = np.arange(24.0).reshape(2, 12)


@pytest.mark.parametrize(
    "same", [ROWS, ROWS.reshape(2, 3, 4), list(ROWS.reshape(2, 3, 4)), tuple(ROWS.reshape(2, 12, 1))]
)
def test_a_sample_of_any_shape_is_a_row(same):
    np.testing.assert_array_equal(as_features(same), ROWS)


def test_what_has_names_or_no_zeros_stays_what_it_is():
    pandas = pytest.importorskip("pandas")
    for kept in (csr_array(ROWS), pandas.DataFrame(ROWS), ROWS.tolist(), [1, 2], "text", None):
        assert as_features(kept) is kept


def test_tensors_give_their_numbers():
    torch = pytest.importorskip("torch")
    for kind in (torch.float64, torch.bfloat16):
        tensor = torch.tensor(ROWS, dtype=kind, requires_grad=True).reshape(2, 3, 4)
        np.testing.assert_array_equal(as_features(tensor), ROWS)
        np.testing.assert_array_equal(as_features(list(tensor)), ROWS)
    with pytest.raises(ParameterError, match="samples must be a dense array of numbers"):
        as_array(torch.tensor(ROWS).to_sparse(), "samples")
    with pytest.raises(ParameterError, match="samples must be a dense array of numbers"):
        as_array(torch.zeros(3, device="meta"), "samples")
    with pytest.raises(ParameterError, match="X must hold samples of one shape"):
        as_features([torch.zeros(2, 2), torch.zeros(1, 4)])


def test_a_mask_is_no_number():
    with pytest.raises(ParameterError, match="X must be a dense array of numbers; some values are masked"):
        as_array(np.ma.masked_array(ROWS, ROWS > 3), "X")
    np.testing.assert_array_equal(as_array(np.ma.masked_array(ROWS, False), "X"), ROWS)


@pytest.mark.parametrize("kind", [">f8", ">i2", "<f4", "f2", "u1", "?", object])
def test_numbers_of_any_type_are_themselves_in_native_order(kind):
    values = (ROWS % 2).astype(kind)
    found = as_numbers(values, "X")
    assert found.dtype.isnative
    assert found.dtype != object
    np.testing.assert_array_equal(found, ROWS % 2)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("spikes", "real numbers; got 'spikes'"),
        (None, "real numbers; got NoneType"),
        ([1, "a"], "real numbers; got <U"),
        ([object()], "real numbers; got objects such as"),
        ([1j], "real numbers; got complex128"),
        (np.array(["2020-01-01"], "M8[D]"), "real numbers; got datetime64"),
        ([1.0, np.nan], "finite; got NaN"),
        ([-1.0], "at least 0; got -1"),
    ],
)
def test_what_is_no_number_is_named(wrong, words):
    with pytest.raises(ParameterError, match=f"X must be {words}"):
        as_numbers(wrong, "X", 0)


@given(st.lists(st.integers(-1, 4), min_size=1), st.sampled_from([np.int8, np.int64, np.float32, np.float64]))
def test_whole_numbers_of_any_type_are_labels(values, dtype):
    labels = np.array(values, dtype)
    assert class_numbers(labels, len(values), 5, allow_unknown=True).tolist() == values


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ([0, 1], ShapeError, r"one label per sample \(3\); got shape \(2,\)"),
        ([[0], [1], [1]], ShapeError, "one label per sample"),
        (["a", "b", "a"], ParameterError, "class numbers"),
        ([0, 1, 0.7], ParameterError, "whole numbers; got 0.7"),
        ([0, 1, np.nan], ParameterError, "finite"),
        ([0, 1, np.inf], ParameterError, "finite"),
        ([0, 1, 2], ParameterError, r"lie in 0\.\.1; got 0\.\.2"),
        ([0, 1, -1], ParameterError, r"lie in 0\.\.1; got -1\.\.1"),
        (np.array([0, 1, 2**64 - 1], np.uint64), ParameterError, r"at most 2\^62"),
    ],
)
def test_labels_that_would_have_to_be_guessed_at_are_refused_by_name(labels, error, words):
    with pytest.raises(error, match=f"y must.*{words}"):
        class_numbers(labels, 3, 2)


def test_only_minus_one_means_unknown():
    with pytest.raises(ParameterError, match="-1 where unknown"):
        class_numbers([-5, 0], 2, 2, allow_unknown=True)
