r"""Split samples by their content, not by their place in a file.

A random split of row numbers changes if a file is shuffled or read from another archive, and then test images
of one user are training images of another. Here each sample gets a digest of its pixels and label,

.. math:: d_i = \mathrm{BLAKE2b}(\text{pixels}_i;\ \text{salt} = \text{label}_i),

which acts as a random number. Within each class the samples are ranked by it, and the first ranks are
held out. So a split is stratified and the same for every user and any order of the samples, exact duplicates
stay together, and a larger fraction holds out a superset of a smaller one.
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._arguments import checks_arguments
from spikewise._gates import as_array, as_numbers, as_whole
from spikewise.errors import ParameterError, ShapeError

IndexArray = NDArray[np.int64]
DIGEST_BYTES = 16


def content_digests(images: ArrayLike, labels: ArrayLike) -> NDArray[np.bytes_]:
    """Return the digest (16 bytes) of each sample's pixels and label.

    Parameters
    ----------
    images : array of shape (B, ...)
        Samples; two are duplicates if their bytes and labels are equal.
    labels : int array of shape (B,)
        Classes.
    """
    pixels, classes = np.ascontiguousarray(as_numbers(images, "images")), as_array(labels, "labels")
    if pixels.ndim < 2 or classes.shape != pixels.shape[:1] or not pixels.size:
        raise ShapeError(f"images must be (B, ...) and labels (B,), not empty; got {pixels.shape}, {classes.shape}.")
    if classes.dtype.kind not in "iu":
        raise ParameterError(f"labels must be integers; got {classes.dtype}.")
    classes = as_whole(classes, "labels")
    # Slices of one view of all bytes: no sample is copied to be hashed.
    content = pixels.reshape(-1).view(np.uint8).data
    width = len(content) // len(classes)
    return digest_array(
        [content_digest(content[i * width : (i + 1) * width], label) for i, label in enumerate(classes.tolist())]
    )


def content_digest(content: bytes | memoryview, label: int) -> bytes:
    """Return the digest (16 bytes) of one sample's bytes and label."""
    # The label as salt: equal images of different classes are different samples, not duplicates.
    salt = label.to_bytes(8, "little", signed=True)
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES, salt=salt).digest()


def digest_array(digests: Sequence[bytes]) -> NDArray[np.bytes_]:
    """Return digests of samples as an array (B,)."""
    return np.frombuffer(b"".join(digests), f"S{DIGEST_BYTES}")


def rank_by_content(images: ArrayLike, labels: ArrayLike) -> IndexArray:
    """Return the order (B,) of the samples by digest: it looks shuffled but is the same for every user.

    Examples
    --------
    >>> images, labels = np.arange(6, dtype=np.uint8).reshape(6, 1), np.zeros(6, int)
    >>> images[rank_by_content(images, labels)].ravel().tolist()
    [1, 4, 0, 3, 5, 2]
    >>> images[::-1][rank_by_content(images[::-1], labels)].ravel().tolist()
    [1, 4, 0, 3, 5, 2]
    """
    return np.argsort(content_digests(images, labels), kind="stable")


@checks_arguments
def stratified_holdout(images: ArrayLike, labels: ArrayLike, fraction: float) -> tuple[IndexArray, IndexArray]:
    """Hold out the same share of each class.

    Parameters
    ----------
    images : array of shape (B, ...)
        Samples.
    labels : int array of shape (B,)
        Classes.
    fraction : float
        Share to hold out, in [0, 1]. Of a class of n samples about ``round(fraction * n)`` are held out: the closest
        number that does not divide a group of exact duplicates.

    Returns
    -------
    kept, held_out : int arrays
        Indices in the order of the digests, so that the chosen samples do not depend on the order of the input.

    Examples
    --------
    >>> images, labels = np.arange(20, dtype=np.uint8).reshape(20, 1), np.repeat([0, 1], 10)
    >>> kept, held_out = stratified_holdout(images, labels, 0.2)
    >>> len(kept), np.bincount(labels[held_out]).tolist()
    (16, [2, 2])
    """
    return holdout_by_digest(content_digests(images, labels), as_array(labels, "labels"), fraction)


