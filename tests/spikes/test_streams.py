import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import poisson

from spikewise.errors import ParameterError, ShapeError
from spikewise.spikes import spike_shares, streams
from spikewise.spikes.streams import content_keys, event_counts, spike_stream, stream_key, stream_spikes

features = hnp.arrays(np.float64, (3, 7), elements=st.floats(0, 1e6))


def trains(shares, n_steps, stream=0, events_per_step=2.0):
    """Dense spike train (T, n_inputs) of one sample."""
    key = np.uint64(stream_key(np.uint64(1), np.uint64(stream)))
    memory = spike_stream(events_per_step, len(shares), n_steps)
    n_spikes = stream_spikes(memory, np.asarray([shares], np.uint16), 0, key)
    dense = np.zeros((n_steps, len(shares)), bool)
    dense[np.repeat(np.arange(n_steps), np.diff(memory.ends)), memory.spikes[:n_spikes]] = True
    assert dense.sum() == n_spikes, "an input fires at most once per step"
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


@pytest.mark.parametrize("n_inputs", [3, 20_000])  # four and two events per hash
def test_drawing_gives_the_same_as_plain_python(n_inputs, monkeypatch):
    shares, drawn = np.random.default_rng(0).integers(0, 65536, (1, n_inputs)).astype(np.uint16), []
    for is_plain in (False, True):
        if is_plain:
            for name in ("begin", "find_inputs", "draw"):
                monkeypatch.setattr(streams, name, getattr(streams, name).py_func)
        memory = spike_stream(3.0, n_inputs, 20)
        run = streams.stream_spikes.py_func if is_plain else streams.stream_spikes
        with np.errstate(over="ignore"):  # hashes wrap around
            n_spikes = run(memory, shares, 0, np.uint64(5))
        drawn.append((n_spikes, memory.spikes[:n_spikes].tolist(), memory.ends.tolist(), memory.drawn.tolist()))
    assert drawn[0] == drawn[1]
    assert drawn[0][0] > 20


def test_no_more_inputs_fire_in_a_step_than_integers_can_sum():
    memory = spike_stream(60.0, 500, 40)
    stream_spikes(memory, np.full((1, 500), 9, np.uint16), 0, np.uint64(1))
    assert np.diff(memory.ends).max() == streams.MAX_SPIKES


def test_bad_input_is_refused():
    with pytest.raises(ShapeError, match="features must have 2 dimensions"):
        spike_shares(np.ones(3))
    with pytest.raises(ParameterError, match="events_per_step"):
        event_counts(0.0)
