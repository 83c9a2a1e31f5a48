"""Folders of pictures: formats, channels and everything that may be wrong with them."""

import os
import resource
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import spikewise
from spikewise.data.formats.folder import open_picture, read_class_folders
from spikewise.errors import DataError

GREY = np.arange(20, dtype=np.uint8).reshape(4, 5) * 10
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], -1)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def test_folders_are_classes_in_alphabetical_order(tmp_path):
    save(tmp_path / "dog" / "1.png", GREY)
    save(tmp_path / "cat" / "2.bmp", GREY[::-1].copy())
    save(tmp_path / "cat" / "1.PNG", GREY)
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden").mkdir()
    images, labels, classes = read_class_folders(tmp_path)
    np.testing.assert_array_equal(images[:, 0], [GREY, GREY[::-1], GREY])
    assert (labels.tolist(), classes) == ([0, 0, 1], ("cat", "dog"))


@pytest.mark.parametrize("form", ["EPS", "TGA", "PCX", "SGI"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp"])
def test_other_formats_are_refused_and_start_no_program(tmp_path, tmp_path_factory, monkeypatch, suffix, form):
    """PostScript would start Ghostscript."""
    programs = tmp_path_factory.mktemp("programs")
    for name in ("gs", "gswin32c", "gswin64c"):
        (programs / name).write_text(f"#!/bin/sh\ntouch {programs / 'was-started'}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs) + os.pathsep + os.environ["PATH"])
    picture = save(tmp_path / "cat" / f"x.{suffix}", COLOUR, format=form)
    for read in (lambda: open_picture(picture), lambda: read_class_folders(tmp_path)):
        with pytest.raises(
            DataError, match=rf"x\.{suffix} must be a whole picture; it is none of PNG, JPEG, BMP, WebP, TIFF, GIF"
        ):
            read()
    assert not (programs / "was-started").exists()


def test_pictures_are_opened_in_one_place_only():
    """A second call of Pillow's opener would need the list of formats too."""
    source = Path(spikewise.__file__).parent
    calls = [
        (path.name, line)
        for path in source.rglob("*.py")
        for line in path.read_text().splitlines()
        if "Image.open" in line
    ]
    assert [(name, "formats=_FORMATS" in line) for name, line in calls] == [("folder.py", True)]


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "tif", "TIFF", "ppm", "pnm"])
def test_lossless_colours_are_kept(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    picture = open_picture(save(tmp_path / f"x.{suffix}", COLOUR, **options))
    np.testing.assert_array_equal(picture, COLOUR.transpose(2, 0, 1))


def test_a_jpeg_is_read(tmp_path):
    assert open_picture(save(tmp_path / "x.jpg", GREY)).shape == (1, 4, 5)


def test_one_coloured_picture_makes_all_of_them_coloured(tmp_path):
    save(tmp_path / "a" / "1.png", GREY)
    save(tmp_path / "b" / "1.png", COLOUR)
    images, _, _ = read_class_folders(tmp_path)
    np.testing.assert_array_equal(images, [[GREY] * 3, COLOUR.transpose(2, 0, 1)])


def test_what_is_transparent_lies_on_white(tmp_path):
    """By the equation of compositing: alpha times the colour, and the rest of it white."""
    alpha = GREY[..., None] / 255
    on_white = COLOUR * alpha + 255 * (1 - alpha)
    picture = open_picture(save(tmp_path / "x.png", np.dstack([COLOUR, GREY])))
    np.testing.assert_allclose(picture, on_white.transpose(2, 0, 1), atol=1)
    opaque = save(tmp_path / "y.png", np.dstack([COLOUR, np.full_like(GREY, 255)]))
    np.testing.assert_array_equal(open_picture(opaque), COLOUR.transpose(2, 0, 1))
    grey = open_picture(save(tmp_path / "z.png", np.dstack([GREY, GREY])))
    np.testing.assert_allclose(grey[0], GREY * alpha[..., 0] + 255 * (1 - alpha[..., 0]), atol=1)


def test_a_colour_of_a_palette_may_be_transparent(tmp_path):
    palette = Image.fromarray((GREY > 50).astype(np.uint8), "P")
    palette.putpalette([9, 9, 9, 200, 100, 50])
    palette.save(tmp_path / "x.gif", transparency=0)
    expected = np.where(GREY > 50, np.array([200, 100, 50])[:, None, None], 255)
    np.testing.assert_array_equal(open_picture(tmp_path / "x.gif"), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_it_was_taken(tmp_path, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = save(tmp_path / "cat" / "x.png", COLOUR, exif=exif)
    with Image.open(photo) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    np.testing.assert_array_equal(open_picture(photo), expected.transpose(2, 0, 1))
    images, _, _ = read_class_folders(tmp_path)
    assert images.shape == (1, 3, *expected.shape[:2])


def test_every_suffix_and_every_folder_below_a_class_counts(tmp_path):
    for place, suffix in enumerate(("png", "jpg", "jpeg", "bmp", "webp", "tif", "tiff", "gif", "ppm")):
        save(tmp_path / "cat" / f"{place % 3}" / f"{place}.{suffix}", GREY)
    (tmp_path / "cat" / "round").symlink_to(tmp_path / "cat", target_is_directory=True)
    save(tmp_path / "cat" / ".thumbnails" / "x.png", GREY)
    images, labels, classes = read_class_folders(tmp_path)
    assert (len(images), labels.tolist(), classes) == (9, [0] * 9, ("cat",))


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Train", "Test")])
def test_splits_are_not_taken_for_classes(tmp_path, names):
    for name in names:
        save(tmp_path / name / "cat" / "1.png", GREY)
        save(tmp_path / name / "dog" / "1.png", GREY)
    with pytest.raises(DataError, match=r"it holds the splits .*rain.* Name one of them"):
        read_class_folders(tmp_path)
    images, _, classes = read_class_folders(tmp_path / names[0])
    assert (len(images), classes) == (2, ("cat", "dog"))


@pytest.mark.parametrize("suffix", ["gif", "tiff", "webp"])
def test_a_film_is_no_picture(tmp_path, suffix):
    first, *rest = (Image.fromarray(COLOUR // n) for n in (1, 2, 3))
    first.save(tmp_path / f"x.{suffix}", save_all=True, append_images=rest)
    with pytest.raises(DataError, match=r"must hold one picture; it has 3\. Save each"):
        open_picture(tmp_path / f"x.{suffix}")


def test_pictures_of_16_bits_are_refused_rather_than_clipped(tmp_path):
    with pytest.raises(DataError, match=r"x\.png must have 8 bits"):
        open_picture(save(tmp_path / "x.png", GREY.astype(np.uint16) * 256))


@pytest.mark.parametrize(("colour_type", "n_channels"), [(2, 3), (4, 2), (6, 4)])
def test_colours_of_16_bits_are_refused_as_well(tmp_path, colour_type, n_channels):
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", 5, 4, 16, colour_type, 0, 0, 0),
        b"IDAT": zlib.compress(bytes(1 + 2 * n_channels * 5) * 4),
        b"IEND": b"",
    }
    chunks = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts.items()
    ]
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    with pytest.raises(DataError, match=r"x\.png must have 8 bits per channel; its mode is \w+;16B\. Convert it"):
        open_picture(tmp_path / "x.png")


def test_16_bits_for_all_three_colours_are_read(tmp_path):
    header = b"BM" + struct.pack("<IIIIiiHHIIiiII", 0, 0, 66, 40, 2, 1, 1, 16, 3, 0, 0, 0, 0, 0)
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    (tmp_path / "x.bmp").write_bytes(header + masks + struct.pack("<HH", 0xF800, 0x001F))
    np.testing.assert_array_equal(open_picture(tmp_path / "x.bmp")[:, 0].T, [[255, 0, 0], [0, 0, 255]])


def test_differing_sizes_are_refused_by_name(tmp_path):
    save(tmp_path / "a" / "1.png", GREY)
    save(tmp_path / "a" / "2.png", GREY[:3].copy())
    with pytest.raises(DataError, match=r"1\.png has 4x5 and .*2\.png 3x5"):
        read_class_folders(tmp_path)


def test_a_broken_picture_is_refused_by_name(tmp_path):
    save(tmp_path / "a" / "1.png", GREY)
    whole = save(tmp_path / "a" / "2.png", np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))
    for content in (b"", b"no picture", whole.read_bytes()[:2000]):
        whole.write_bytes(content)
        with pytest.raises(DataError, match=r"2\.png must be a whole picture"):
            read_class_folders(tmp_path)


def test_a_gigantic_picture_is_refused_before_it_is_decoded(tmp_path):
    header = b"BM" + bytes(8) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    header += (20000).to_bytes(4, "little") * 2 + (1).to_bytes(2, "little") + (24).to_bytes(2, "little") + bytes(24)
    (tmp_path / "x.bmp").write_bytes(header)
    with pytest.raises(DataError, match=r"x\.bmp"):
        open_picture(tmp_path / "x.bmp")


def test_folders_without_pictures_are_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="one folder of pictures"):
        read_class_folders(tmp_path)
    save(tmp_path / "a" / "1.png", GREY)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty must hold pictures"):
        read_class_folders(tmp_path)


def test_pictures_that_unfold_to_gigabytes_are_refused_by_their_headers(tmp_path):
    (tmp_path / "a").mkdir()
    large = Image.new("P", (8192, 8192))
    large.save(tmp_path / "a" / "0.png")
    for place in range(1, 25):
        shutil.copy(tmp_path / "a" / "0.png", tmp_path / "a" / f"{place}.png")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"must fit into .* it needs 5,033,164,800.*SPIKEWISE_MAX_MEMORY"):
        read_class_folders(tmp_path)
    with pytest.raises(DataError, match="it needs 402,653,184"):
        open_picture(tmp_path / "a" / "0.png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB; nothing was decoded
