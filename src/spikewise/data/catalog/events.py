"""Which files of a folder make up a published set of event recordings, read one recording at a time.

A set of recordings can be larger than memory (CIFAR10-DVS has some 2 billion events), so its parts are iterators:
whoever wants frames bins each recording as it comes.
"""

from __future__ import annotations

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
    """Files that have been found and are not read yet.

    Parameters
    ----------
    train : callable
        Iterates over the recordings that are not for testing, and their labels.
    test : callable or None
        Iterates over the official test recordings, if there are any.
    sensor : tuple of int
        Height and width of the sensor.
    """

    train: Recordings
    test: Recordings | None
    sensor: tuple[int, int]


def event_set_of(name: str | os.PathLike[str]) -> NamedSet | None:
    """The set of recordings of this name, or the one whose files lie in the folder of this path; None for all else.

    Examples
    --------
    >>> event_set_of("nmnist").name, event_set_of("digits")
    ('nmnist', None)
    """
    if isinstance(name, str) and name in EVENT_SETS:
        return named_set(name)
    folder = Path(name)
    if not os.fspath(name) or not folder.is_dir():
        return None
    return next((known for known in map(named_set, sorted(EVENT_SETS)) if find_events(known, folder)), None)


def find_events(known: NamedSet, folder: Path) -> EventFiles | None:
    """The files of a set in this folder, or None if they are not all there."""
    return _FINDERS[known.name](folder, known)


def _find_nmnist(folder: Path, known: NamedSet) -> EventFiles | None:
    """``train.npz`` and ``test.npz``, or the folders ``Train`` and ``Test`` of class folders of ``.bin``."""
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
    """A folder of ``.aedat`` per class; there is no official test part."""
    files = _class_files(folder, known.classes, ".aedat")
    return EventFiles(partial(_from_files, files, _upright), None, aedat.SIZE) if files else None


def _find_gesture(folder: Path, known: NamedSet) -> EventFiles | None:
    """The ``.aedat`` files with their tables, and the two lists that say to which part they belong."""
    lists = [folder / f"trials_to_{part}.txt" for part in ("train", "test")]
    if not all(path.is_file() for path in lists):
        return None
    train, test = (partial(_from_trials, path) for path in lists)
    return EventFiles(train, test, aedat.SIZE)


_FINDERS = {"nmnist": _find_nmnist, "cifar10-dvs": _find_cifar10_dvs, "dvs128-gesture": _find_gesture}
EVENT_SETS = frozenset(_FINDERS)


def _class_files(folder: Path, classes: tuple[str, ...], suffix: str) -> list[tuple[Path, int]]:
    """Files of all class folders with their labels; none if a class has none."""
    listed = [sorted((folder / name).glob(f"*{suffix}")) for name in classes]
    return [(path, label) for label, paths in enumerate(listed) for path in paths] if all(listed) else []


def _from_npz(path: Path) -> Iterator[tuple[Events, int]]:
    recordings, labels = nmnist.read_nmnist_npz(path)
    return zip(recordings, labels.tolist(), strict=True)


def _from_files(files: list[tuple[Path, int]], read: Callable[[Path], Events]) -> Iterator[tuple[Events, int]]:
    return ((read(path), label) for path, label in files)


def _upright(path: Path) -> Events:
    """A recording of CIFAR10-DVS with its axes exchanged, as the readers of the field do: only then is it upright."""
    events = aedat.read_aedat2(path)
    turned = events.copy()
    turned["x"], turned["y"] = events["y"], events["x"]
    return turned


def _from_trials(trials: Path) -> Iterator[tuple[Events, int]]:
    for name in read_trials(trials):
        path = trials.with_name(name)
        if not path.is_file():
            raise DataError(f"{trials} must list files beside it; {name} is absent.")
        yield from read_gestures(path)
