import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikewise.errors import ParameterError, ShapeError
from spikewise.spikes import direct_encode, firing_thresholds, poisson_encode
from spikewise.spikes.encode import content_keys, hashed_spikes, stream_key

features = hnp.arrays(np.float64, (3, 7), elements=st.floats(0, 1e6))


def test_direct_coding_copies_nothing():
    image = np.ones((2, 3))
    train = direct_encode(image, 5)
    assert train.shape == (5, 2, 3)
    assert np.shares_memory(train, image)


def test_poisson_rates_equal_the_intensity():
    intensity = np.array([0.0, 0.25, 1.0])
    rate = poisson_encode(intensity, 40_000, np.random.default_rng(0)).mean(0)
    assert rate[[0, 2]].tolist() == [0.0, 1.0]
    assert rate[1] == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 40_000))


def test_equal_generators_give_equal_trains():
    trains = [poisson_encode(np.full((2, 3), 0.5), 9, np.random.default_rng(1)) for _ in range(2)]
    np.testing.assert_array_equal(*trains)


@given(features, st.floats(0.1, 5))
@settings(max_examples=50, deadline=None)
def test_thresholds_keep_proportions_and_brightness_does_not_matter(rows, spikes_per_step):
    thresholds = firing_thresholds(rows, spikes_per_step).astype(int)
    assert (thresholds <= 65535).all()
    for row, fires in zip(rows, thresholds, strict=True):
        if fires.max() < 65535 and row.sum() > 0:
            # Each of the seven roundings errs by at most one half.
            assert fires.sum() == pytest.approx(65536 * spikes_per_step, abs=3.5 + 1e-6)
        assert (np.diff(fires[np.argsort(row)]) >= 0).all()
    bright = firing_thresholds(rows * 8, spikes_per_step).astype(int)
    np.testing.assert_array_equal(bright, thresholds)


def test_hashed_rates_equal_their_thresholds():
    thresholds = np.array([0, 6554, 32768, 65535], np.uint16)
    rate = hashed_spikes(thresholds, np.uint64(stream_key(np.uint64(1), np.uint64(2))), 40_000).mean(0)
    expected = thresholds / 65536
    error = 4 * np.sqrt(expected * (1 - expected) / 40_000)
    assert (np.abs(rate - expected) <= error).all()


def test_hashed_streams_of_inputs_steps_and_samples_are_uncorrelated():
    thresholds = np.full(50, 32768, np.uint16)
    a = hashed_spikes(thresholds, np.uint64(stream_key(np.uint64(1), np.uint64(0))), 4000).astype(float) - 0.5
    b = hashed_spikes(thresholds, np.uint64(stream_key(np.uint64(1), np.uint64(1))), 4000).astype(float) - 0.5
    # Means of 4000 (or 200,000) products of +-1/2 have standard error 1/4/sqrt(n).
    assert abs((a * b).mean()) < 5 * 0.25 / np.sqrt(a.size)
    assert abs((a[1:] * a[:-1]).mean()) < 5 * 0.25 / np.sqrt(a.size)
    pairs = (a.T @ a / len(a))[~np.eye(50, dtype=bool)]
    assert np.abs(pairs).max() < 6 * 0.25 / np.sqrt(len(a))


def test_content_keys_depend_on_content_seed_and_place():
    rows = np.array([[1, 2, 0], [2, 1, 0], [1, 2, 0], [0, 1, 2], [0, 0, 0]], np.uint16)
    keys = content_keys(rows, np.uint64(0))
    assert keys[0] == keys[2]
    assert len(set(keys.tolist())) == 4
    assert (content_keys(rows, np.uint64(1)) != keys).all()


def test_bad_input_is_refused():
    with pytest.raises(ParameterError, match="n_steps must be at least 1"):
        direct_encode(np.ones(2), 0)
    with pytest.raises(ParameterError, match=r"\[0, 1\]"):
        poisson_encode([0.5, np.nan], 2, np.random.default_rng(0))
    with pytest.raises(ShapeError, match="n_inputs"):
        firing_thresholds(np.ones(3), 1.0)
