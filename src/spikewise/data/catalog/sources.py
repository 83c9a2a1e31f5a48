"""Find the folder of a data set and the files in it.

A named set is searched in ``root``, then in ``$SPIKEWISE_DATA``, then in the user's cache, and downloaded
if it is in none of them. In each of these places the files may lie in a folder with the set's name or directly.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spikewise._arguments import checks_arguments
from spikewise.data.binning import Binning
from spikewise.data.formats.checks import Labels, Pixels, as_pixels, check_size
from spikewise.data.formats.folder import read_class_folders, split_folders
from spikewise.data.formats.npz import read_npz_images
from spikewise.data.frames import binned
from spikewise.data.split_rows import Samples, image_samples
from spikewise.data.splits import content_digest, digest_array
from spikewise.errors import DataError, unknown_name

from .events import EVENT_SETS, EventFiles, Recordings, event_set_of, find_events
from .registry import DATA_VARIABLE, NAMED_SETS, NamedSet, named_set

if TYPE_CHECKING:
    from .images import Read

Part = Callable[[], Samples]
FileProgress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class Source:
    """A data set that was found but not read yet.

    Parameters
    ----------
    name : str
        Name of the data set, file or folder.
    where : str
        Folder or file from which it is read.
    classes : tuple of str
        Names of the classes.
    train : callable
        Reads all samples that are not for testing.
    test : callable or None
        Reads the official test samples, if there are any.
    known : NamedSet or None
        Published set of this name.
    validation : callable or None
        Reads the samples that whoever made the set held out for validation, if there are any.
    """

    name: str
    where: str
    classes: tuple[str, ...]
    train: Part
    test: Part | None = None
    known: NamedSet | None = None
    validation: Part | None = None


@checks_arguments
def open_source(
    name: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    progress: FileProgress | None = None,
    n_steps: int = 4,
    binning: Binning | None = None,
) -> Source:
    """Find a data set by its name, or by the path of an ``.npz``, of a folder of class folders or of recordings.

    Event recordings will be read as ``n_steps`` frames, according to ``binning``.

    Raises
    ------
    ParameterError
        If the name is unknown and there is no such path.
    DataError
        If the set is in none of the folders and must not be downloaded, or the file is damaged.
    DownloadError
        If no mirror delivers the files.
    """
    if name == "digits":
        return Source("digits", "scikit-learn", named_set("digits").classes, _hashed(_read_digits))
    if event_set_of(name):
        known, folder, files = open_recordings(name, root)
        framed = partial(_framed, files.sensor, n_steps, Binning() if binning is None else binning)
        test = partial(framed, files.test) if files.test else None
        return Source(known.name, str(folder), known.classes, partial(framed, files.train), test, known)
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
        return Source(path.stem, str(path), classes, _hashed(lambda: (images, labels)))
    if os.fspath(name) and path.exists():
        raise DataError(f"{path} must be an .npz file or a folder of class folders; it is neither.")
    raise unknown_name("data set", os.fspath(name), NAMED_SETS)


def open_recordings(
    name: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
) -> tuple[NamedSet, Path, EventFiles]:
    """Find a set of event recordings by its name or folder; return the set, its folder and its unread files.

    Raises
    ------
    ParameterError
        If ``name`` is neither the name nor the folder of a set of recordings.
    DataError
        If the set is in none of the folders; these sets are not downloaded.
    """
    known = event_set_of(name)
    if known is None:
        raise unknown_name("set of recordings", os.fspath(name), EVENT_SETS)
    for folder in _folders(known, root) if name == known.name else [Path(name)]:
        if (files := find_events(known, folder)) is not None:
            return known, folder, files
    raise _absent(known, root, f"Get it from {known.homepage}, and give root or set {DATA_VARIABLE}.")


def search_folders(root: str | os.PathLike[str] | None = None) -> list[Path]:
    """Return the folders in which named sets are searched: root, $SPIKEWISE_DATA, the user's cache."""
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
    if not download:
        raise _absent(known, root, f"Give root, set {DATA_VARIABLE}, or allow the download.")
    # Imported here: HTTP and TLS take time to load, and most calls find the files.
    from .download import fetch

    places = search_folders(root)
    # Never into $SPIKEWISE_DATA, which may be shared or read-only.
    folder = (places[0] if root else places[-1]) / known.name
    for file, checksum in known.files.items():
        fetch(known.urls(file), folder / file, checksum, progress=partial(progress, file) if progress else None)
    source = _find(known, folder)
    if source is None:
        raise DataError(f"{folder} must hold the files of {known.name}; they vanished after the download.")
    return source


def _absent(known: NamedSet, root: str | os.PathLike[str] | None, advice: str) -> DataError:
    places = " or ".join(map(str, search_folders(root)))
    return DataError(f"{known.name} must lie in {places}; it is in none. {advice}")


def _find(known: NamedSet, folder: Path) -> Source | None:
    """Return the images of a named set in this folder, in any of its formats; None if there are none."""
    from .images import find_images

    files = find_images(known, folder)
    if files is None:
        return None
    return Source(known.name, str(folder), files.classes, _hashed(files.train), _hashed(files.test), known)


def _hashed(read: Read) -> Part:
    return lambda: image_samples(*read())


def _framed(sensor: tuple[int, int], n_steps: int, binning: Binning, recordings: Recordings) -> Samples:
    """Bin recordings into frames (B, T, 2, H, W), with the digests of their events."""
    frames, labels, digests = [], [], []
    for events, label in recordings():
        frames.append(binned(events, sensor, n_steps, binning))
        check_size((len(frames), *frames[0].shape), 1, "all frames together")
        labels.append(label)
        # Of the events, not the frames: the splits are then the same for every number of steps.
        digests.append(content_digest(events.tobytes(), label))
    return Samples(np.stack(frames), np.array(labels, np.int64), digest_array(digests))


def _open_folder(path: Path) -> Source:
    """Open class folders, or folders of splits (train, and val, test or both) with the same class folders."""
    folders = split_folders(path)
    if "train" not in folders:
        images, labels, classes = read_class_folders(path)
        return Source(path.resolve().name, str(path), classes, _hashed(lambda: (images, labels)))
    parts = {part: read_class_folders(folder) for part, folder in folders.items()}
    classes, shape = parts["train"][2], parts["train"][0].shape[1:]
    for part, (images, _, names) in parts.items():
        if names != classes or images.shape[1:] != shape:
            raise DataError(
                f"{path}: train and {part} must have the same classes and the same shape of picture; got "
                f"{len(classes)} classes of {shape} and {len(names)} of {images.shape[1:]}."
            )
    read = {part: _hashed(partial(_pair, found)) for part, found in parts.items()}
    return Source(
        path.resolve().name, str(path), classes, read["train"], read.get("test"), validation=read.get("validation")
    )


def _pair(found: tuple[Pixels, Labels, tuple[str, ...]]) -> tuple[Pixels, Labels]:
    return found[0], found[1]


def _read_digits() -> tuple[Pixels, Labels]:
    """Read the 1,797 digits of 8x8 pixels and 17 grey levels that come with scikit-learn, scaled to 8 bits."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    return as_pixels(images, "digits"), bunch.target.astype(np.int64)
