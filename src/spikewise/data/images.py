"""Load images with labels: one call returns a split of a named data set.

The samples of a split are the same for every user (see :mod:`~spikewise.data.split_rows`). Event recordings are
binned into frames while they are read (see :mod:`~spikewise.data.frames`); their splits depend on the events, so they
are the same for every number of steps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._arguments import checks_arguments
from spikewise._gates import as_array, as_rows
from spikewise.errors import DataError

from .binning import Binning
from .catalog.registry import NAMED_SETS
from .catalog.sources import Source, open_source
from .formats.checks import as_labels, check_channels, check_paired
from .split_rows import Choice, Samples, Share, Split, check_split, choose, choose_all
from .splits import content_sha256, sha256_of_digests


@checks_arguments
@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Images, or frames of recordings, of one split with their labels.

    Parameters
    ----------
    images : uint8 array of shape (B, C, H, W) or (T, B, C, H, W)
        Pixels, 0 to 255, with 1 to 4 channels; or T frames of each recording, event counts of two polarities.
    labels : int64 array of shape (B,)
        Class of each picture, an index into ``classes``.
    classes : tuple of str
        Names of the classes.
    name : str
        Name of the data set.
    split : str
        Name of the split.

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
        images = as_array(self.images, f"{where}: images")
        if images.dtype != np.uint8 or images.ndim not in (4, 5) or 0 in images.shape:
            raise DataError(
                f"{where}: images must be uint8 (B, C, H, W) or (T, B, C, H, W), not empty; "
                f"got {images.dtype} {images.shape}."
            )
        # Frames count as further images here: the check looks at the channel axis only.
        check_channels(images.reshape(-1, *images.shape[-3:]), where)
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "labels", as_labels(self.labels, len(self.classes), where))
        check_paired(self._by_sample, self.labels, where)

    @property
    def n_samples(self) -> int:
        """Number of pictures or recordings B."""
        return len(self._by_sample)

    @property
    def n_classes(self) -> int:
        """Number of classes K, whether or not each occurs."""
        return len(self.classes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of one picture or frame."""
        *_, n_channels, height, width = self.images.shape
        return n_channels, height, width

    @property
    def n_frames(self) -> int | None:
        """Frames T of a recording; None for pictures."""
        return len(self.images) if self.images.ndim == 5 else None

    @property
    def _by_sample(self) -> NDArray[np.uint8]:
        """The images with the samples first, as a view."""
        return self.images.swapaxes(0, 1) if self.images.ndim == 5 else self.images

    @property
    def sha256(self) -> str:
        """SHA-256 of pixels and labels; it does not depend on the order of the samples."""
        return content_sha256(self._by_sample, self.labels)

    def subset(self, index: ArrayLike | slice) -> ImageSet:
        """Return the samples at these indices, mask or slice as a new set.

        Examples
        --------
        >>> load_images("digits").subset(slice(100)).n_samples
        100
        """
        rows = as_rows(index, self.n_samples)
        images = self.images[:, rows] if self.images.ndim == 5 else self.images[rows]
        return ImageSet(images, self.labels[rows], self.classes, self.name, self.split)


@checks_arguments
def load_images(
    name: str | os.PathLike[str],
    split: Split = "train",
    root: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    validation_fraction: float = 0.1,
    n_steps: int = 4,
    binning: Binning | None = None,
) -> ImageSet:
    """Read one split of a data set.

    Parameters
    ----------
    name : str or path
        ``digits`` (comes with scikit-learn), ``mnist``, ``fashion-mnist``, ``cifar10``, ``cifar100`` or
        ``tiny-imagenet``; the recordings ``nmnist``, ``cifar10-dvs`` or ``dvs128-gesture``; or the path of an
        ``.npz`` with ``images``, ``labels`` and perhaps ``classes``; or of a folder of class folders.
    split : {"train", "validation", "test", "all"}
        Name of the split.
    root : path, optional
        Folder searched before ``$SPIKEWISE_DATA`` and the user's cache.
    download : bool
        Whether to download a set that is in none of these folders.
    validation_fraction : float
        Share of each class that goes from ``train`` to ``validation``, in [0, 1).
    n_steps : int
        Frames T of each recording; pictures have none.
    binning : Binning, optional
        How recordings become frames; if absent, steps of equal time and frames of the sensor's size.

    Raises
    ------
    ParameterError
        If the name, the split or the fraction is not valid.
    DataError
        If a file is damaged, holds another data set, or the split is empty.
    DownloadError
        If no mirror delivers the files.

    Examples
    --------
    >>> train, validation = load_images("digits"), load_images("digits", "validation")
    >>> train.n_samples, validation.n_samples, load_images("digits", "test").n_samples
    (1295, 143, 359)
    """
    share, split = Share(validation_fraction), check_split(split)
    source = open_source(name, root, download=download, n_steps=n_steps, binning=binning)
    return _as_set(
        source, split, choose(_reader(source), split, source.test is not None, share, source.validation is not None)
    )


