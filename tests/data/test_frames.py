"""Laws of binning: no event is lost, none is counted twice, and each lies where and when it was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from spikewise.data.binning import Binning
from spikewise.data.formats.event_checks import EVENT
from spikewise.data.frames import bin_events
from spikewise.errors import ParameterError

SENSOR = (5, 7)
TIMES = st.integers(0, 10**6) | st.integers(2**48 - 10, 2**48 - 1)
ONE = st.tuples(TIMES, st.integers(0, 6), st.integers(0, 4), st.integers(0, 1))
RECORDING = st.lists(ONE, max_size=40).map(lambda events: np.array(sorted(events), EVENT))
BY = st.sampled_from(["time", "count"])


@given(RECORDING, st.integers(1, 9), BY)
def test_every_event_is_counted_once_at_its_pixel(events, n_steps, by):
    frames = bin_events(events, SENSOR, n_steps, Binning(by=by))
    assert frames.shape == (n_steps, 2, *SENSOR)
    expected = np.zeros((2, *SENSOR), int)
    for _, x, y, p in events.tolist():
        expected[p, y, x] += 1
    np.testing.assert_array_equal(frames.sum(0), expected)


@given(RECORDING.filter(len), st.integers(1, 9))
def test_by_time_each_event_is_in_the_step_of_its_time(events, n_steps):
    start, stop = int(events["t"][0]), int(events["t"][-1]) + 1
    expected = [0] * n_steps
    for t in events["t"].tolist():
        expected[(t - start) * n_steps // (stop - start)] += 1  # Python's integers have no end
    assert bin_events(events, SENSOR, n_steps).sum((1, 2, 3)).tolist() == expected


@given(RECORDING, st.integers(1, 9))
def test_by_count_all_steps_have_the_same_number_of_events_within_one(events, n_steps):
    counts = bin_events(events, SENSOR, n_steps, Binning(by="count")).sum((1, 2, 3))
    assert counts.max() - counts.min() <= 1


@given(RECORDING, st.integers(1, 9), st.integers(1, 10**6))
def test_with_a_given_span_later_events_are_left_out(events, n_steps, span):
    frames = bin_events(events, SENSOR, n_steps, Binning(span_us=span))
    expected = [0] * n_steps
    for t in (events["t"] - events["t"][:1]).tolist():  # from the first event on
        if t < span:
            expected[t * n_steps // span] += 1
    assert frames.sum((1, 2, 3)).tolist() == expected


@given(RECORDING, BY, st.integers(1, 5), st.integers(1, 7))
def test_a_crop_is_the_middle_of_the_whole_frame(events, by, height, width):
    whole = bin_events(events, SENSOR, 3, Binning(by=by))
    top, left = (5 - height) // 2, (7 - width) // 2
    cropped = bin_events(events, SENSOR, 3, Binning(by=by, crop=(height, width)))
    np.testing.assert_array_equal(cropped, whole[:, :, top : top + height, left : left + width])


@given(RECORDING)
def test_a_smaller_frame_adds_up_the_pixels_that_it_covers(events):
    whole = bin_events(events, (4, 6), 2) if (events["x"] < 6).all() and (events["y"] < 4).all() else None
    if whole is None:
        return
    halved = bin_events(events, (4, 6), 2, Binning(size=(2, 3)))
    np.testing.assert_array_equal(halved, whole.reshape(2, 2, 2, 2, 3, 2).sum((3, 5)))


def test_a_crop_comes_before_the_size():
    binning = Binning(crop=(4, 6), size=(2, 2))
    assert binning.frame_size(SENSOR) == (2, 2)
    events = np.array([(0, x, y, 0) for y in range(5) for x in range(7)], EVENT)
    assert bin_events(events, SENSOR, 1, binning)[0, 0].tolist() == [[6, 6], [6, 6]]


def test_bytes_stop_at_their_largest_value_and_floats_count_on():
    events = np.array([(t, 0, 0, 1) for t in range(300)], EVENT)
    assert bin_events(events, (1, 1), 1).ravel().tolist() == [0, 255]
    assert bin_events(events, (1, 1), 1, dtype=np.float32).ravel().tolist() == [0.0, 300.0]


@pytest.mark.parametrize("n_steps", [0, -1, 1025, 2.5, True])
def test_an_impossible_number_of_steps_is_refused(n_steps):
    with pytest.raises(ParameterError, match="n_steps"):
        bin_events(np.zeros(1, EVENT), SENSOR, n_steps)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"crop": (6, 7)}, r"crop must lie in 1\.\.5 by 1\.\.7"),
        ({"size": (5, 8)}, r"size must lie in 1\.\.5 by 1\.\.7"),
        ({"size": (0, 1)}, "size must lie"),
        ({"crop": (2, 2), "size": (3, 2)}, r"size must lie in 1\.\.2 by 1\.\.2"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused(settings, words):
    with pytest.raises(ParameterError, match=words):
        bin_events(np.zeros(1, EVENT), SENSOR, 1, Binning(**settings))


@pytest.mark.parametrize("settings", [{"by": "event"}, {"span_us": 0}, {"steps": 3}, {"by": "count", "span_us": 9}])
def test_a_setting_that_nobody_knows_is_refused(settings):
    with pytest.raises(ValidationError):
        Binning(**settings)
