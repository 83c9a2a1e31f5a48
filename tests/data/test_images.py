"""From a name to a split: the same samples for everyone, whatever the files look like."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spikewise.data import ImageSet, load_images, load_splits
from spikewise.data.images import read_splits, verify
from spikewise.data.sources import open_source
from spikewise.errors import DataError, ParameterError

PARTS = ("train", "validation", "test")
DIGITS_HASHES = ["e1aeb32d", "26799f28", "e2ef2ecc", "77acbe50"]
REAL = Path(os.environ.get("SPIKEWISE_DATA") or Path(__file__).parents[3] / "shared" / "data")


def contents(*sets):
    """The samples as hashable values."""
    pairs = [pair for one in sets for pair in zip(one.images, one.labels, strict=True)]
    return sorted(image.tobytes() + bytes([label]) for image, label in pairs)


def some_images(n=200, n_classes=4):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 1, 3, 3), np.uint8), rng.integers(0, n_classes, n)


@pytest.fixture
def own(tmp_path):
    images, labels = some_images()
    np.savez(tmp_path / "own.npz", images=images, labels=labels)
    return tmp_path / "own.npz"


def test_digits_are_rescaled_to_the_full_range_and_complete():
    digits = load_images("digits", "all")
    assert (digits.images.min(), digits.images.max(), digits.images.dtype) == (0, 255, np.uint8)
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert len(np.unique(digits.images)) == 17


def test_the_splits_of_digits_never_change():
    hashes = [load_images("digits", split).sha256[:8] for split in (*PARTS, "all")]
    assert hashes == DIGITS_HASHES


@pytest.mark.parametrize("name", ["digits", "own"])
def test_the_three_splits_are_disjoint_and_make_up_all(own, name):
    name = own if name == "own" else name
    splits = [load_images(name, split) for split in PARTS]
    assert contents(*splits) == contents(load_images(name, "all"))


def test_reading_all_splits_at_once_gives_the_same_as_one_by_one(own):
    for split, samples in load_splits(own, validation_fraction=0.25).items():
        alone = load_images(own, split, validation_fraction=0.25)
        np.testing.assert_array_equal(samples.images, alone.images)
        assert (samples.split, samples.name) == (split, "own")


def test_the_test_split_does_not_depend_on_the_validation_fraction(own):
    assert load_images(own, "test", validation_fraction=0).sha256 == load_images(own, "test").sha256


def test_every_split_has_the_same_samples_in_the_same_order_from_a_shuffled_file(own):
    images, labels = some_images()
    order = np.random.default_rng(1).permutation(len(labels))
    np.savez(own.with_name("shuffled.npz"), images=images[order], labels=labels[order])
    for split in (*PARTS, "all"):
        one, other = load_images(own, split), load_images(own.with_name("shuffled.npz"), split)
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_training_samples_are_not_sorted_by_class():
    labels = load_images("digits").labels
    assert np.mean(labels[1:] == labels[:-1]) < 0.15  # 0.1 by chance; its deviation is below 0.01


def test_a_folder_of_pictures_is_read_as_the_same_set_as_an_npz(tmp_path):
    images, labels = some_images(40, 2)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = tmp_path / "pictures" / "ab"[label] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(path)
    np.savez(tmp_path / "own.npz", images=images, labels=labels, classes=["a", "b"])
    folder, npz = load_images(tmp_path / "pictures"), load_images(str(tmp_path / "own.npz"))
    np.testing.assert_array_equal(folder.images, npz.images)
    assert folder.classes == npz.classes == ("a", "b")


def test_folders_named_train_and_test_are_official_splits(tmp_path):
    for part, shades in {"train": range(20), "test": range(100, 105)}.items():
        for name in "ab":
            (tmp_path / part / name).mkdir(parents=True)
            for shade in shades:
                Image.new("L", (2, 2), shade).save(tmp_path / part / name / f"{shade}.png")
    test = load_images(tmp_path, "test")
    assert test.images[:, 0, 0, 0].tolist() == [100, 101, 102, 103, 104] * 2
    assert load_images(tmp_path, "all").n_samples == 50
    assert load_images(tmp_path, "train").images.max() < 20


@given(st.data())
def test_a_subset_picks_its_samples(data):
    images, labels = some_images(20)
    samples = ImageSet(images, labels, tuple("abcd"), "own", "all")
    index = data.draw(st.lists(st.integers(0, 19), min_size=1))
    subset = samples.subset(index)
    np.testing.assert_array_equal(subset.images, images[index])
    np.testing.assert_array_equal(subset.labels, labels[index])
    assert (subset.n_samples, subset.n_classes, subset.shape) == (len(index), 4, (1, 3, 3))


def test_a_subset_may_be_a_mask():
    images, labels = some_images(20)
    samples = ImageSet(images, labels, tuple("abcd"), "own", "all")
    assert samples.subset(labels == labels[0]).n_samples == np.sum(labels == labels[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": np.zeros((2, 3, 3), np.uint8)}, "images must be uint8"),
        ({"images": np.zeros((2, 1, 3, 3))}, "images must be uint8"),
        ({"images": np.zeros((0, 1, 3, 3), np.uint8), "labels": np.zeros(0, int)}, "not empty"),
        ({"labels": np.array([0, 1, 1])}, "one label per image"),
        ({"labels": np.array([0, 2])}, r"0\.\.1"),
    ],
)
def test_a_set_that_cannot_be_is_refused_by_name(change, words):
    parts = {"images": np.zeros((2, 1, 3, 3), np.uint8), "labels": np.array([0, 1]), "classes": ("a", "b")}
    with pytest.raises(DataError, match=rf"own \(all\).*{words}"):
        ImageSet(**(parts | change), name="own", split="all")


def test_a_name_or_a_split_that_nobody_knows_gets_advice():
    with pytest.raises(ParameterError, match="Did you mean 'mnist'"):
        load_images("minst")
    with pytest.raises(ParameterError, match="Did you mean 'validation'"):
        load_images("digits", "valid")


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_a_validation_fraction_outside_its_range_is_refused(fraction):
    with pytest.raises(ParameterError, match="validation_fraction"):
        load_images("digits", validation_fraction=fraction)


def test_an_empty_split_is_refused_by_name(tmp_path):
    np.savez(tmp_path / "two.npz", images=np.arange(8, dtype=np.uint8).reshape(2, 2, 2), labels=[0, 1])
    with pytest.raises(DataError, match="two: the split test must hold a sample"):
        load_images(tmp_path / "two.npz", "test")


def test_nobody_publishes_the_content_of_an_own_file(own):
    source = open_source(own)
    assert not verify(source, read_splits(source))


needs = {
    name: pytest.mark.skipif(not (REAL / name).is_dir(), reason=f"needs {name} in $SPIKEWISE_DATA or ../shared/data")
    for name in ("mnist", "fashion-mnist", "cifar10")
}


@pytest.mark.parametrize("name", [pytest.param("mnist", marks=needs["mnist"])])
def test_the_official_test_set_keeps_its_order(name):
    test = load_images(name, "test", REAL, download=False)
    assert test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert test.images.mean() / 255 == pytest.approx(0.132515, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(name, marks=mark) for name, mark in needs.items()])
def test_the_real_sets_are_verified(name):
    source = open_source(name, REAL, download=False)
    splits = read_splits(source)
    assert verify(source, splits)
    assert splits["test"].n_samples == 10_000
