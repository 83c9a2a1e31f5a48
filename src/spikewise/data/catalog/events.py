"""Find the files of a published set of event recordings in a folder, and read one recording at a time.

A set of recordings can be larger than memory (CIFAR10-DVS has about 2 billion events), so its parts are iterators, and
each recording can be binned into frames before the next one is read.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from spikewise.data.formats import aedat, nmnist
from spikewise.data.formats.event_checks import Events
from spikewise.data.formats.gesture import read_gestures, read_trials
from spikewise.errors import DataError

from .registry import NamedSet, named_set

Recordings = Callable[[], Iterator[tuple[Events, int]]]


@dataclass(frozen=True, slots=True)
class EventFiles:
    """Files of a set of recordings that were found but not read yet.

    Parameters
    ----------
    train : callable
        Returns an iterator over recordings and labels that are not for testing.
    test : callable or None
        Returns an iterator over the official test recordings and labels, if there are any.
    sensor : tuple of int
        Height and width of the sensor.
    """

    train: Recordings
    test: Recordings | None
    sensor: tuple[int, int]


def event_set_of(name: str | os.PathLike[str]) -> NamedSet | None:
    """Return the set of recordings with this name, or whose files lie in this folder; None if there is none.

    Examples
    --------
    >>> event_set_of("nmnist").name, event_set_of("digits")
    ('nmnist', None)
    """
    if isinstance(name, str) and name in EVENT_SETS:
        return named_set(name)
    folder = Path(name)
    # Path("") is the current folder, which nobody means by an empty name.
    if not os.fspath(name) or not folder.is_dir():
        return None
    return next((known for known in map(named_set, sorted(EVENT_SETS)) if find_events(known, folder)), None)


def find_events(known: NamedSet, folder: Path) -> EventFiles | None:
    """Return the files of a set in this folder, or None if some are missing."""
    return _FINDERS[known.name](folder, known)


def _find_nmnist(folder: Path, known: NamedSet) -> EventFiles | None:
    """Find ``train.npz`` and ``test.npz``, or folders ``Train`` and ``Test`` with class folders of ``.bin`` files."""
    files = [folder / f"{part}.npz" for part in ("train", "test")]
    if all(path.is_file() for path in files):
        train, test = (partial(_from_npz, path) for path in files)
        return EventFiles(train, test, nmnist.SIZE)
    for names in (("Train", "Test"), ("train", "test")):
        parts = [_class_files(folder / name, known.classes, ".bin") for name in names]
        if all(parts):
            train_files, test_files = (partial(_from_files, part, nmnist.read_nmnist_bin) for part in parts)
            return EventFiles(train_files, test_files, nmnist.SIZE)
    return None


def _find_cifar10_dvs(folder: Path, known: NamedSet) -> EventFiles | None:
    """Find one folder of ``.aedat`` files per class; there is no official test part."""
    files = _class_files(folder, known.classes, ".aedat")
    return EventFiles(partial(_from_files, files, _upright), None, aedat.SIZE) if files else None


def _find_gesture(folder: Path, known: NamedSet) -> EventFiles | None:
    """Find the two lists of the ``.aedat`` files of each part; the recordings themselves are checked when read."""
    lists = [folder / f"trials_to_{part}.txt" for part in ("train", "test")]
    if not all(path.is_file() for path in lists):
        return None
    train, test = (partial(_from_trials, path) for path in lists)
    return EventFiles(train, test, aedat.SIZE)


_FINDERS = {"nmnist": _find_nmnist, "cifar10-dvs": _find_cifar10_dvs, "dvs128-gesture": _find_gesture}
EVENT_SETS = frozenset(_FINDERS)


def _class_files(folder: Path, classes: tuple[str, ...], suffix: str) -> list[tuple[Path, int]]:
    """Return the files of all class folders with their labels; an empty list if a class has no file."""
    listed = [sorted((folder / name).glob(f"*{suffix}")) for name in classes]
    return [(path, label) for label, paths in enumerate(listed) for path in paths] if all(listed) else []


def _from_npz(path: Path) -> Iterator[tuple[Events, int]]:
    recordings, labels = nmnist.read_nmnist_npz(path)
    return zip(recordings, labels.tolist(), strict=True)


def _from_files(files: list[tuple[Path, int]], read: Callable[[Path], Events]) -> Iterator[tuple[Events, int]]:
    return ((read(path), label) for path, label in files)


def _upright(path: Path) -> Events:
    """Read a recording of CIFAR10-DVS and exchange x and y, as other readers do: only then is it upright."""
    events = aedat.read_aedat2(path)
    turned = events.copy()
    turned["x"], turned["y"] = events["y"], events["x"]
    return turned


def _from_trials(trials: Path) -> Iterator[tuple[Events, int]]:
    for name in read_trials(trials):
        path = trials.with_name(name)
        if not path.is_file():
            raise DataError(f"{trials} must list files beside it; {name} is absent.")
        yield from read_gestures(path)  # one file holds several gestures
