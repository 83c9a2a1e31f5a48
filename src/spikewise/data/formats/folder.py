"""Read a folder of class folders: the name of a folder is a class, each picture in it a sample.

All pictures have the same height and width, once they are turned as their EXIF data say. They have one channel if all
of them are grey, else three. What is transparent lies on white, so that a shape that is drawn in transparency alone can
be seen. Classes are numbered in the alphabetical order of their names; pictures in folders inside a class folder belong
to it.

Pictures are PNG, JPEG, BMP, WebP, TIFF, GIF or PPM, whatever their suffix says. Other decoders are never tried: some
decoders of Pillow start programs, such as Ghostscript for PostScript.
"""

import os
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spikewise._opener import check_budget, opened
from spikewise.errors import DataError

from .checks import Labels, Pixels, as_pixels, check_size

_FORMATS = ("PNG", "JPEG", "BMP", "WebP", "TIFF", "GIF", "PPM")
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pbm", ".pnm"}
_SPLITS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
_GREY = {"1", "L", "LA"}
_COLOUR = {"RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr"}
_SIXTEEN = re.compile(r"\w+;16[BLN]")  # how Pillow names 16 bits per channel in a file; BGR;16 means 16 bits in total
_ORIENTATION = 0x0112  # a tag of EXIF
_MAX_PIXELS = 2**26  # of one picture; a grid of CIFAR-10 has 2**23.3


def read_class_folders(path: Path) -> tuple[Pixels, Labels, tuple[str, ...]]:
    """Read images, labels and class names of a folder of class folders.

    Raises
    ------
    DataError
        If a class folder holds no picture, a picture is damaged, or two differ in size.
    """
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if splits := split_folders(path):
        names = ", ".join(folder.name for folder in splits.values())
        raise DataError(
            f"{path} must hold one folder of pictures per class; it holds the splits {names}, with folders of classes "
            f"in them. Name one of them, such as {next(iter(splits.values()))}."
        )
    pictures = [(label, file) for label, folder in enumerate(folders) for file in _pictures_in(folder)]
    if not pictures:
        raise DataError(
            f"{path} must hold one folder of pictures ({', '.join(sorted(_SUFFIXES))}) per class; got none."
        )
    first = pictures[0][1]
    # Before memory is taken: the first picture gives the size of all of them, though it may have to be turned.
    announced = (len(pictures), 3, *picture_size(first))
    check_size(announced, 1, str(path), sum(file.stat().st_size for _, file in pictures))
    samples = []
    for _, file in pictures:
        samples.append(sample := open_picture(file))
        size = samples[0].shape[1:]
        if sample.shape[1:] != size:
            raise DataError(
                f"all pictures must have the same size; {first} has {size[0]}x{size[1]} and {file} {_size(sample)} "
                "pixels. Scale or crop them."
            )
    n_channels = max(len(sample) for sample in samples)
    images = np.stack([np.broadcast_to(sample, (n_channels, *size)) for sample in samples])
    labels = np.array([label for label, _ in pictures], np.int64)
    return as_pixels(images, str(path)), labels, tuple(folder.name for folder in folders)


def open_picture(path: Path, n_channels: int | None = None) -> NDArray[np.uint8]:
    """Read one picture as (C, H, W): by default 1 channel if it is grey, else 3."""
    with opened(path, "picture") as (file, n_bytes):
        return decode_picture(file, n_bytes, str(path), n_channels)


def picture_size(path: Path) -> tuple[int, int]:
    """Return the height and width in pixels that the header of a picture announces."""
    with opened(path, "picture") as (file, _), _picture(file, str(path)) as picture:
        return picture.height, picture.width


def decode_picture(source: BinaryIO, n_bytes: int, where: str, n_channels: int | None = None) -> NDArray[np.uint8]:
    """Decode a picture of ``n_bytes`` as :func:`open_picture` does, from a stream; error messages call it ``where``."""
    with _picture(source, where) as picture:
        return _decoded(picture, n_bytes, n_channels, where)


