"""Pictures with labels, ready to learn from: one call from a name to a split.

The splits of a name are the same for everyone (see :mod:`~spikewise.data.splits`). ``test`` is the official
test set in its own order; a source that has none gives up a fifth of each class. ``validation`` is a share of
what remains, ``train`` the rest, both ordered by content, so training does not depend on the order of a file.
``all`` is every sample of the source, for cross-validation.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise.errors import DataError, ParameterError, unknown_name

from .formats.checks import Labels, Pixels, as_labels, check_channels, check_paired
from .registry import NAMED_SETS
from .sources import Source, open_source
from .splits import content_digests, content_sha256, holdout_by_digest, sha256_of_digests

Split = Literal["train", "validation", "test", "all"]

TEST_FRACTION = 0.2  # of a source without an official test set
_MAX_ENLARGED = 0.25  # validation is not enlarged further, however many samples are wished for


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Pictures of one split and their classes.

    Parameters
    ----------
    images : uint8 array of shape (B, C, H, W)
        Pixels, 0 to 255, of 1 to 4 channels.
    labels : int64 array of shape (B,)
        Class of each picture, an index into ``classes``.
    classes : tuple of str
        Names of the classes.
    name : str
        Name of the data set.
    split : str
        Which samples of it these are.

    Examples
    --------
    >>> digits = load_images("digits", "all")
    >>> digits.n_samples, digits.shape, digits.n_classes
    (1797, (1, 8, 8), 10)
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    name: str
    split: str

    def __post_init__(self) -> None:
        where = f"{self.name} ({self.split})"
        images = np.asarray(self.images)
        if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape:
            raise DataError(
                f"{where}: images must be uint8 (B, C, H, W), not empty; got {images.dtype} {images.shape}."
            )
        check_channels(images, where)
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "labels", as_labels(self.labels, len(self.classes), where))
        check_paired(images, self.labels, where)

    @property
    def n_samples(self) -> int:
        """Number of pictures B."""
        return len(self.images)

    @property
    def n_classes(self) -> int:
        """Number of classes K, whether or not each occurs."""
        return len(self.classes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of one picture."""
        _, n_channels, height, width = self.images.shape
        return n_channels, height, width

    @property
    def sha256(self) -> str:
        """Hash of pixels and labels, the same for any order of the samples."""
        return content_sha256(self.images, self.labels)

    def subset(self, index: ArrayLike | slice) -> ImageSet:
        """The samples picked by indices, a mask or a slice, as a set of its own.

        Examples
        --------
        >>> load_images("digits").subset(slice(100)).n_samples
        100
        """
        rows = index if isinstance(index, slice) else np.asarray(index)
        return ImageSet(self.images[rows], self.labels[rows], self.classes, self.name, self.split)


def load_images(
    name: str | os.PathLike[str],
    split: Split = "train",
    root: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    validation_fraction: float = 0.1,
) -> ImageSet:
    """Read one split of a data set.

    Parameters
    ----------
    name : str or path
        ``digits`` (comes with scikit-learn), ``mnist``, ``fashion-mnist`` or ``cifar10``; or the path of an
        ``.npz`` with ``images``, ``labels`` and perhaps ``classes``; or of a folder of class folders.
    split : {"train", "validation", "test", "all"}
        Which samples.
    root : path, optional
        Folder looked at before ``$SPIKEWISE_DATA`` and the user's cache.
    download : bool
        Whether a set that is in none of them is fetched.
    validation_fraction : float
        Share of each class that ``train`` leaves to ``validation``, in [0, 1).

    Raises
    ------
    ParameterError
        If the name, the split or the fraction is not possible.
    DataError
        If a file is damaged, holds another data set, or the split is empty.
    DownloadError
        If no mirror delivers.

    Examples
    --------
    >>> train, validation = load_images("digits"), load_images("digits", "validation")
    >>> train.n_samples, validation.n_samples, load_images("digits", "test").n_samples
    (1295, 143, 359)
    """
    share = _Share(validation_fraction)
    if split not in get_args(Split):
        raise unknown_name("split", split, get_args(Split))
    source = open_source(name, root, download=download)
    return _as_set(source, split, *_pick(source, lambda part: _read(source, part), split, share))