@checks_arguments
def load_splits(
    name: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    validation_fraction: float = 0.1,
    min_validation: int = 0,
    n_steps: int = 4,
    binning: Binning | None = None,
) -> dict[str, ImageSet]:
    """Read ``train``, ``validation`` and ``test``, each file only once; see :func:`load_images`.

    Parameters
    ----------
    min_validation : int
        Wanted number of validation images, approximately. To reach it, the fraction grows, to at most 1/4, and even a
        class too small for its share gives one sample, unless its duplicates would make that more than half.

    Examples
    --------
    >>> {split: samples.n_samples for split, samples in load_splits("digits").items()}
    {'train': 1295, 'validation': 143, 'test': 359}
    >>> {split: samples.n_samples for split, samples in load_splits("digits", min_validation=350).items()}
    {'train': 1086, 'validation': 352, 'test': 359}
    """
    source = open_source(name, root, download=download, n_steps=n_steps, binning=binning)
    return read_splits(source, validation_fraction, min_validation)


def read_splits(
    source: Source, validation_fraction: float = 0.1, min_validation: int = 0, *, skip_empty: bool = False
) -> dict[str, ImageSet]:
    """Read ``train``, ``validation`` and ``test`` of a source; an empty split raises DataError or is left out."""
    share = Share(validation_fraction, min_validation)
    chosen = choose_all(_reader(source), source.test is not None, share, source.validation is not None)
    return {
        split: _as_set(source, split, choice) for split, choice in chosen.items() if len(choice.rows) or not skip_empty
    }


def verify(source: Source, splits: Mapping[str, ImageSet]) -> bool:
    """Whether these splits together are the published data set; False if no checksum is published.

    Raises
    ------
    DataError
        If a checksum is published and the content differs.
    """
    if not source.known or not source.known.content:
        return False
    # The checksum does not depend on the order, so the two shuffled splits can simply be joined again.
    for part, names in {"train": ["train", "validation"], "test": ["test"]}.items():
        images = np.concatenate([splits[name].images for name in names])
        labels = np.concatenate([splits[name].labels for name in names])
        if content_sha256(images, labels) != source.known.content[part]:
            raise DataError(
                f"{source.where} must hold the {part} samples of {source.name}; {len(images)} samples with another "
                "content lie there. Remove the files and fetch them again."
            )
    return True


def _reader(source: Source) -> Callable[[str], Samples]:
    """Return a function that reads an official part and checks that it is not that of another named set."""

    def read(part: str) -> Samples:
        read_part = {"test": source.test, "validation": source.validation}.get(part) or source.train
        samples = read_part()
        if source.known:  # MNIST and Fashion-MNIST have the same file names
            digest = sha256_of_digests(samples.digests, samples.content.shape[1:])
            for other in NAMED_SETS.values():
                if other is not source.known and digest in other.content.values():
                    raise DataError(
                        f"{source.where} must hold {source.name}; it holds {other.name}. Give another root."
                    )
        return samples

    return read


def _as_set(source: Source, split: str, choice: Choice) -> ImageSet:
    choice.require(source.name, split)
    images = choice.content()
    # Sources read recordings one after another (B, T, ...); networks need time first.
    time_first = np.ascontiguousarray(images.swapaxes(0, 1)) if images.ndim == 5 else images
    return ImageSet(time_first, choice.labels(), source.classes, source.name, split)
