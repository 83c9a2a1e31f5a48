import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.data.binning import Binning
from spikewise.data.formats.event_checks import EVENT
from spikewise.data.frames import arriving_frames, bin_events
from spikewise.errors import DataError, ParameterError

SENSOR = (4, 6)


def events_of(seed, n, duration=1000):
    rng = np.random.default_rng(seed)
    events = np.zeros(n, EVENT)
    events["t"] = np.sort(rng.integers(50, 50 + duration, n))
    events["x"], events["y"], events["p"] = rng.integers(6, size=n), rng.integers(4, size=n), rng.integers(2, size=n)
    return events


def pieces(events, cuts):
    return np.split(events, sorted(cut % (len(events) + 1) for cut in cuts))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 80), st.lists(st.integers(0, 100), max_size=5), st.integers(1, 400))
def test_by_time_each_frame_holds_the_events_of_its_span(seed, n, cuts, span):
    events = events_of(seed, n)
    found = list(arriving_frames(pieces(events, cuts), SENSOR, span_us=span))
    step = (events["t"] - events["t"][0]) // span
    assert len(found) == step[-1] + 1
    for place, frame in enumerate(found):
        np.testing.assert_array_equal(frame, bin_events(events[step == place], SENSOR, 1)[0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 80), st.lists(st.integers(0, 100), max_size=5), st.integers(1, 30))
def test_by_count_each_frame_holds_its_number_of_events(seed, n, cuts, count):
    events = events_of(seed, n)
    found = list(arriving_frames(pieces(events, cuts), SENSOR, n_events=count))
    assert len(found) == -(-n // count)
    for place, frame in enumerate(found):
        np.testing.assert_array_equal(frame, bin_events(events[place * count : (place + 1) * count], SENSOR, 1)[0])


def test_a_frame_is_handed_on_before_later_events_arrive():
    arrived = []

    def sensor():
        for chunk in np.split(events_of(0, 60), 6):
            arrived.append(len(chunk))
            yield chunk

    frames = arriving_frames(sensor(), SENSOR, n_events=10)
    assert next(frames).sum() == 10
    assert len(arrived) == 1


def test_frames_may_be_smaller_than_the_sensor():
    events = events_of(1, 50)
    binning = Binning(crop=(4, 4), size=(2, 2))
    (frame,) = arriving_frames([events], SENSOR, n_events=50, binning=binning)
    np.testing.assert_array_equal(frame, bin_events(events, SENSOR, 1, binning)[0])


def test_bad_requests_are_named():
    events = events_of(2, 10)
    signed = np.array([(1, 0, 0, -1)], [("t", "<i8"), ("x", "<i8"), ("y", "<i8"), ("p", "i1")])
    for wrong in ({}, {"span_us": 10, "n_events": 10}):
        with pytest.raises(ParameterError, match="give one of span_us and n_events"):
            list(arriving_frames([events], SENSOR, **wrong))
    with pytest.raises(ParameterError, match="span_us must be an integer of at least 1; got 0"):
        list(arriving_frames([events], SENSOR, span_us=0))
    with pytest.raises(DataError, match=r"p of an event must lie in 0\.\.1; got -1"):
        list(arriving_frames([signed], SENSOR, n_events=3))
    with pytest.raises(DataError, match="fields t, x, y, p"):
        list(arriving_frames([np.zeros((3, 4))], SENSOR, n_events=3))
    unsigned = np.array([(30, 0, 0, 1), (5, 0, 0, 1)], [("t", "<u8"), ("x", "u2"), ("y", "u2"), ("p", "u1")])
    with pytest.raises(ParameterError, match="in the order of their times"):
        list(arriving_frames([unsigned], SENSOR, span_us=10))
    with pytest.raises(ParameterError, match="n_events must be an integer of at least 1"):
        list(arriving_frames([events], SENSOR, n_events=0))
    for chunks in ([events[5:], events[:5]], [events[::-1]]):
        with pytest.raises(ParameterError, match="in the order of their times"):
            list(arriving_frames(chunks, SENSOR, n_events=3))
