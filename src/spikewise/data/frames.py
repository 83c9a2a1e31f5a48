r"""Bin event recordings into frames: the number of events of each pixel in each step.

In a recording of n events with times :math:`t_i`, event i falls into step

.. math:: \left\lfloor T \frac{t_i - t_0}{t_{n-1} - t_0 + 1} \right\rfloor
          \quad\text{(by time)}, \qquad
          \left\lfloor T \frac{i}{n} \right\rfloor \quad\text{(by count)}.

Steps of equal time are what a clocked device sees; steps of equal count adapt to the speed of the movement. A frame
has one channel per polarity, first OFF, then ON.

A complete recording is divided into a given number of steps (:func:`bin_events`). The end of a live recording is not
known, so its steps have a given length, a time or a number of events, and each frame is returned as soon as it is
complete (:func:`arriving_frames`).
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from spikewise._arguments import checks_arguments
from spikewise.errors import ParameterError, whole_number

from .binning import Binning, Size
from .formats.event_checks import EVENT, Events, checked_events

MAX_STEPS = 1024


@checks_arguments
def bin_events(
    events: Events,
    sensor: Size,
    n_steps: int,
    binning: Binning | None = None,
    dtype: DTypeLike = np.uint8,
) -> NDArray[Any]:
    """Bin the events of one recording into frames.

    Parameters
    ----------
    events : structured array of shape (n,)
        Events with ``t``, ``x``, ``y`` and ``p``, in order of time.
    sensor : tuple of int
        Height and width of the sensor.
    n_steps : int
        Number of frames T, 1 to 1024.
    binning : Binning, optional
        Settings; if absent, steps of equal time and frames of the sensor's size.
    dtype : type
        Integers saturate at their largest value (uint8: 255 events of a pixel in a step); floats do not.

    Returns
    -------
    array of shape (T, 2, H, W)
        Number of events: channel 0 of polarity OFF, channel 1 ON. If a frame is smaller than the crop, each of its
        pixels counts the events of all sensor pixels that it covers.

    Examples
    --------
    >>> from spikewise.data.formats.event_checks import EVENT
    >>> events = np.array([(0, 1, 0, 1), (10, 0, 0, 0), (99, 1, 0, 1)], EVENT)
    >>> bin_events(events, (1, 2), 2).tolist()
    [[[[1, 0]], [[0, 1]]], [[[0, 0]], [[0, 1]]]]
    """
    return binned(checked_events(events, sensor, "events"), sensor, n_steps, binning, dtype)


def binned(
    events: Events, sensor: Size, n_steps: int, binning: Binning | None = None, dtype: DTypeLike = np.uint8
) -> NDArray[Any]:
    """Bin events as :func:`bin_events` does, given events that a reader has checked."""
    binning = Binning() if binning is None else binning
    whole_number("n_steps", n_steps, 1, MAX_STEPS)
    height, width = binning.frame_size(sensor)
    steps = _steps(events, n_steps, binning)
    is_kept = steps < n_steps
    places = []
    for name, side, whole, kept in zip("yx", (height, width), sensor, binning.crop or sensor, strict=True):
        # The crop lies in the middle of the sensor; signed numbers, because pixels left of it get negative places.
        place = events[name].astype(np.int64) - (whole - kept) // 2
        is_kept &= (place >= 0) & (place < kept)
        places.append(place * side // kept)
    # One histogram over flat indices counts all events at once.
    index = ((steps * 2 + events["p"]) * height + places[0]) * width + places[1]
    shape = (n_steps, 2, height, width)
    counts = np.bincount(index[is_kept], minlength=math.prod(shape)).reshape(shape)
    kind = _type_of(dtype)
    return (np.minimum(counts, np.iinfo(kind).max) if kind.kind in "iu" else counts).astype(kind)


def _type_of(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        kind = np.dtype(dtype)
    except (TypeError, ValueError):
        kind = np.dtype(object)
    if kind.kind not in "iuf" or dtype is None:
        raise ParameterError(f"dtype must be a type of integers or floats; got {dtype!r}.")
    return kind


def _steps(events: Events, n_steps: int, binning: Binning) -> NDArray[np.int64]:
    """Return the step of each event; n_steps or more for an event after the last step."""
    if binning.by == "count":
        return np.arange(len(events)) * n_steps // max(len(events), 1)
    t = events["t"].astype(np.int64)
    if binning.span_us is not None:
        # From the first event on: the clock of a camera stands anywhere when a recording begins. The minimum comes
        # first, so that the product with n_steps cannot overflow.
        return np.asarray(np.minimum(t - t[:1], binning.span_us) * n_steps // binning.span_us)
    # "+ 1" puts the last event into the last step instead of one after it.
    return (t - t[:1]) * n_steps // (t[-1] - t[0] + 1) if len(t) else t


@checks_arguments
def arriving_frames(
    chunks: Iterable[Events],
    sensor: Size,
    *,
    span_us: int | None = None,
    n_events: int | None = None,
    binning: Binning | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Yield a frame as soon as a step has its length in time or its number of events.

    Parameters
    ----------
    chunks : iterable of structured arrays
        Arrays of events with ``t`` (microseconds), ``x``, ``y`` and ``p``, in order of time.
    sensor : tuple of int
        Height and width of the sensor.
    span_us : int, optional
        Length of a step in microseconds, from the first event on. A step without events is a frame of zeros.
    n_events : int, optional
        Number of events of a step. Give exactly one of the two.
    binning : Binning, optional
        Crop and size of a frame; the whole sensor if absent.

    Yields
    ------
    uint8 array of shape (2, H, W)
        Number of events, at most 255: channel 0 of polarity OFF, channel 1 ON. The last frame may be incomplete.

    Raises
    ------
    ParameterError
        If not exactly one length is given, or events go back in time.

    Examples
    --------
    >>> events = np.array([(0, 0, 0, 1), (5, 1, 0, 0), (12, 1, 0, 1)], EVENT)
    >>> [frame.sum((1, 2)).tolist() for frame in arriving_frames([events[:2], events[2:]], (1, 2), span_us=10)]
    [[1, 1], [0, 1]]
    >>> [frame.sum((1, 2)).tolist() for frame in arriving_frames([events], (1, 2), n_events=2)]
    [[1, 1], [0, 1]]
    """
    if (span_us is None) == (n_events is None):
        raise ParameterError(f"a step has a length: give one of span_us and n_events; got {span_us} and {n_events}.")
    is_timed = span_us is not None
    length = whole_number("span_us" if is_timed else "n_events", span_us if is_timed else n_events, 1)
    waiting, ends_at, latest = np.empty(0, EVENT), None, -1
    for arrived in chunks:
        chunk = checked_events(arrived, sensor, "events")
        if not len(chunk):
            continue
        if chunk["t"][0] < latest or (np.diff(arrived["t"].astype(np.int64)) < 0).any():
            raise ParameterError(f"events must come in the order of their times; one came after t = {latest} us.")
        latest = int(chunk["t"][-1])
        waiting = np.concatenate([waiting, chunk])
        if not is_timed:
            while len(waiting) >= length:
                yield _frame(waiting[:length], sensor, binning)
                waiting = waiting[length:]
            continue
        # Steps follow the clock of the first event, so a quiet time gives frames of zeros.
        ends_at = int(waiting["t"][0]) + length if ends_at is None else ends_at
        while latest >= ends_at:
            n_done = int(np.searchsorted(waiting["t"], ends_at))
            yield _frame(waiting[:n_done], sensor, binning)
            waiting, ends_at = waiting[n_done:], ends_at + length
    if len(waiting):
        yield _frame(waiting, sensor, binning)


def _frame(events: Events, sensor: Size, binning: Binning | None) -> NDArray[np.uint8]:
    # Only crop and size are used: these events are one step already, whichever way it was cut.
    kept = Binning() if binning is None else Binning(crop=binning.crop, size=binning.size)
    return np.asarray(binned(events, sensor, 1, kept)[0], np.uint8)
