"""Where samples lie: which files of a folder make up a data set, and which folder is looked at first.

A named set is looked for in ``root``, then in ``$SPIKEWISE_DATA``, then in the user's cache, and downloaded
if it is in none of them. Below each of these the files may lie in a folder of the set's name or directly.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from spikewise.errors import DataError, unknown_name

from .fetch import fetch
from .formats.checks import Labels, Pixels, as_pixels
from .formats.cifar import read_cifar_archive, read_cifar_batches
from .formats.folder import read_class_folders
from .formats.grid import read_picture_grids
from .formats.idx import read_idx_pair
from .formats.npz import read_npz_images
from .registry import DATA_VARIABLE, NAMED_SETS, NamedSet, named_set

Part = Callable[[], tuple[Pixels, Labels]]
FileProgress = Callable[[str, int, int | None], None]

_CIFAR_FOLDER = "cifar-10-batches-bin"
_CIFAR_BATCHES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}


@dataclass(frozen=True, slots=True)
class Source:
    """A data set that has been found and is not read yet.

    Parameters
    ----------
    name : str
        Name of the set, or of the file or folder.
    where : str
        The folder or file it is read from.
    classes : tuple of str
        Names of the classes; those of a file are read with it.
    train : callable
        Reads all samples that are not for testing.
    test : callable or None
        Reads the official test samples, if there are any.
    known : NamedSet or None
        The published set that it claims to be.
    """

    name: str
    where: str
    classes: tuple[str, ...]
    train: Part
    test: Part | None = None
    known: NamedSet | None = None


def open_source(
    name: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    progress: FileProgress | None = None,
) -> Source:
    """Find a data set by its name, or by the path of an ``.npz`` or of a folder of class folders.

    Raises
    ------
    ParameterError
        If the name is unknown and nothing lies at that path.
    DataError
        If the set is in none of the folders and must not be downloaded, or the file is damaged.
    DownloadError
        If no mirror delivers it.
    """
    if name == "digits":
        return Source("digits", "scikit-learn", named_set("digits").classes, _read_digits)
    if isinstance(name, str) and name in NAMED_SETS:
        known = named_set(name)
        for folder in _folders(known, root):
            if (source := _find(known, folder)) is not None:
                return source
        return _download(known, root, download, progress)
    path = Path(name)
    if os.fspath(name) and path.is_dir():
        return _open_folder(path)
    if path.suffix == ".npz":
        images, labels, classes = read_npz_images(path)
        return Source(path.stem, str(path), classes, lambda: (images, labels))
    if os.fspath(name) and path.exists():
        raise DataError(f"{path} must be an .npz file or a folder of class folders; it is neither.")
    raise unknown_name("data set", os.fspath(name), NAMED_SETS)


def search_folders(root: str | os.PathLike[str] | None = None) -> list[Path]:
    """Folders that are looked at for a named set: root, $SPIKEWISE_DATA, the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spikewise"
    given = [Path(place) for place in (root, os.environ.get(DATA_VARIABLE)) if place]
    return [*given, cache]


def _folders(known: NamedSet, root: str | os.PathLike[str] | None) -> Iterator[Path]:
    for base in search_folders(root):
        for below in (known.name, *known.other_folders, "."):
            if (base / below).is_dir():
                yield base / below


def _download(
    known: NamedSet, root: str | os.PathLike[str] | None, download: bool, progress: FileProgress | None
) -> Source:
    places = search_folders(root)
    if not download:
        raise DataError(
            f"{known.name} must lie in {' or '.join(map(str, places))}; it is in none. "
            f"Give root, set {DATA_VARIABLE}, or allow the download."
        )
    folder = (places[0] if root else places[-1]) / known.name
    for file, checksum in known.files.items():
        fetch(known.urls(file), folder / file, checksum, progress=partial(progress, file) if progress else None)
    source = _find(known, folder)
    if source is None:
        raise DataError(f"{folder} must hold the files of {known.name}; they vanished after the download.")
    return source


def _find(known: NamedSet, folder: Path) -> Source | None:
    """The data set in this folder, in whichever format it is there."""
    parts = _find_cifar(folder, known) if known.name == "cifar10" else _find_idx(folder, known)
    return Source(known.name, str(folder), known.classes, *parts, known) if parts else None


def _find_idx(folder: Path, known: NamedSet) -> tuple[Part, Part] | None:
    def find(part: str) -> Part | None:
        images = _idx_file(folder, f"{part}-images", 3)
        labels = _idx_file(folder, f"{part}-labels", 1)
        return partial(read_idx_pair, images, labels, len(known.classes)) if images and labels else None

    train, test = find("train"), find("t10k")
    return (train, test) if train and test else None


def _idx_file(folder: Path, stem: str, n_dims: int) -> Path | None:
    """The file under any of the names it goes by."""
    names = [f"{stem}{dot}idx{n_dims}-ubyte{suffix}" for dot in "-." for suffix in (".gz", "")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _find_cifar(folder: Path, known: NamedSet) -> tuple[Part, Part] | None:
    for below in (folder / _CIFAR_FOLDER, folder):
        batches = {part: [below / file for file in files] for part, files in _CIFAR_BATCHES.items()}
        if all(path.is_file() for paths in batches.values() for path in paths):
            return partial(read_cifar_batches, batches["train"]), partial(read_cifar_batches, batches["test"])
    archive = folder / "cifar-10-binary.tar.gz"
    if archive.is_file():
        members = {part: [f"{_CIFAR_FOLDER}/{file}" for file in files] for part, files in _CIFAR_BATCHES.items()}
        read = partial(read_cifar_archive, archive)
        return partial(read, members["train"]), partial(read, members["test"])
    labels, train, test = folder / "labels.npz", _numbered(folder), folder / "test.webp"
    if labels.is_file() and train and test.is_file():
        return (
            partial(read_picture_grids, train, labels, "train", known.classes),
            partial(read_picture_grids, [test], labels, "test", known.classes),
        )
    return None


def _numbered(folder: Path) -> list[Path]:
    """train-1.webp, train-2.webp, ... up to the first that is absent."""
    pictures: list[Path] = []
    while (path := folder / f"train-{len(pictures) + 1}.webp").is_file():
        pictures.append(path)
    return pictures


def _open_folder(path: Path) -> Source:
    """Class folders, or two folders named train and test with the same class folders each."""
    below = {entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    if below != {"train", "test"}:
        images, labels, classes = read_class_folders(path)
        return Source(path.resolve().name, str(path), classes, lambda: (images, labels))
    parts = {part: read_class_folders(path / part) for part in ("train", "test")}
    if parts["train"][2] != parts["test"][2] or parts["train"][0].shape[1:] != parts["test"][0].shape[1:]:
        raise DataError(f"{path}: train and test must have the same classes and the same shape of picture.")
    return Source(
        path.resolve().name, str(path), parts["train"][2], lambda: parts["train"][:2], lambda: parts["test"][:2]
    )


def _read_digits() -> tuple[Pixels, Labels]:
    """The 1,797 digits of 8x8 pixels in 17 shades that come with scikit-learn, rescaled to 8 bits."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    return as_pixels(images, "digits"), bunch.target.astype(np.int64)