def holdout_by_digest(
    digests: NDArray[np.bytes_], labels: NDArray[np.integer], fraction: float, *, from_every_class: bool = False
) -> tuple[IndexArray, IndexArray]:
    """Hold out the same share of each class, as :func:`stratified_holdout` does, given the digests.

    With ``from_every_class``, a class whose share rounds to 0 still gives one sample or group of duplicates,
    unless that is more than half of the class.
    """
    if not 0 <= fraction <= 1:
        raise ParameterError(f"fraction must lie in [0, 1]; got {fraction}.")
    is_held_out = np.zeros(len(digests), bool)
    for ranked, group_starts in _classes_by_rank(digests, labels):
        # A class may be cut only where a group of duplicates begins, or at its end.
        cuts = np.append(np.unique(group_starts), len(ranked))
        if from_every_class and (some := cuts[(cuts > 0) & (cuts <= max(fraction, 0.5) * len(ranked))]).size:
            cuts = some
        cut = cuts[np.abs(cuts - round(fraction * len(ranked))).argmin()]
        is_held_out[ranked[:cut]] = True
    order = np.argsort(digests, kind="stable")
    return order[~is_held_out[order]], order[is_held_out[order]]


@checks_arguments
def stratified_folds(images: ArrayLike, labels: ArrayLike, n_folds: int) -> IndexArray:
    """Return the fold number (B,) of each sample, for cross-validation.

    All folds have the same size, in total and for each class, up to one sample (or one group of exact duplicates,
    which share a fold).

    Examples
    --------
    >>> images, labels = np.arange(20, dtype=np.uint8).reshape(20, 1), np.repeat([0, 1], 10)
    >>> np.bincount(stratified_folds(images, labels, 5)).tolist()
    [4, 4, 4, 4, 4]
    """
    digests = content_digests(images, labels)
    if not 2 <= n_folds <= len(digests):
        raise ParameterError(f"n_folds must lie in 2..{len(digests)}, the number of samples; got {n_folds}.")
    folds = np.zeros(len(digests), np.int64)
    n_dealt = 0  # surplus samples so far: each class continues at the next fold, so the folds stay equal in total
    for ranked, group_starts in _classes_by_rank(digests, as_array(labels, "labels")):
        share, rest = divmod(len(ranked), n_folds)
        ends = np.cumsum(share + (np.arange(n_folds) < rest))
        folds[ranked] = (np.searchsorted(ends, group_starts, side="right") + n_dealt) % n_folds
        n_dealt += rest
    return folds


def _classes_by_rank(
    digests: NDArray[np.bytes_], labels: NDArray[np.integer]
) -> Iterator[tuple[IndexArray, IndexArray]]:
    """Yield for each class its samples (n,) by rank and, for each sample, the rank (n,) of its first duplicate."""
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        ranked = members[np.argsort(digests[members], kind="stable")]
        sorted_digests = digests[ranked]
        is_new = np.append(True, sorted_digests[1:] != sorted_digests[:-1])
        # The running maximum spreads the rank of the first of equal digests over its group.
        yield ranked, np.maximum.accumulate(np.where(is_new, np.arange(len(ranked)), 0))


def content_sha256(images: ArrayLike, labels: ArrayLike) -> str:
    """Return the SHA-256 of a whole set; it does not depend on the order of the samples.

    Examples
    --------
    >>> images = np.array([[[1, 2]], [[3, 4]]], np.uint8)
    >>> content_sha256(images, [0, 1]) == content_sha256(images[::-1], [1, 0])
    True
    >>> content_sha256(images, [0, 1]) == content_sha256(images, [1, 0])
    False
    """
    return sha256_of_digests(content_digests(images, labels), np.shape(images)[1:])


def sha256_of_digests(digests: NDArray[np.bytes_], shape: tuple[int, ...]) -> str:
    """Return :func:`content_sha256` of samples of this shape, given their digests."""
    return hashlib.sha256(repr(shape).encode() + np.sort(digests).tobytes()).hexdigest()
