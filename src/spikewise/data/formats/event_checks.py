"""Checks that every reader of event recordings applies: events in order of time, each on a pixel of the sensor.

An event says that one pixel became brighter (polarity 1, ON) or darker (0, OFF) at one moment. A recording is
an array of events with four fields: ``t`` in microseconds, column ``x``, row ``y`` downwards, polarity ``p``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise.errors import DataError

Events = NDArray[np.void]

# Packed and little-endian, so that the bytes, and with them digests and splits, are the same on every machine.
EVENT = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
MAX_TIME_US = 2**48  # nine years; larger times could overflow when they are binned


def as_events(t: ArrayLike, x: ArrayLike, y: ArrayLike, p: ArrayLike, size: tuple[int, int], where: str) -> Events:
    """Return checked events in order of time; events with equal times keep their order.

    Parameters
    ----------
    t : int array of shape (n,)
        Times in microseconds, at least 0.
    x, y : int array of shape (n,)
        Column and row.
    p : int array of shape (n,)
        Polarity, 0 or 1.
    size : tuple of int
        Height and width of the sensor.
    where : str
        Name of the source in error messages.

    Raises
    ------
    DataError
        If there is no event, or one lies outside the sensor.

    Examples
    --------
    >>> as_events([5, 3], [0, 1], [2, 2], [1, 0], (3, 3), "x").tolist()
    [(3, 1, 2, 0), (5, 0, 2, 1)]
    """
    fields = dict(zip("txyp", map(np.asarray, (t, x, y, p)), strict=True))
    for name, values in fields.items():
        if values.dtype.kind not in "biu":
            raise DataError(f"{where}: {name} of events must be integers; got {values.dtype}.")
    shape = fields["t"].shape
    if len(shape) != 1 or shape == (0,) or any(values.shape != shape for values in fields.values()):
        raise DataError(f"{where} must hold at least one event, with t, x, y and p; it does not.")
    _check_bounds(fields, size, where)
    events = np.empty(shape, EVENT)
    for name, values in fields.items():
        events[name] = values
    return _in_order(events)


def unwrapped(t: NDArray[np.int64], n_bits: int) -> NDArray[np.int64]:
    """Return the times of a clock of ``n_bits`` bits that begins at 0 again when it is full.

    Events may stand a little out of order, so only a step back by more than half of the range is a new beginning, and
    one forward by more than half of it an event from before.

    Examples
    --------
    >>> unwrapped(np.array([250, 255, 4, 254, 9]), 8).tolist()
    [250, 255, 260, 254, 265]
    """
    period, steps = 1 << n_bits, np.diff(t, prepend=t[:1])
    turns = (steps < -period // 2).astype(np.int64) - (steps > period // 2)
    return np.asarray(t + period * np.maximum(turns.cumsum(), 0))


def checked_events(events: Any, size: tuple[int, int], where: str) -> Events:
    """Return an array of events as :data:`EVENT` in order of time, or raise DataError; they may be none.

    Its fields may be of any integer type, and more than are needed.

    Examples
    --------
    >>> events = np.array([(9, 0, 0, 1, 7), (3, 0, 0, 0, 7)], [*((name, "i4") for name in "txyp"), ("more", "i4")])
    >>> checked_events(events, (1, 1), "x")["t"].tolist()
    [3, 9]
    """
    names = (events.dtype.names or ()) if isinstance(events, np.ndarray) and events.ndim == 1 else ()
    kinds = {events.dtype[name].kind for name in "txyp"} if {*"txyp"} <= {*names} else {"none"}
    if not kinds <= set("biu"):
        raise DataError(
            f"{where} must be an array (n,) with the integer fields t, x, y, p; got {_described(events)}. Convert it."
        )
    if len(events):
        _check_bounds({name: events[name] for name in "txyp"}, size, where)
    if events.dtype != EVENT:
        fields, events = events, np.empty(len(events), EVENT)
        for name in "txyp":
            events[name] = fields[name]
    return _in_order(events)


def _described(events: Any) -> str:
    """Return what a value is that should be events, for a message."""
    if not isinstance(events, np.ndarray):
        return type(events).__name__
    return f"{', '.join(events.dtype.names) if events.dtype.names else events.dtype} of shape {events.shape}"


def _check_bounds(fields: Mapping[str, NDArray[Any]], size: tuple[int, int], where: str) -> None:
    limits = {"t": MAX_TIME_US, "x": size[1], "y": size[0], "p": 2}
    for name, values in fields.items():
        if (values.dtype.kind == "i" and values.min() < 0) or values.max() >= limits[name]:
            raise DataError(
                f"{where}: {name} of an event must lie in 0..{limits[name] - 1}; "
                f"got {values.min()}..{values.max()}. Is it damaged?"
            )


def _in_order(events: Events) -> Events:
    is_ordered = bool((np.diff(events["t"]) >= 0).all())
    return events if is_ordered else events[np.argsort(events["t"], kind="stable")]