# What decoders of pictures and of EXIF data raise on damage.
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, TypeError, ZeroDivisionError, struct.error)


@contextmanager
def _picture(source: BinaryIO, where: str) -> Iterator[Any]:
    """Open a picture, of which only the header is read at first."""
    from PIL import Image, UnidentifiedImageError

    damage = (*_DAMAGE, Image.DecompressionBombError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is stricter
            warnings.simplefilter("ignore", UserWarning)  # on notes beside the pixels, such as the name of the camera
            with Image.open(source, formats=_FORMATS) as picture:
                yield picture
    except DataError:  # it is a ValueError too, and its message is already complete
        raise
    except UnidentifiedImageError:
        raise DataError(f"{where} must be a whole picture; it is none of {', '.join(_FORMATS)}. Convert it.") from None
    except damage as error:
        raise DataError(f"{where} must be a whole picture; {error}.") from None


def _decoded(picture: Any, n_bytes: int, n_channels: int | None, where: str) -> NDArray[np.uint8]:
    if picture.width * picture.height > _MAX_PIXELS:
        raise DataError(f"{where} must have at most {_MAX_PIXELS} pixels; it has {picture.width}x{picture.height}.")
    # As decoded, turned and converted; what is transparent is laid on white in four bytes each for three layers.
    per_pixel = 18 if _is_transparent(picture) else 6
    check_budget(per_pixel * picture.width * picture.height, n_bytes, where)
    stored = _SIXTEEN.search(str(picture.tile))  # Pillow silently drops the lower 8 bits of such colours
    if picture.mode not in _GREY | _COLOUR or stored:
        mode = stored[0] if stored else picture.mode
        raise DataError(f"{where} must have 8 bits per channel; its mode is {mode}. Convert it.")
    if getattr(picture, "n_frames", 1) > 1:
        raise DataError(f"{where} must hold one picture; it has {picture.n_frames}. Save each in a file of its own.")
    grey = picture.mode in _GREY if n_channels is None else n_channels == 1
    turned = _turned(_on_white(picture), _orientation(picture))
    pixels = np.asarray(turned.convert("L" if grey else "RGB"))
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def _is_transparent(picture: Any) -> bool:
    return "A" in picture.getbands() or "transparency" in picture.info


def _on_white(picture: Any) -> Any:
    """Return a picture without transparency: what shows through is white."""
    from PIL import Image

    if not _is_transparent(picture):
        return picture
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _orientation(picture: Any) -> int:
    """Return how a camera was held, 1 to 8, as the EXIF data of a picture say; 1 if they say nothing."""
    return int(picture.getexif().get(_ORIENTATION, 1))


def _turned(picture: Any, orientation: int) -> Any:
    """Return a picture as it is to be seen."""
    from PIL import Image

    ways = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    return picture.transpose(ways[orientation]) if orientation in ways else picture


def split_folders(path: Path) -> dict[str, Path]:
    """Return the folders of splits by train, validation and test; none if the folders are those of classes."""
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    found = {_SPLITS.get(folder.name.lower(), ""): folder for folder in folders}
    # A class may be called "test": folders of splits hold folders.
    are_splits = all(found) and len(found) == len(folders)
    hold_folders = all(any(below.is_dir() for below in folder.iterdir()) for folder in folders)
    return found if folders and are_splits and hold_folders else {}


def _pictures_in(folder: Path) -> list[Path]:
    # Links to folders are not followed: they may lead round in a circle.
    found = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    inside = (file for file in found if file.suffix.lower() in _SUFFIXES and file.is_file())
    files = sorted(file for file in inside if not any(part.startswith(".") for part in file.relative_to(folder).parts))
    if not files:
        raise DataError(f"{folder} must hold pictures, as every class folder; it has none. Remove it or fill it.")
    return files


def _size(sample: NDArray[np.uint8]) -> str:
    return f"{sample.shape[1]}x{sample.shape[2]}"
