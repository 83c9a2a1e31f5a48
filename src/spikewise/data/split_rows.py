"""Which samples make up a split, whatever a sample is.

The splits of a name are the same for everyone (see :mod:`~spikewise.data.splits`). ``test`` is the official
test set in its own order; a source that has none gives up a fifth of each class. ``validation`` is a share of
what remains, ``train`` the rest, both ordered by content, so training does not depend on the order of a file.
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
_MAX_ENLARGED = 0.25  # validation is not enlarged further, however many samples are wished for


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples of one official part with their digests.

    Parameters
    ----------
    content : array of shape (B, ...), or list of B recordings
        What is learned from.
    labels : int64 array of shape (B,)
        Classes.
    digests : bytes array of shape (B,)
        What decides about splits; of the events, where the content is frames binned from them.
    """

    content: Any
    labels: Labels
    digests: NDArray[np.bytes_]

    def take(self, rows: Rows) -> Any:
        """Content of these rows."""
        if isinstance(self.content, list):
            return [self.content[row] for row in rows]
        return self.content[rows]

    def joined(self, other: Samples) -> Samples:
        """These samples and then the others."""
        return Samples(
            self.content + other.content
            if isinstance(self.content, list)
            else np.concatenate([self.content, other.content]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.digests, other.digests]),
        )


def image_samples(images: Pixels, labels: Labels) -> Samples:
    """Images with the digests of their pixels."""
    return Samples(images, labels, content_digests(images, labels))


@dataclass(frozen=True, slots=True)
class Share:
    """How much of what is learned from goes to validation."""

    fraction: float
    min_samples: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.fraction < 1:
            raise ParameterError(f"validation_fraction must lie in [0, 1); got {self.fraction}.")
        if self.min_samples < 0:
            raise ParameterError(f"min_validation must be at least 0; got {self.min_samples}.")

    def of(self, n_samples: int) -> float:
        """Fraction of this many samples."""
        return max(self.fraction, min(_MAX_ENLARGED, self.min_samples / n_samples))


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Rows of a part that make up one split.

    Parameters
    ----------
    samples : Samples
        The part.
    rows : int64 array
        Indices into it.
    """

    samples: Samples
    rows: Rows

    def content(self) -> Any:
        """What the rows hold."""
        return self.samples.take(self.rows)

    def labels(self) -> Labels:
        """Their classes."""
        return self.samples.labels[self.rows]

    def require(self, name: str, split: str) -> Choice:
        """Return this choice, unless it is empty: then an error says what there is and what would help."""
        if len(self.rows):
            return self
        part = self.samples
        sizes = np.unique(part.labels, return_counts=True)[1]
        n_copies = len(part.digests) - len(np.unique(part.digests))
        span = f"{sizes.min()} to {sizes.max()}" if np.ptp(sizes) else f"{sizes[0]}"
        has = f"{len(part.labels)} samples in {len(sizes)} classes of {span}"
        advice = "Give more" + (", or a larger validation_fraction." if split == "validation" else ".")
        if n_copies:
            has += f", {n_copies} of them exact copies of another,"
            advice = "Copies are never divided between splits: give more different samples."
        raise DataError(f"{name}: the split {split} must hold a sample; {has} leave none for it. {advice}")


def check_split(split: Split) -> Split:
    """The name of a split, once it is known to be one."""
    if split not in get_args(Split):
        raise unknown_name("split", split, get_args(Split))
    return split


def choose(read: Callable[[str], Samples], split: str, has_test: bool, share: Share) -> Choice:
    """The part and the rows of it that make up a split, read with as few files as it needs.

    Parameters
    ----------
    read : callable
        Reads ``"train"`` or ``"test"``.
    split : {"train", "validation", "test", "all"}
        Which split.
    has_test : bool
        Whether there is an official test part.
    share : Share
        How much goes to validation.
    """
    if split == "test" and has_test:
        part = read("test")
        return Choice(part, np.arange(len(part.labels)))
    part = read("train")
    if split == "all" and has_test:
        part = part.joined(read("test"))
    return Choice(part, _chosen(part, split, has_test, share))


def choose_all(read: Callable[[str], Samples], has_test: bool, share: Share) -> dict[str, Choice]:
    """``train``, ``validation`` and ``test``, each part read once."""
    once = cache(read)
    return {split: choose(once, split, has_test, share) for split in ("train", "validation", "test")}


def _chosen(part: Samples, split: str, has_test: bool, share: Share) -> Rows:
    """Indices of a split, in the order of the digests."""
    if split == "all":
        return np.argsort(part.digests, kind="stable")
    rest = np.arange(len(part.labels))
    if not has_test:
        rest, test = holdout_by_digest(part.digests, part.labels, TEST_FRACTION)
        if split == "test":
            return test
    kept, held_out = holdout_by_digest(
        part.digests[rest], part.labels[rest], share.of(len(rest)), from_every_class=share.min_samples > 0
    )
    return rest[kept if split == "train" else held_out]
