"""Choose the samples of a split, for any kind of sample.

The splits of a data set are the same for every user (see :mod:`~spikewise.data.splits`). ``test`` is the official
test set in its own order; without one it is a fifth of each class. ``validation`` is a share of the remaining
samples, ``train`` the rest, both ordered by content, so training does not depend on the order of a file. Where a set
comes with validation samples, they are that split.
``all`` is every sample of the source, for cross-validation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from spikewise.errors import DataError, ParameterError, unknown_name

from .formats.checks import Labels, Pixels
from .splits import content_digests, holdout_by_digest

Split = Literal["train", "validation", "test", "all"]
Rows = NDArray[np.int64]

TEST_FRACTION = 0.2  # of a source without an official test set
_MAX_ENLARGED = 0.25  # largest share of validation, however many samples are wanted


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples of one official part with their digests.

    Parameters
    ----------
    content : array of shape (B, ...), or list of B recordings
        Images, frames or events.
    labels : int64 array of shape (B,)
        Classes.
    digests : bytes array of shape (B,)
        Digests that decide about splits; if the content is binned frames, those of the events.
    """

    content: Any
    labels: Labels
    digests: NDArray[np.bytes_]

    def take(self, rows: Rows) -> Any:
        """Return the content of these rows."""
        if isinstance(self.content, list):
            return [self.content[row] for row in rows]
        return self.content[rows]

    def joined(self, other: Samples) -> Samples:
        """Return these samples followed by the others."""
        return Samples(
            self.content + other.content
            if isinstance(self.content, list)
            else np.concatenate([self.content, other.content]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.digests, other.digests]),
        )


def image_samples(images: Pixels, labels: Labels) -> Samples:
    """Return images as samples, with the digests of pixels and labels."""
    return Samples(images, labels, content_digests(images, labels))


@dataclass(frozen=True, slots=True)
class Share:
    """Share of the training samples that goes to validation."""

    fraction: float
    min_samples: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.fraction < 1:
            raise ParameterError(f"validation_fraction must lie in [0, 1); got {self.fraction}.")
        if self.min_samples < 0:
            raise ParameterError(f"min_validation must be at least 0; got {self.min_samples}.")

    def of(self, n_samples: int) -> float:
        """Return the fraction for this many samples, enlarged to reach ``min_samples`` if possible."""
        return max(self.fraction, min(_MAX_ENLARGED, self.min_samples / n_samples))


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Rows of a part that make up one split.

    Parameters
    ----------
    samples : Samples
        Samples of the part.
    rows : int64 array
        Indices of the chosen samples.
    """

    samples: Samples
    rows: Rows

    def content(self) -> Any:
        """Return the content of the chosen samples."""
        return self.samples.take(self.rows)

    def labels(self) -> Labels:
        """Return the labels of the chosen samples."""
        return self.samples.labels[self.rows]

    def require(self, name: str, split: str) -> Choice:
        """Return this choice; raise DataError if it is empty, with the class sizes and a remedy."""
        if len(self.rows):
            return self
        part = self.samples
        sizes = np.unique(part.labels, return_counts=True)[1]
        n_copies = len(part.digests) - len(np.unique(part.digests))
        span = f"{sizes.min()} to {sizes.max()}" if np.ptp(sizes) else f"{sizes[0]}"
        has = f"{len(part.labels)} samples in {len(sizes)} classes of {span}"
        advice = "Give more" + (", or a larger validation_fraction." if split == "validation" else ".")
        if n_copies:  # exact copies share a digest, so they cannot be divided between splits
            has += f", {n_copies} of them exact copies of another,"
            advice = "Copies are never divided between splits: give more different samples."
        raise DataError(f"{name}: the split {split} must hold a sample; {has} leave none for it. {advice}")


def check_split(split: Split) -> Split:
    """Return the name of a split; raise ParameterError if it is unknown."""
    if split not in get_args(Split):
        raise unknown_name("split", split, get_args(Split))
    return split


def choose(
    read: Callable[[str], Samples], split: str, has_test: bool, share: Share, has_validation: bool = False
) -> Choice:
    """Choose the samples of a split and read only the official parts that it needs.

    Parameters
    ----------
    read : callable
        Reads ``"train"`` or ``"test"``.
    split : {"train", "validation", "test", "all"}
        Name of the split.
    has_test : bool
        Whether there is an official test part.
    share : Share
        Share that goes to validation.
    has_validation : bool
        Whether there is a validation part; then ``"validation"`` is read too, and the share does not matter.
    """
    parts = ["test"] * has_test + ["validation"] * has_validation
    if split in parts:
        part = read(split)
        return Choice(part, np.arange(len(part.labels)))
    part = read("train")
    if split == "all":
        for other in parts:
            part = part.joined(read(other))
    return Choice(part, _chosen(part, split, has_test, Share(0.0) if has_validation else share))


def choose_all(
    read: Callable[[str], Samples], has_test: bool, share: Share, has_validation: bool = False
) -> dict[str, Choice]:
    """Choose ``train``, ``validation`` and ``test``; each official part is read once."""
    once = cache(read)
    return {split: choose(once, split, has_test, share, has_validation) for split in ("train", "validation", "test")}


def _chosen(part: Samples, split: str, has_test: bool, share: Share) -> Rows:
    """Return the indices of a split, in the order of the digests."""
    if split == "all":
        return np.argsort(part.digests, kind="stable")
    # Test samples go first: validation is a share of the remaining samples, so its size cannot change the test set.
    rest = np.arange(len(part.labels))
    if not has_test:
        rest, test = holdout_by_digest(part.digests, part.labels, TEST_FRACTION)
        if split == "test":
            return test
    kept, held_out = holdout_by_digest(
        part.digests[rest], part.labels[rest], share.of(len(rest)), from_every_class=share.min_samples > 0
    )
    return rest[kept if split == "train" else held_out]
