"""Checks that every reader of event recordings applies: events in order of time, each on a pixel of the sensor.

An event says that one pixel became brighter (polarity 1, ON) or darker (0, OFF) at one moment. A recording is
an array of events with four fields: ``t`` in microseconds, column ``x``, row ``y`` downwards, polarity ``p``.
"""

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
    limits = {"t": MAX_TIME_US, "x": size[1], "y": size[0], "p": 2}
    for name, values in fields.items():
        if values.min() < 0 or values.max() >= limits[name]:
            raise DataError(
                f"{where}: {name} of an event must lie in 0..{limits[name] - 1}; "
                f"got {values.min()}..{values.max()}. Is it damaged?"
            )
    events = np.empty(shape, EVENT)
    for name, values in fields.items():
        events[name] = values
    is_ordered = bool((np.diff(events["t"]) >= 0).all())
    return events if is_ordered else events[np.argsort(events["t"], kind="stable")]
