"""Tiles of large pictures are samples again."""

import numpy as np
import pytest
from PIL import Image

from spikewise.data.formats.grid import read_picture_grids
from spikewise.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 3, 32, 32), np.uint8)
CLASSES = ("a", "b")


def write_grid(path, images, n_rows=2):
    tiles = images.reshape(n_rows, -1, 3, 32, 32).transpose(0, 3, 1, 4, 2)
    Image.fromarray(tiles.reshape(n_rows * 32, -1, 3)).save(path, lossless=True)
    return path


@pytest.fixture
def grids(tmp_path):
    pictures = [write_grid(tmp_path / f"train-{i}.webp", part) for i, part in enumerate(np.split(IMAGES, 2), 1)]
    np.savez(tmp_path / "labels.npz", train_labels=np.arange(8, dtype=np.uint8) % 2, classes=np.array(CLASSES))
    return pictures, tmp_path / "labels.npz"


def test_tiles_come_row_by_row_and_picture_by_picture(grids):
    images, labels = read_picture_grids(*grids, "train", CLASSES)
    np.testing.assert_array_equal(images, IMAGES)
    assert labels.tolist() == [0, 1] * 4


def test_a_missing_picture_is_noticed(grids):
    pictures, labels = grids
    with pytest.raises(DataError, match="4 images, 8 labels"):
        read_picture_grids(pictures[:1], labels, "train", CLASSES)


def test_other_classes_are_refused(grids):
    with pytest.raises(DataError, match="classes must be b, a"):
        read_picture_grids(*grids, "train", ("b", "a"))


def test_labels_of_another_part_are_missed(grids):
    with pytest.raises(DataError, match="it lacks test_labels"):
        read_picture_grids(*grids, "test", CLASSES)


def test_a_picture_that_is_no_grid_is_refused(grids):
    pictures, labels = grids
    Image.new("RGB", (64, 40)).save(pictures[0])
    with pytest.raises(DataError, match=r"train-1\.webp must be a grid"):
        read_picture_grids(pictures, labels, "train", CLASSES)
