"""Read DVS128-Gesture: an AEDAT 3.1 file shows eleven gestures in a row, and a table gives their times.

``user01_led_labels.csv`` next to ``user01_led.aedat`` has the columns ``class`` (1 to 11), ``startTime_usec`` and
``endTime_usec``; the start time belongs to the gesture, the end time does not. ``trials_to_train.txt`` and
``trials_to_test.txt`` list the files of each part.
"""

from pathlib import Path

import numpy as np

from spikewise._files import read_text
from spikewise.errors import DataError

from .aedat import read_aedat3
from .event_checks import MAX_TIME_US, Events

N_CLASSES = 11
_COLUMNS = ["class", "startTime_usec", "endTime_usec"]
_MAX_TEXT = 2**20


def read_gestures(path: Path) -> list[tuple[Events, int]]:
    """Read the gestures of one file with their labels, 0 to 10; each gesture starts at time 0.

    Raises
    ------
    DataError
        If the recording or its table is damaged, or a gesture has no event.
    """
    table = path.with_name(f"{path.stem}_labels.csv")
    rows = _rows(table)
    events = read_aedat3(path)
    gestures = []
    for row, (label, start, stop) in enumerate(rows, 2):
        # Events are in order of time, so a gesture is a slice: first event at or after start, first at or after stop.
        first, last = np.searchsorted(events["t"], [start, stop])
        if first >= last:
            raise DataError(f"{table}, line {row}: a gesture must have an event of {path.name}; it has none.")
        gesture = events[first:last].copy()
        gesture["t"] -= start
        gestures.append((gesture, label))
    return gestures


def read_trials(path: Path) -> list[str]:
    """Read the names of the recordings of a part, one per line."""
    names = [line.strip() for line in _text(path).splitlines() if line.strip()]
    for name in names:
        # A path in a list must not lead out of the folder.
        if not name.endswith(".aedat") or "/" in name or "\\" in name:
            raise DataError(f"{path} must list .aedat files beside it; got {name!r}.")
    if not names or len(set(names)) < len(names):
        raise DataError(f"{path} must list different .aedat files; it does not.")
    return names


def _rows(table: Path) -> list[tuple[int, int, int]]:
    """Read label (from 0), start and end of each gesture."""
    head, *lines = _text(table).splitlines() or [""]
    if [name.strip() for name in head.split(",")] != _COLUMNS or not lines:
        raise DataError(f"{table} must have the columns {', '.join(_COLUMNS)} and a row; it has not.")
    rows = []
    for number, line in enumerate(lines, 2):
        cells = line.split(",")  # at most 19 digits: more than any time has, and int() of very long text is slow
        if len(cells) != len(_COLUMNS) or not all(cell.strip().isdecimal() and len(cell) < 20 for cell in cells):
            raise DataError(f"{table}, line {number}: a row must be three whole numbers; got {line[:60]!r}.")
        label, start, stop = map(int, cells)
        if not 1 <= label <= N_CLASSES or not start < stop <= MAX_TIME_US:
            raise DataError(
                f"{table}, line {number}: class must lie in 1..{N_CLASSES} and start before end; got {line!r}."
            )
        rows.append((label - 1, start, stop))
    return rows


def _text(path: Path) -> str:
    return read_text(path, "text file", _MAX_TEXT)
