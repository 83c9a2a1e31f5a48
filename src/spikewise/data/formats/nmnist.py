"""Read N-MNIST: MNIST digits seen by a moving event camera, 34x34 pixels for about 0.3 s.

Each published file holds one recording, five bytes per event::

    x   y   p t22..t16   t15..t8   t7..t0        p: top bit, 1 for ON; t in microseconds

A record with y = 240, beyond every pixel, is no event: the clock of the camera (ATIS) was full, and all later times are
2^13 us more. The 23 bits of a time begin at 0 again after 8.4 s.

An ``.npz`` holds many recordings: ``x``, ``y``, ``p``, ``t`` of all events one after another, ``labels``
and ``offsets`` (n+1); recording i is ``[offsets[i]:offsets[i+1]]``.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np

from spikewise._arrays import read_npz
from spikewise.errors import DataError

from .checks import Labels, as_labels, read_file
from .event_checks import Events, as_events, unwrapped

SIZE = (34, 34)
N_CLASSES = 10
_EVENT_BYTES = 5
_OVERFLOW = 240


def read_nmnist_bin(path: Path) -> Events:
    """Read the events of one recording.

    Raises
    ------
    DataError
        If the file is cut short, empty, or has an event outside 34x34 pixels.
    """
    content = read_file(path, "recording")
    if len(content) % _EVENT_BYTES:
        raise DataError(f"{path} must hold events of {_EVENT_BYTES} bytes; got {len(content)} bytes. Fetch it again.")
    x, y, high, middle, low = np.frombuffer(content, np.uint8).reshape(-1, _EVENT_BYTES).astype(np.int64).T
    is_overflow = y == _OVERFLOW
    t = unwrapped((high & 0x7F) << 16 | middle << 8 | low, 23) + is_overflow.cumsum() * 2**13
    t, x, y, p = (values[~is_overflow] for values in (t, x, y, high >> 7))
    return as_events(t, x, y, p, SIZE, str(path))


def read_nmnist_npz(path: Path) -> tuple[list[Events], Labels]:
    """Read the recordings and labels of an ``.npz``."""
    arrays = read_npz(path, ["x", "y", "p", "t", "offsets", "labels"])
    labels = as_labels(arrays["labels"], N_CLASSES, str(path))
    offsets, n_events = arrays["offsets"], len(np.atleast_1d(arrays["t"]))
    if offsets.shape != (len(labels) + 1,) or offsets.dtype.kind not in "iu":
        raise DataError(f"{path}: offsets must be {len(labels) + 1} integers, one more than labels; they are not.")
    bounds = offsets.tolist()
    if bounds[0] != 0 or bounds[-1] != n_events or any(a > b for a, b in pairwise(bounds)):
        raise DataError(f"{path}: offsets must rise from 0 to the number of events, {n_events}; they do not.")
    if any(arrays[name].shape != (n_events,) for name in "xypt"):
        raise DataError(f"{path}: x, y, p and t must have one entry per event; they do not.")
    recordings = []
    for i, (start, stop) in enumerate(pairwise(bounds)):
        t, x, y, p = (arrays[name][start:stop] for name in "txyp")
        # A clock of 32 bits is full after 71 minutes of the camera, which may be within a recording.
        t = unwrapped(t.astype(np.int64), 32) if t.dtype == np.uint32 else t
        recordings.append(as_events(t, x, y, p, SIZE, f"{path}: recording {i}"))
    return recordings, labels
