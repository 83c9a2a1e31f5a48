import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import poisson

from spikewise.errors import ParameterError, ShapeError
from spikewise.spikes import direct_encode, poisson_encode, spike_shares
from spikewise.spikes.encode import content_keys, event_counts, hashed_spikes, stream_key

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


def trains(shares, n_steps, stream=0, events_per_step=2.0):
    """Dense spike train (T, n_inputs) of one sample."""
    key = np.uint64(stream_key(np.uint64(1), np.uint64(stream)))
    events = hashed_spikes(np.asarray(shares, np.uint16), key, event_counts(events_per_step), 65536, n_steps, 32)
    dense = np.zeros((n_steps, len(shares)), bool)
    dense[events[:, 0], events[:, 1]] = True
    assert dense.sum() == len(events), "an input fires at most once per step"
    return dense


@given(features)
@settings(max_examples=50, deadline=None)
def test_shares_keep_proportions_and_brightness_does_not_matter(rows):
    shares = spike_shares(rows).astype(int)
    top = rows.max(1, keepdims=True)
    expected = np.divide(rows, top, out=np.zeros_like(rows), where=top > 0) * 65535
    assert (np.abs(shares - expected) <= 0.5 + 1e-6).all()
    np.testing.assert_array_equal(spike_shares(rows * 8), shares)


def test_event_counts_follow_the_poisson_distribution():
    share = np.diff(event_counts(3.0).astype(float), prepend=0.0) / 2.0**64
    np.testing.assert_allclose(share[:12], poisson.pmf(np.arange(12), 3.0), atol=1e-12)


def test_inputs_fire_at_the_rate_of_a_poisson_process():
    shares, n_steps = np.array([0, 6000, 30000, 65535]), 40_000
    rate = trains(shares, n_steps).mean(0)
    expected = 1 - np.exp(-2.0 * shares / shares.sum())
    assert (np.abs(rate - expected) <= 4 * np.sqrt(expected * (1 - expected) / n_steps)).all()


def test_inputs_steps_and_samples_are_uncorrelated():
    shares = np.full(40, 1000)
    a, b = (trains(shares, 4000, stream).astype(float) for stream in (0, 1))
    p = 1 - np.exp(-2.0 / 40)
    a, b = (a - p) / np.sqrt(p * (1 - p)), (b - p) / np.sqrt(p * (1 - p))
    # Means of n products of independent standard variables have standard error 1/sqrt(n).
    assert abs((a * b).mean()) < 5 / np.sqrt(a.size)
    assert abs((a[1:] * a[:-1]).mean()) < 5 / np.sqrt(a.size)
    pairs = (a.T @ a / len(a))[~np.eye(40, dtype=bool)]
    assert np.abs(pairs).max() < 6 / np.sqrt(len(a))
    assert abs(pairs.mean()) < 5 / np.sqrt(a.size * 39 / 2)


def test_a_shorter_train_is_a_prefix():
    shares = np.array([5, 0, 100, 65535])
    np.testing.assert_array_equal(trains(shares, 30), trains(shares, 80)[:30])


def test_a_silent_row_stays_silent_and_a_single_input_fires_alone():
    assert not trains(np.zeros(3), 50).any()
    assert trains([0, 1, 0], 200)[:, 1].mean() > 0.7


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
        spike_shares(np.ones(3))
    with pytest.raises(ParameterError, match="events_per_step"):
        event_counts(0.0)