def load_splits(
    name: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    validation_fraction: float = 0.1,
    min_validation: int = 0,
) -> dict[str, ImageSet]:
    """Read ``train``, ``validation`` and ``test`` at once, each file a single time; see :func:`load_images`.

    Parameters
    ----------
    min_validation : int
        About how many validation images are wished for. For them the fraction is enlarged, to at most 1/4, and a
        class too small for its share gives up a sample all the same, unless duplicates would make it more than half.

    Examples
    --------
    >>> {split: samples.n_samples for split, samples in load_splits("digits").items()}
    {'train': 1295, 'validation': 143, 'test': 359}
    >>> {split: samples.n_samples for split, samples in load_splits("digits", min_validation=350).items()}
    {'train': 1086, 'validation': 352, 'test': 359}
    """
    return read_splits(open_source(name, root, download=download), validation_fraction, min_validation)


def read_splits(
    source: Source, validation_fraction: float = 0.1, min_validation: int = 0, *, skip_empty: bool = False
) -> dict[str, ImageSet]:
    """``train``, ``validation`` and ``test`` of a source that has been found; empty ones raise, or are left out."""
    share = _Share(validation_fraction, min_validation)
    once = cache(lambda part: _read(source, part))
    splits: tuple[Split, ...] = ("train", "validation", "test")
    picked = {split: _pick(source, once, split, share) for split in splits}
    return {split: _as_set(source, split, *rows) for split, rows in picked.items() if len(rows[1]) or not skip_empty}


def verify(source: Source, splits: Mapping[str, ImageSet]) -> bool:
    """Whether these splits together are the published data set; False if nobody published a checksum.

    Raises
    ------
    DataError
        If a checksum is published and the content differs.
    """
    if not source.known or not source.known.content:
        return False
    for part, names in {"train": ["train", "validation"], "test": ["test"]}.items():
        images = np.concatenate([splits[name].images for name in names])
        labels = np.concatenate([splits[name].labels for name in names])
        if content_sha256(images, labels) != source.known.content[part]:
            raise DataError(
                f"{source.where} must hold the {part} samples of {source.name}; {len(images)} samples with another "
                "content lie there. Remove the files and fetch them again."
            )
    return True


@dataclass(frozen=True, slots=True)
class _Share:
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
class _Samples:
    """Samples of one official part with their digests."""

    images: Pixels
    labels: Labels
    digests: NDArray[np.bytes_]


def _read(source: Source, part: str) -> _Samples:
    """Samples of one official part, once they are known not to be another set's: file names are shared."""
    read = source.test if part == "test" and source.test else source.train
    images, labels = read()
    digests = content_digests(images, labels)
    if source.known:
        digest = sha256_of_digests(digests, images.shape[1:])
        for other in NAMED_SETS.values():
            if other is not source.known and digest in other.content.values():
                raise DataError(f"{source.where} must hold {source.name}; it holds {other.name}. Give another root.")
    return _Samples(images, labels, digests)


def _pick(
    source: Source, read: Callable[[str], _Samples], split: Split, share: _Share
) -> tuple[_Samples, NDArray[np.int64]]:
    """A part and the rows of it that make up the split, read with as few files as it needs."""
    if split == "test" and source.test is not None:
        part = read("test")
        return part, np.arange(len(part.labels))
    part = read("train")
    if split == "all" and source.test is not None:
        part = _joined(part, read("test"))
    return part, _chosen(part, split, source.test is not None, share)


def _chosen(part: _Samples, split: Split, has_test: bool, share: _Share) -> NDArray[np.int64]:
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


def _as_set(source: Source, split: Split, part: _Samples, rows: NDArray[np.int64]) -> ImageSet:
    if not len(rows):
        sizes = np.unique(part.labels, return_counts=True)[1]
        n_copies = len(part.digests) - len(np.unique(part.digests))
        span = f"{sizes.min()} to {sizes.max()}" if np.ptp(sizes) else f"{sizes[0]}"
        has = f"{len(part.labels)} samples in {len(sizes)} classes of {span}"
        advice = "Give more" + (", or a larger validation_fraction." if split == "validation" else ".")
        if n_copies:
            has += f", {n_copies} of them exact copies of another,"
            advice = "Copies are never divided between splits: give more different samples."
        raise DataError(f"{source.name}: the split {split} must hold a sample; {has} leave none for it. {advice}")
    return ImageSet(part.images[rows], part.labels[rows], source.classes, source.name, split)


def _joined(first: _Samples, second: _Samples) -> _Samples:
    return _Samples(
        np.concatenate([first.images, second.images]),
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.digests, second.digests]),
    )
