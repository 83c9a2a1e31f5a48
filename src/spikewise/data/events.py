"""Load event recordings with labels: one call returns a split of a named data set.

For networks that take frames, :func:`~spikewise.data.images.load_splits` bins each recording while it is read. This
module returns the events themselves, for augmentation in time, for other binnings, and for plots.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._arguments import checks_arguments
from spikewise._gates import as_rows
from spikewise.errors import DataError, whole_number

from .binning import Binning, Size
from .catalog.events import Recordings
from .catalog.sources import open_recordings
from .event_augment import EventAugmentation
from .formats.checks import as_labels, check_size
from .formats.event_checks import EVENT, Events, checked_events
from .frames import binned
from .images import ImageSet
from .split_rows import Samples, Share, Split, check_split, choose
from .splits import content_digest, digest_array, sha256_of_digests


@checks_arguments
@dataclass(frozen=True, slots=True, eq=False)
class EventSet:
    """Event recordings of one split with their labels.

    Parameters
    ----------
    recordings : sequence of structured arrays of shape (n,)
        Events of each recording, with ``t`` in microseconds, ``x``, ``y`` and polarity ``p``, in order of time.
    labels : int64 array of shape (B,)
        Class of each recording, an index into ``classes``.
    classes : tuple of str
        Names of the classes.
    sensor : tuple of int
        Height and width of the sensor.
    name : str
        Name of the data set.
    split : str
        Name of the split.

    Examples
    --------
    >>> events = np.array([(0, 1, 0, 1), (10, 0, 0, 0)], EVENT)
    >>> recordings = EventSet([events], [0], ("a",), (1, 2), "own", "all")
    >>> recordings.n_samples, recordings.n_events.tolist()
    (1, [2])
    >>> recordings.frames(n_steps=2).images.shape
    (2, 1, 2, 1, 2)
    """

    recordings: Sequence[Events]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    sensor: Size
    name: str
    split: str

    def __post_init__(self) -> None:
        where = f"{self.name} ({self.split})"
        recordings = tuple(
            checked_events(events, self.sensor, f"{where}: recording {place}")
            for place, events in enumerate(self.recordings)
        )
        if not recordings:
            raise DataError(f"{where}: there must be at least one recording; got none.")
        object.__setattr__(self, "recordings", recordings)
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "labels", as_labels(self.labels, len(self.classes), where))
        if len(self.labels) != len(recordings):
            raise DataError(f"{where}: there must be one label per recording; got {len(self.labels)} labels.")

    @property
    def n_samples(self) -> int:
        """Number of recordings B."""
        return len(self.recordings)

    @property
    def n_classes(self) -> int:
        """Number of classes K, whether or not each occurs."""
        return len(self.classes)

    @property
    def n_events(self) -> NDArray[np.int64]:
        """Number of events of each recording (B,)."""
        return np.array([len(events) for events in self.recordings], np.int64)

    @property
    def sha256(self) -> str:
        """SHA-256 of events and labels; it does not depend on the order of the samples."""
        return sha256_of_digests(_digests(self.recordings, self.labels), self.sensor)

    def subset(self, index: ArrayLike | slice) -> EventSet:
        """Return the samples at these indices, mask or slice as a new set."""
        rows = np.arange(self.n_samples)[as_rows(index, self.n_samples)]
        picked = [self.recordings[row] for row in rows]
        return EventSet(picked, self.labels[rows], self.classes, self.sensor, self.name, self.split)

    @checks_arguments
    def varied(self, augmentation: EventAugmentation, seed: int) -> EventSet:
        """Return the augmented recordings; each depends only on the seed and its index."""
        varied = [
            augmentation.vary(events, self.sensor, np.random.default_rng([whole_number("seed", seed, 0), place]))
            for place, events in enumerate(self.recordings)
        ]
        return EventSet(varied, self.labels, self.classes, self.sensor, self.name, self.split)

    @checks_arguments
    def frames(self, n_steps: int, binning: Binning | None = None) -> ImageSet:
        """Bin the recordings into frames (T, B, 2, H, W) of 8 bits; see :func:`~spikewise.data.frames.bin_events`."""
        frames = []
        for events in self.recordings:
            frames.append(binned(events, self.sensor, n_steps, binning))
            # Inside the loop: the first frame already tells whether all of them fit into memory.
            check_size((self.n_samples, *frames[0].shape), 1, "all frames together")
        return ImageSet(np.stack(frames, 1), self.labels, self.classes, self.name, self.split)


@checks_arguments
def load_events(
    name: str | os.PathLike[str],
    split: Split = "train",
    root: str | os.PathLike[str] | None = None,
    *,
    validation_fraction: float = 0.1,
) -> EventSet:
    """Read one split of a set of event recordings; it holds the same recordings as the split of frames.

    Parameters
    ----------
    name : str or path
        ``nmnist``, ``cifar10-dvs`` or ``dvs128-gesture``, or the folder of one of them.
    split : {"train", "validation", "test", "all"}
        Name of the split. Reading any split needs memory for the whole part, 13 bytes per event.
    root : path, optional
        Folder searched before ``$SPIKEWISE_DATA`` and the user's cache.
    validation_fraction : float
        Share of each class that goes from ``train`` to ``validation``, in [0, 1).

    Raises
    ------
    ParameterError
        If the name, the split or the fraction is not valid.
    DataError
        If the set is absent, a file is damaged, or the split is empty.
    """
    share, split = Share(validation_fraction), check_split(split)
    known, _, files = open_recordings(name, root)
    parts = {"train": partial(_collected, files.train, known.name)}
    if files.test:
        parts["test"] = partial(_collected, files.test, known.name)
    chosen = choose(lambda part: parts[part](), split, "test" in parts, share)
    chosen.require(known.name, split)
    return EventSet(chosen.content(), chosen.labels(), known.classes, files.sensor, known.name, split)


def _collected(recordings: Recordings, name: str) -> Samples:
    """Read all recordings of a part; raise DataError if they do not fit into memory."""
    content, labels, n_events = [], [], 0
    for events, label in recordings():
        content.append(events)
        labels.append(label)
        n_events += len(events)
        check_size((n_events,), EVENT.itemsize, f"all events of {name}")
    classes = np.array(labels, np.int64)
    return Samples(content, classes, _digests(content, classes))


def _digests(recordings: Sequence[Events], labels: NDArray[np.int64]) -> NDArray[np.bytes_]:
    return digest_array(
        [content_digest(events.tobytes(), label) for events, label in zip(recordings, labels.tolist(), strict=True)]
    )
