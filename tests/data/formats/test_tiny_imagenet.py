"""Tiny-ImageNet, unpacked and zipped."""

import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from spikewise.data import load_images, load_splits
from spikewise.data.formats.tiny_imagenet import read_classes, read_tiny_imagenet
from spikewise.errors import DataError

NUMBERS = ("n01443537", "n02124075", "n07579787")


def jpeg(path, shade, size=(64, 64), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, shade if mode == "L" else (shade, shade, shade)).save(path, "JPEG")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three classes of ten training pictures, and six for validation, as published."""
    folder = tmp_path_factory.mktemp("data") / "tiny-imagenet-200"
    for c, number in enumerate(NUMBERS):
        for i in range(10):
            mode = "L" if i == 3 else "RGB"
            jpeg(folder / "train" / number / "images" / f"{number}_{i}.JPEG", 60 * c + 5 * i, mode=mode)
        (folder / "train" / number / f"{number}_boxes.txt").write_text("")
    rows = []
    for i in range(6):
        jpeg(folder / "val" / "images" / f"val_{i}.JPEG", 200 + 5 * i)
        rows.append(f"val_{i}.JPEG\t{NUMBERS[i % 3]}\t0\t32\t44\t62\n")
    jpeg(folder / "test" / "images" / "test_0.JPEG", 0)
    (folder / "val" / "val_annotations.txt").write_text("".join(rows))
    (folder / "wnids.txt").write_text("\n".join(reversed(NUMBERS)) + "\n")
    (folder / "words.txt").write_text("n01443537\tgoldfish, Carassius auratus\nn02124075\tEgyptian cat\n")
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / made.name)


def zipped(folder):
    path = folder.parent / "zip" / "tiny-imagenet-200.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"{folder.name}/{file.relative_to(folder).as_posix()}")
    return path


def test_classes_are_in_the_order_of_their_numbers_and_called_by_their_first_word(made):
    assert read_classes(made) == (NUMBERS, ("goldfish", "Egyptian cat", "n07579787"))


def test_both_parts_are_read_with_their_labels(made):
    images, labels = read_tiny_imagenet(made, "train", NUMBERS)
    assert images.shape == (30, 3, 64, 64)
    np.testing.assert_array_equal(labels, np.repeat([0, 1, 2], 10))
    shades = np.add.outer(60 * np.arange(3), 5 * np.arange(10)).ravel()
    assert np.abs(images.mean((1, 2, 3)) - shades).max() < 2  # JPEG loses a little
    images, labels = read_tiny_imagenet(made, "val", NUMBERS)
    np.testing.assert_array_equal(labels, [0, 1, 2, 0, 1, 2])
    assert np.abs(images.mean((1, 2, 3)) - (200 + 5 * np.arange(6))).max() < 2


def test_the_zip_and_the_folder_are_one_set_and_the_test_split_is_the_official_validation(folder):
    path = zipped(folder)
    unpacked = load_splits("tiny-imagenet", folder.parent, download=False, validation_fraction=0.2)
    packed = load_splits("tiny-imagenet", path.parent, download=False, validation_fraction=0.2)
    for split, n_samples in {"train": 24, "validation": 6, "test": 6}.items():
        assert unpacked[split].sha256 == packed[split].sha256
        assert unpacked[split].n_samples == n_samples
        assert unpacked[split].classes == ("goldfish", "Egyptian cat", "n07579787")
    assert load_images("tiny-imagenet", "all", folder, download=False).n_samples == 36


def damage(folder, kind):
    picture = folder / "train" / NUMBERS[1] / "images" / f"{NUMBERS[1]}_4.JPEG"
    annotations = folder / "val" / "val_annotations.txt"
    match kind:
        case "cut":
            picture.write_bytes(picture.read_bytes()[:300])
        case "no picture":
            picture.write_bytes(b"hello")
        case "size":
            jpeg(picture, 1, (64, 63))
        case "unknown class":
            annotations.write_text("val_0.JPEG\tn99999999\t0\t0\t1\t1\n")
        case "escape":
            annotations.write_text(f"../../secret.JPEG\t{NUMBERS[0]}\t0\t0\t1\t1\n")
        case "absent":
            annotations.write_text(f"val_77.JPEG\t{NUMBERS[0]}\t0\t0\t1\t1\n")
        case "empty":
            annotations.write_text("")
        case "bytes":
            annotations.write_bytes(b"\xff\xfe")
        case "twice":
            (folder / "wnids.txt").write_text(f"{NUMBERS[0]}\n{NUMBERS[0]}\n")


@pytest.mark.parametrize("is_zip", [False, True])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("cut", r"n02124075_4\.JPEG must be a whole picture"),
        ("no picture", r"n02124075_4\.JPEG must be a whole picture"),
        ("size", r"n02124075_4\.JPEG must have 64x64 pixels; it has 63x64"),
        ("unknown class", "line 1 does not"),
        ("escape", "line 1 does not"),
        ("absent", r"val_77\.JPEG"),
        ("empty", "at least one sample"),
        ("bytes", "must be text"),
        ("twice", "different classes"),
    ],
)
def test_a_damaged_or_hostile_set_is_refused_by_name(folder, kind, words, is_zip):
    damage(folder, kind)
    path = zipped(folder) if is_zip else folder
    part = "train" if "JPEG must" in words else "val"
    with pytest.raises(DataError, match=words):
        read_tiny_imagenet(path, part, read_classes(path)[0])


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_damaged_zip_is_refused_by_name(folder, keep):
    path = zipped(folder)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"tiny-imagenet-200\.zip must be a whole zip"):
        read_classes(path)


def test_a_zip_whose_text_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny-imagenet-200/wnids.txt", bytes(2**24 + 1))
    with pytest.raises(DataError, match="at most"):
        read_classes(path)
