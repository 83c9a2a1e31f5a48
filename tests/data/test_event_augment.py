"""Laws of the variants of recordings: no event is invented, and the same seed gives the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.data.event_augment import (
    EventAugmentation,
    drop_events,
    flip_events,
    jitter_events,
    shift_events,
)
from spikewise.data.formats.event_checks import EVENT

SENSOR = (6, 9)
ONE = st.tuples(st.integers(0, 10**6), st.integers(0, 8), st.integers(0, 5), st.integers(0, 1))
RECORDING = st.lists(ONE, max_size=30).map(lambda events: np.array(sorted(events), EVENT))
SEED = st.integers(0, 2**32)


@given(RECORDING, st.integers(0, 12), SEED)
def test_a_moved_recording_is_moved_as_a_whole_and_loses_what_leaves(events, max_shift, seed):
    moved = shift_events(events, SENSOR, max_shift, np.random.default_rng(seed))
    down, right = np.random.default_rng(seed).integers(-max_shift, max_shift, 2, endpoint=True)
    expected = [(t, x + right, y + down, p) for t, x, y, p in events.tolist()]
    assert moved.tolist() == [event for event in expected if 0 <= event[1] < 9 and 0 <= event[2] < 6]


@given(RECORDING, SEED)
def test_a_flipped_recording_is_itself_or_its_mirror(events, seed):
    flipped = flip_events(events, SENSOR, np.random.default_rng(seed)).tolist()
    assert flipped in (events.tolist(), [(t, 8 - x, y, p) for t, x, y, p in events.tolist()])


def test_both_sides_of_a_flip_occur():
    events = np.array([(0, 0, 0, 0)], EVENT)
    sides = {int(flip_events(events, SENSOR, np.random.default_rng(seed))["x"][0]) for seed in range(40)}
    assert sides == {0, 8}  # one is missing with a chance of 2^-39


@given(RECORDING, st.floats(0, 0.99), SEED)
def test_what_is_not_dropped_stays_in_order(events, probability, seed):
    kept = iter(events.tolist())
    assert all(event in kept for event in drop_events(events, probability, np.random.default_rng(seed)).tolist())


def test_the_share_that_is_dropped_is_the_probability():
    events = np.zeros(10_000, EVENT)
    n_kept = len(drop_events(events, 0.3, np.random.default_rng(0)))
    assert abs(n_kept - 7000) < 5 * np.sqrt(10_000 * 0.3 * 0.7)  # five standard deviations


@given(RECORDING, st.floats(0, 1e5), SEED)
def test_a_jitter_moves_in_time_only_and_keeps_the_order(events, deviation, seed):
    moved = jitter_events(events, deviation, np.random.default_rng(seed))
    assert sorted(moved[["x", "y", "p"]].tolist()) == sorted(events[["x", "y", "p"]].tolist())
    assert (np.diff(moved["t"]) >= 0).all()
    assert (moved["t"] >= 0).all()


@given(RECORDING, SEED)
def test_the_default_changes_nothing(events, seed):
    assert EventAugmentation().vary(events, SENSOR, np.random.default_rng(seed)).tolist() == events.tolist()


@given(RECORDING, SEED)
def test_the_same_seed_gives_the_same_and_leaves_the_recording_alone(events, seed):
    before = events.copy()
    augmentation = EventAugmentation(max_shift=2, flip=True, drop=0.2, jitter_us=50)
    one, other = (augmentation.vary(events, SENSOR, np.random.default_rng(seed)) for _ in range(2))
    assert one.tolist() == other.tolist()
    assert events.tolist() == before.tolist()


@pytest.mark.parametrize("settings", [{"drop": 1.0}, {"max_shift": -1}, {"jitter_us": -1.0}])
def test_an_impossible_strength_is_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        EventAugmentation(**settings)
