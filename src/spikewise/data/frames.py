r"""Event recordings as frames: how many events each pixel had in each step.

Of a recording with times :math:`t_i` and n events, event i falls into step

.. math:: \left\lfloor T \frac{t_i - t_0}{t_{n-1} - t_0 + 1} \right\rfloor
          \quad\text{(by time)}, \qquad
          \left\lfloor T \frac{i}{n} \right\rfloor \quad\text{(by count)}.

Steps of equal time are what a device with a clock sees; steps of equal count follow the movement. A frame has one
channel per polarity, OFF and then ON.

A recording that is whole is divided into a given number of steps (:func:`bin_events`). Of a live one the end is not
known, so there a step has a given length, a time or a number of events, and each frame is handed on as soon as it is
complete (:func:`arriving_frames`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from spikewise.errors import ParameterError, whole_number

from .binning import Binning, Size
from .formats.event_checks import EVENT, MAX_TIME_US, Events

MAX_STEPS = 1024


def bin_events(
    events: Events,
    sensor: Size,
    n_steps: int,
    binning: Binning | None = None,
    dtype: DTypeLike = np.uint8,
) -> NDArray[Any]:
    """Frames of one recording.

    Parameters
    ----------
    events : structured array of shape (n,)
        Events with ``t``, ``x``, ``y`` and ``p``, in order of time.
    sensor : tuple of int
        Height and width of the sensor.
    n_steps : int
        Number of frames T, 1 to 1024.
    binning : Binning, optional
        How; by time and of the sensor's size if absent.
    dtype : type
        Integers stop at their largest value (uint8: 255 events of a pixel in a step); floats count on.

    Returns
    -------
    array of shape (T, 2, H, W)
        Number of events: channel 0 of polarity OFF, channel 1 ON. If the frame is smaller than what is kept, a pixel
        counts the events of the several pixels that it covers.

    Examples
    --------
    >>> from spikewise.data.formats.event_checks import EVENT
    >>> events = np.array([(0, 1, 0, 1), (10, 0, 0, 0), (99, 1, 0, 1)], EVENT)
    >>> bin_events(events, (1, 2), 2).tolist()
    [[[[1, 0]], [[0, 1]]], [[[0, 0]], [[0, 1]]]]
    """
    binning = Binning() if binning is None else binning
    whole_number("n_steps", n_steps, 1, MAX_STEPS)
    height, width = binning.frame_size(sensor)
    steps = _steps(events, n_steps, binning)
    is_kept = steps < n_steps
    places = []
    for name, side, whole, kept in zip("yx", (height, width), sensor, binning.crop or sensor, strict=True):
        place = events[name].astype(np.int64) - (whole - kept) // 2
        is_kept &= (place >= 0) & (place < kept)
        places.append(place * side // kept)
    index = ((steps * 2 + events["p"]) * height + places[0]) * width + places[1]
    shape = (n_steps, 2, height, width)
    counts = np.bincount(index[is_kept], minlength=math.prod(shape)).reshape(shape)
    kind = np.dtype(dtype)
    return (np.minimum(counts, np.iinfo(kind).max) if kind.kind in "iu" else counts).astype(kind)


def _steps(events: Events, n_steps: int, binning: Binning) -> NDArray[np.int64]:
    """Step of each event; n_steps or more for one that is too late."""
    if binning.by == "count":
        return np.arange(len(events)) * n_steps // max(len(events), 1)
    t = events["t"].astype(np.int64)
    if binning.span_us is not None:
        # The limit comes first: a time of any size must not overflow.
        return np.minimum(t, binning.span_us) * n_steps // binning.span_us
    return (t - t[:1]) * n_steps // (t[-1] - t[0] + 1) if len(t) else t


def arriving_frames(
    chunks: Iterable[Events],
    sensor: Size,
    *,
    span_us: int | None = None,
    n_events: int | None = None,
    binning: Binning | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Yield a frame whenever a step's time is over, or it has its events.

    Parameters
    ----------
    chunks : iterable of structured arrays
        Events with ``t`` (microseconds), ``x``, ``y`` and ``p`` as they come, each array after the one before in time.
    sensor : tuple of int
        Height and width of the sensor.
    span_us : int, optional
        Length of a step in microseconds, from the first event on. A step without events is a frame of zeros.
    n_events : int, optional
        Events of a step. Exactly one of the two is given.
    binning : Binning, optional
        Part of the sensor that is kept, and size of a frame; all of it if absent.

    Yields
    ------
    uint8 array of shape (2, H, W)
        Number of events, at most 255: channel 0 of polarity OFF, channel 1 ON. The last one may be incomplete.

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
        chunk = _as_events(arrived, sensor)
        if not len(chunk):
            continue
        if chunk["t"][0] < latest or (np.diff(chunk["t"]) < 0).any():
            raise ParameterError(f"events must come in the order of their times; one came after t = {latest} us.")
        latest = int(chunk["t"][-1])
        waiting = np.concatenate([waiting, chunk])
        if not is_timed:
            while len(waiting) >= length:
                yield _frame(waiting[:length], sensor, binning)
                waiting = waiting[length:]
            continue
        ends_at = int(waiting["t"][0]) + length if ends_at is None else ends_at
        while latest >= ends_at:
            n_done = int(np.searchsorted(waiting["t"], ends_at))
            yield _frame(waiting[:n_done], sensor, binning)
            waiting, ends_at = waiting[n_done:], ends_at + length
    if len(waiting):
        yield _frame(waiting, sensor, binning)


def _as_events(chunk: Events, sensor: Size) -> Events:
    """Events as the readers make them: signed times, and polarities 0 and 1 inside the sensor."""
    names, wanted = getattr(chunk, "dtype", np.dtype(np.void)).names or (), EVENT.names or ()
    if not set(wanted) <= set(names):
        raise ParameterError(f"events must be arrays with the fields t, x, y and p; got {names or 'none'}.")
    events = np.empty(len(chunk), EVENT)
    for name in wanted:
        values, most = chunk[name], {"x": sensor[1] - 1, "y": sensor[0] - 1, "p": 1}.get(name, MAX_TIME_US)
        if len(values) and not (values.min() >= 0 and values.max() <= most):
            raise ParameterError(f"{name} of an event must lie in 0..{most}; got {values.min()}..{values.max()}.")
        events[name] = values
    return events


def _frame(events: Events, sensor: Size, binning: Binning | None) -> NDArray[np.uint8]:
    kept = Binning() if binning is None else Binning(crop=binning.crop, size=binning.size)
    return np.asarray(bin_events(events, sensor, 1, kept)[0], np.uint8)
