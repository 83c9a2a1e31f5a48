"""From a name to a split: the same samples for everyone, whatever the files look like."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spikewise.data import ImageSet, load_images, load_splits
from spikewise.data.catalog.sources import open_source
from spikewise.data.images import read_splits, verify
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


@given(st.data())
def test_a_subset_of_recordings_picks_samples_and_keeps_all_frames(data):
    frames = np.random.default_rng(0).integers(0, 9, (3, 8, 2, 4, 5), np.uint8)
    recordings = ImageSet(frames, np.arange(8) % 2, ("a", "b"), "own", "all")
    assert (recordings.n_samples, recordings.n_frames, recordings.shape) == (8, 3, (2, 4, 5))
    index = data.draw(st.lists(st.integers(0, 7), min_size=1))
    np.testing.assert_array_equal(recordings.subset(index).images, frames[:, index])
    assert recordings.subset(np.random.default_rng(0).permutation(8)).sha256 == recordings.sha256


def test_pictures_have_no_frames():
    assert load_images("digits", "test").n_frames is None


def test_a_subset_may_be_a_mask():
    images, labels = some_images(20)
    samples = ImageSet(images, labels, tuple("abcd"), "own", "all")
    assert samples.subset(labels == labels[0]).n_samples == np.sum(labels == labels[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": np.zeros((2, 3, 3), np.uint8)}, "images must be uint8"),
        ({"images": np.zeros((2, 1, 3, 3))}, "images must be uint8"),
        ({"images": np.zeros((2, 5, 3, 3), np.uint8)}, "1 to 4 channels"),
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


def write_classes(path, sizes, n_distinct=256):
    """Classes of these sizes whose pictures are all different, or repeat after some."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    shades = np.concatenate([np.arange(size) % n_distinct for size in sizes]).astype(np.uint8)
    np.savez(path, images=np.broadcast_to(shades[:, None, None], (len(labels), 2, 2)), labels=labels)
    return path


def test_an_empty_split_is_refused_with_the_sizes_of_its_classes(tmp_path):
    few = write_classes(tmp_path / "two.npz", [1, 2])
    with pytest.raises(
        DataError, match=r"two: the split test must hold a sample; 3 samples in 2 classes of 1 to 2 lea"
    ):
        load_images(few, "test")
    with pytest.raises(DataError, match="larger validation_fraction"):
        load_images(few, "validation")


def test_an_empty_split_is_blamed_on_copies_where_they_are_the_cause(tmp_path):
    copies = write_classes(tmp_path / "copies.npz", [30, 30], n_distinct=1)
    with pytest.raises(DataError, match=r"58 of them exact copies of another, leave none.*more different samples"):
        load_images(copies, "validation")


def test_enough_validation_images_enlarge_the_share_of_digits_and_leave_the_test_set_alone():
    enough = load_splits("digits", min_validation=350)
    want = load_splits("digits", validation_fraction=min(0.25, 350 / 1438))
    assert [enough[part].n_samples for part in PARTS] == [1086, 352, 359]
    assert all(enough[part].sha256 == want[part].sha256 for part in PARTS)


def test_a_wish_that_is_met_already_changes_nothing():
    one, other = load_splits("digits"), load_splits("digits", min_validation=100)
    assert all(one[part].sha256 == other[part].sha256 for part in PARTS)


@given(sizes=st.lists(st.integers(3, 40), min_size=2, max_size=6))
def test_every_class_of_three_or_more_is_validated_if_images_are_wished_for(tmp_path_factory, sizes):
    path = write_classes(tmp_path_factory.mktemp("data") / "own.npz", sizes)
    found = load_splits(path, min_validation=350)
    for part in PARTS:
        assert set(found[part].labels) == set(range(len(sizes)))
    n_learning = sum(sizes) - found["test"].n_samples
    assert found["validation"].n_samples <= 0.25 * n_learning + len(sizes)


def test_a_class_of_copies_is_kept_whole_rather_than_given_up(tmp_path):
    path = tmp_path / "own.npz"
    shades = np.array([*range(20), *[99] * 20], np.uint8)
    np.savez(path, images=np.broadcast_to(shades[:, None, None], (40, 2, 2)), labels=np.repeat([0, 1], 20))
    found = load_splits(path, min_validation=350)
    assert np.sum(found["train"].labels == 1) == 20
    assert set(found["validation"].labels) == {0}


def test_a_negative_wish_is_refused():
    with pytest.raises(ParameterError, match="min_validation must be at least 0; got -1"):
        load_splits("digits", min_validation=-1)


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


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Train", "Test"), ("training", "valid")])
def test_folders_of_splits_are_the_splits(tmp_path, names):
    from PIL import Image

    chance = np.random.default_rng(0)
    for place, name in enumerate(names):
        for label, each in enumerate("ab"):
            (tmp_path / name / each).mkdir(parents=True)
            for number in range(10):
                pixels = chance.integers(0, 200, (4, 4), np.uint8)
                pixels[0, :2] = place, label  # which split and which class it came from
                Image.fromarray(pixels).save(tmp_path / name / each / f"{number}.png")
    found = load_splits(tmp_path)
    for split, place in {"train": 0, "validation": 1, "test": len(names) - 1}.items():
        own = any(name.lower().startswith(split[:3]) for name in names)
        from_there = set(found[split].images[:, 0, 0, 0].tolist())
        assert from_there == ({place} if own else {0}), split
        assert (found[split].images[:, 0, 0, 1] == found[split].labels).all()
    assert sum(each.n_samples for each in found.values()) == 20 * len(names) == load_images(tmp_path, "all").n_samples
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(tmp_path / names[1] / "c.png")
    (tmp_path / names[1] / "c").mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / names[1] / "c" / "1.png")
    with pytest.raises(DataError, match="must have the same classes and the same shape of picture; got 2"):
        load_splits(tmp_path)
