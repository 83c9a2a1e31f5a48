"""Read Tiny-ImageNet as published, from its folder or directly from its zip.

::

    wnids.txt                                the 200 classes, one WordNet number per line
    words.txt                                WordNet number, tab, names
    train/n01443537/images/*.JPEG            500 pictures of 64x64 per class
    val/images/val_0.JPEG                    10,000 pictures, whose classes are in
    val/val_annotations.txt                  file, tab, WordNet number, tab, a box
    test/images/*.JPEG                       10,000 without a label, never read

Classes are numbered in the order of their WordNet numbers. Some pictures are grey; they get three equal channels.
"""

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from spikewise._opener import opened_zip, read_bytes, read_member
from spikewise.errors import DataError

from .checks import Labels, Pixels, check_size
from .folder import decode_picture

_SHAPE = (3, 64, 64)
_MAX_TEXT = 2**24  # bytes of words.txt and the annotations; they have 2.7 MB and 0.4 MB
_MAX_PICTURE = 2**22  # bytes of a picture file
_FOLDER = "tiny-imagenet-200"

Read = Callable[[str, int], bytes]


def read_classes(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read the WordNet numbers of the classes, sorted, and their names: the first word, or the number itself."""
    with _opened(path) as (names, read, _):
        numbers = tuple(sorted(_text(read, "wnids.txt", path).split()))
        if not numbers or len(set(numbers)) < len(numbers):
            raise DataError(f"{path}: wnids.txt must list different classes; it does not.")
        words = {}
        if "words.txt" in names:
            rows = (line.partition("\t") for line in _text(read, "words.txt", path).splitlines())
            words = {number: text.split(",")[0].strip() for number, _, text in rows}
    # Several classes may share their first word; then the numbers are the only distinct names.
    named = tuple(words.get(number) or number for number in numbers)
    return numbers, named if len(set(named)) == len(named) else numbers


def read_tiny_imagenet(path: Path, part: str, numbers: Sequence[str]) -> tuple[Pixels, Labels]:
    """Read images ``(B, 3, 64, 64)`` and labels of one part.

    Parameters
    ----------
    path : Path
        The unpacked folder, or the zip.
    part : str
        ``"train"`` or ``"val"``.
    numbers : sequence of str
        WordNet numbers of the classes.

    Raises
    ------
    DataError
        If a picture is absent, damaged or of another size, or has an unknown class.
    """
    label_of = {number: label for label, number in enumerate(numbers)}
    with _opened(path) as (names, read, n_bytes):
        listed = _listed_train(names, label_of) if part == "train" else _listed_val(read, label_of, path)
        check_size((len(listed), *_SHAPE), 1, f"{path}: {part}", n_bytes)
        images = np.empty((len(listed), *_SHAPE), np.uint8)
        for image, (name, _) in zip(images, listed, strict=True):
            where = f"{path}: {name}"
            content = read(name, _MAX_PICTURE)
            picture = decode_picture(io.BytesIO(content), len(content), where, n_channels=3)
            if picture.shape != _SHAPE:
                raise DataError(f"{where} must have 64x64 pixels; it has {picture.shape[1]}x{picture.shape[2]}.")
            image[:] = picture
    return images, np.array([label for _, label in listed], np.int64)


def _listed_train(names: Sequence[str], label_of: dict[str, int]) -> list[tuple[str, int]]:
    """List the pictures of the class folders, by class and name."""
    parts = ((name, name.split("/")) for name in names if name.endswith(".JPEG"))
    return sorted(
        (name, label_of[place[1]])
        for name, place in parts
        if len(place) == 4 and place[0] == "train" and place[2] == "images" and place[1] in label_of
    )


def _listed_val(read: Read, label_of: dict[str, int], path: Path) -> list[tuple[str, int]]:
    """List the pictures in the order of their annotations."""
    listed = []
    for row, line in enumerate(_text(read, "val/val_annotations.txt", path).splitlines(), 1):
        name, number = (*line.split("\t"), "")[:2]
        if number not in label_of or "/" in name or "\\" in name or not name.endswith(".JPEG"):
            raise DataError(f"{path}: val_annotations.txt must name a .JPEG and its class; line {row} does not.")
        listed.append((f"val/images/{name}", label_of[number]))
    return listed


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Sequence[str], Read, int]]:
    """Yield the file names in the data set's folder, a function that reads a file of at most so many bytes, and the
    bytes of all files, or of the zip.
    """
    if path.is_dir():
        # Only names that are listed below; those of the validation part come from its annotations.
        inside = [entry.relative_to(path).as_posix() for entry in sorted(path.glob("train/*/images/*.JPEG"))]
        n_bytes = sum(entry.stat().st_size for entry in path.glob("*/**/*.JPEG"))
        names = [*inside, *(entry.name for entry in path.glob("*.txt"))]
        yield names, lambda name, most: read_bytes(path / name, "file of Tiny-ImageNet", most), n_bytes
        return
    with opened_zip(path, "whole zip") as (archive, n_bytes):
        members = {info.filename.removeprefix(f"{_FOLDER}/"): info for info in archive.infolist()}
        yield list(members), lambda name, most: _member(archive, members, name, most, path), n_bytes


def _member(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str, most: int, path: Path) -> bytes:
    if name not in members:
        raise DataError(f"{path} must contain {name}; it does not. Fetch it again.")
    if (n_bytes := members[name].file_size) > most:
        raise DataError(f"{path}: {name} must have at most {most:,} bytes; it has {n_bytes:,}. Is it damaged?")
    return read_member(archive, members[name], f"{path}: {name}")


def _text(read: Read, name: str, path: Path) -> str:
    try:
        return read(name, _MAX_TEXT).decode()
    except UnicodeDecodeError:
        raise DataError(f"{path}: {name} must be text; it is not.") from None
