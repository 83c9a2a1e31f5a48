"""Find the files of a published set of images in a folder, in any of its formats."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from spikewise.data.formats.checks import Labels, Pixels
from spikewise.data.formats.cifar import CIFAR10, CIFAR100, CifarLayout, read_cifar_archive, read_cifar_batches
from spikewise.data.formats.grid import read_picture_grids
from spikewise.data.formats.idx import read_idx_pair
from spikewise.data.formats.tiny_imagenet import read_classes, read_tiny_imagenet

from .registry import NamedSet

Read = Callable[[], tuple[Pixels, Labels]]


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """Files of a set of images that were found but not read yet.

    Parameters
    ----------
    train, test : callable
        Read the two official parts.
    classes : tuple of str
        Names of the classes.
    """

    train: Read
    test: Read
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _CifarFiles:
    """File names of one published form of a CIFAR set: the archive, its folder and the batches in that folder."""

    archive: str
    folder: str
    train: tuple[str, ...]
    test: str


_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
_CIFAR = {
    "cifar10": (
        CIFAR10,
        _CifarFiles(
            "cifar-10-binary.tar.gz",
            "cifar-10-batches-bin",
            tuple(f"{name}.bin" for name in _BATCHES),
            "test_batch.bin",
        ),
        _CifarFiles("cifar-10-python.tar.gz", "cifar-10-batches-py", _BATCHES, "test_batch"),
    ),
    "cifar100": (
        CIFAR100,
        _CifarFiles("cifar-100-binary.tar.gz", "cifar-100-binary", ("train.bin",), "test.bin"),
        _CifarFiles("cifar-100-python.tar.gz", "cifar-100-python", ("train",), "test"),
    ),
}


def find_images(known: NamedSet, folder: Path) -> ImageFiles | None:
    """Return the files of a set in this folder, or None if some are missing."""
    if known.name == "tiny-imagenet":
        return _find_tiny_imagenet(folder)
    if known.name in _CIFAR:
        # The grids of pictures are an unofficial form of CIFAR-10 and are searched last.
        layout, *ways = _CIFAR[known.name]
        found = next(filter(None, (_find_cifar(folder, files, layout) for files in ways)), None)
        found = found or (_find_grids(folder, known) if known.name == "cifar10" else None)
    else:
        found = _find_idx(folder, len(known.classes))
    return ImageFiles(*found, known.classes) if found else None


def _find_idx(folder: Path, n_classes: int) -> tuple[Read, Read] | None:
    def find(part: str) -> Read | None:
        images = _idx_file(folder, f"{part}-images", 3)
        labels = _idx_file(folder, f"{part}-labels", 1)
        return partial(read_idx_pair, images, labels, n_classes) if images and labels else None

    train, test = find("train"), find("t10k")
    return (train, test) if train and test else None


def _idx_file(folder: Path, stem: str, n_dims: int) -> Path | None:
    """Return the IDX file under any of its usual names, or None."""
    # Unpacking tools write "-idx3" or ".idx3", and the file may still be gzipped.
    names = [f"{stem}{dot}idx{n_dims}-ubyte{suffix}" for dot in "-." for suffix in (".gz", "")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _find_cifar(folder: Path, files: _CifarFiles, layout: CifarLayout) -> tuple[Read, Read] | None:
    parts = (files.train, (files.test,))
    # Unpacked batches come first: reading an archive takes longer.
    for below in (folder / files.folder, folder):
        train, test = ([below / name for name in names] for names in parts)
        if all(path.is_file() for path in (*train, *test)):
            return partial(read_cifar_batches, train, layout), partial(read_cifar_batches, test, layout)
    archive = folder / files.archive
    if archive.is_file():
        train_members, test_members = ([f"{files.folder}/{name}" for name in names] for names in parts)
        return (
            partial(read_cifar_archive, archive, train_members, layout),
            partial(read_cifar_archive, archive, test_members, layout),
        )
    return None


def _find_grids(folder: Path, known: NamedSet) -> tuple[Read, Read] | None:
    labels, train, test = folder / "labels.npz", _numbered(folder), folder / "test.webp"
    if not (labels.is_file() and train and test.is_file()):
        return None
    return (
        partial(read_picture_grids, train, labels, "train", known.classes),
        partial(read_picture_grids, [test], labels, "test", known.classes),
    )


def _numbered(folder: Path) -> list[Path]:
    """Return train-1.webp, train-2.webp, ... up to the first missing number."""
    pictures: list[Path] = []
    while (path := folder / f"train-{len(pictures) + 1}.webp").is_file():
        pictures.append(path)
    return pictures


def _find_tiny_imagenet(folder: Path) -> ImageFiles | None:
    name = "tiny-imagenet-200"
    for place in (folder / name, folder, folder / f"{name}.zip"):
        if (place.suffix == ".zip" and place.is_file()) or (place / "wnids.txt").is_file():
            numbers, classes = read_classes(place)
            train, val = (partial(read_tiny_imagenet, place, part, numbers) for part in ("train", "val"))
            return ImageFiles(train, val, classes)
    return None
