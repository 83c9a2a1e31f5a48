"""Where files are looked for, under which names, and what happens when they are someone else's."""

import gzip
import hashlib
import io
import struct
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from spikewise.data import load_images, load_splits
from spikewise.data.catalog.registry import NAMED_SETS, named_set
from spikewise.data.catalog.sources import open_source
from spikewise.data.images import read_splits, verify
from spikewise.data.splits import content_sha256
from spikewise.errors import DataError, DownloadError, ParameterError

RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 256, (40, 4, 4), np.uint8), RNG.integers(0, 10, 40)
TEST = RNG.integers(0, 256, (10, 4, 4), np.uint8), RNG.integers(0, 10, 10)
CIFAR = RNG.integers(0, 256, (24, 3, 32, 32), np.uint8), np.arange(24) % 10  # 5 batches of 4 and the test batch


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No data set of this machine, and no way out of it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SPIKEWISE_DATA", raising=False)
    monkeypatch.setenv("SPIKEWISE_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def idx_bytes(values):
    values = np.asarray(values, np.uint8)
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_idx(folder, pattern="{}-idx{}-ubyte", pack=bytes):
    folder.mkdir(parents=True, exist_ok=True)
    for part, (images, labels) in {"train": TRAIN, "t10k": TEST}.items():
        (folder / pattern.format(f"{part}-images", 3)).write_bytes(pack(idx_bytes(images)))
        (folder / pattern.format(f"{part}-labels", 1)).write_bytes(pack(idx_bytes(labels)))


def batches():
    images, labels = CIFAR
    rows = np.column_stack([labels.astype(np.uint8), images.reshape(24, -1)])
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    return {name: part.tobytes() for name, part in zip(names, np.split(rows, 6), strict=True)}


@pytest.mark.parametrize("below", ["mnist", "MNIST/raw", "."])
@pytest.mark.parametrize("pattern", ["{}-idx{}-ubyte", "{}.idx{}-ubyte", "{}-idx{}-ubyte.gz", "{}.idx{}-ubyte.gz"])
def test_idx_files_are_found_under_all_their_names(tmp_path, below, pattern):
    write_idx(tmp_path / below, pattern, gzip.compress if pattern.endswith("gz") else bytes)
    test = load_images("mnist", "test", tmp_path, download=False)
    np.testing.assert_array_equal(test.images[:, 0], TEST[0])
    np.testing.assert_array_equal(test.labels, TEST[1])
    assert load_images("mnist", "all", tmp_path, download=False).n_samples == 50


@pytest.mark.parametrize("below", ["cifar10", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin", "."])
def test_cifar_batches_are_found_in_all_their_folders(tmp_path, below):
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    for name, content in batches().items():
        (tmp_path / below / name).write_bytes(content)
    np.testing.assert_array_equal(load_images("cifar10", "test", tmp_path, download=False).images, CIFAR[0][20:])


def test_batches_archive_and_grid_of_cifar_are_one_set(tmp_path):
    loose, archive, grid = (tmp_path / name for name in ("loose", "archive", "grid"))
    for folder in (loose, archive, grid):
        folder.mkdir()
    with tarfile.open(archive / "cifar-10-binary.tar.gz", "w:gz") as file:
        for name, content in batches().items():
            (loose / name).write_bytes(content)
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    for name, part in {"train-1": CIFAR[0][:12], "train-2": CIFAR[0][12:20], "test": CIFAR[0][20:]}.items():
        Image.fromarray(np.concatenate(part.transpose(0, 2, 3, 1))).save(grid / f"{name}.webp", lossless=True)
    labels = CIFAR[1].astype(np.uint8)
    classes = np.array(named_set("cifar10").classes)
    np.savez(grid / "labels.npz", train_labels=labels[:20], test_labels=labels[20:], classes=classes)
    roots = (loose, archive, grid)
    first, *others = (load_splits("cifar10", root, download=False, validation_fraction=0.5) for root in roots)
    for other in others:
        for split, samples in first.items():
            np.testing.assert_array_equal(samples.images, other[split].images)
            np.testing.assert_array_equal(samples.labels, other[split].labels)


def plain_pickle(images, labels, key):
    """A batch as the publisher pickled it, the array given as its bytes in protocol 2."""
    pixels = images.reshape(len(images), -1)
    content = pixels.tobytes()
    shape = b"J" + struct.pack("<i", pixels.shape[0]) + b"J" + struct.pack("<i", pixels.shape[1]) + b"\x86"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01" + shape
        + b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R\x89T" + struct.pack("<i", len(content)) + content + b"tb"
    )  # fmt: skip
    listed = b"".join(b"K" + bytes([label]) for label in labels)
    name = b"U" + bytes([len(key)]) + key.encode()
    return b"\x80\x02}(" + name + b"](" + listed + b"eU\x04data" + array + b"u."


def cifar100_files():
    """Folder, names and contents of the binary and of the pickled version, with the same samples."""
    images, labels = CIFAR[0], np.arange(24) * 4
    rows = np.column_stack([labels.astype(np.uint8) // 5, labels.astype(np.uint8), images.reshape(24, -1)])
    binary = {"train.bin": rows[:20].tobytes(), "test.bin": rows[20:].tobytes()}
    pickled = {
        "train": plain_pickle(images[:20], labels[:20].tolist(), "fine_labels"),
        "test": plain_pickle(images[20:], labels[20:].tolist(), "fine_labels"),
    }
    return {"cifar-100-binary": binary, "cifar-100-python": pickled}


def test_both_versions_of_cifar100_are_one_set_loose_and_packed(tmp_path):
    found = set()
    for folder, files in cifar100_files().items():
        loose, packed = tmp_path / folder / "cifar100" / folder, tmp_path / f"{folder}-packed"
        loose.mkdir(parents=True)
        packed.mkdir()
        with tarfile.open(packed / f"{folder}.tar.gz", "w:gz") as archive:
            for name, content in files.items():
                (loose / name).write_bytes(content)
                member = tarfile.TarInfo(f"{folder}/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        for root in (tmp_path / folder, packed):
            test = load_images("cifar100", "test", root, download=False)
            np.testing.assert_array_equal(test.images, CIFAR[0][20:])
            assert test.labels.tolist() == [80, 84, 88, 92]
            assert [test.classes[label] for label in (0, 80, 99)] == ["apple", "squirrel", "worm"]
            found.add(load_images("cifar100", "all", root, download=False).sha256)
    assert len(found) == 1


def test_the_pickled_version_of_cifar10_is_found(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    for name, images, labels in zip(names, np.split(CIFAR[0], 6), np.split(CIFAR[1], 6), strict=True):
        (folder / name).write_bytes(plain_pickle(images, labels.tolist(), "labels"))
    np.testing.assert_array_equal(load_images("cifar10", "test", tmp_path, download=False).images, CIFAR[0][20:])


def test_root_comes_before_the_variable_and_the_variable_before_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKEWISE_DATA", str(tmp_path / "variable"))
    places = [tmp_path / "root" / "mnist", tmp_path / "variable" / "mnist", tmp_path / "cache" / "spikewise" / "mnist"]
    for place in reversed(places):
        write_idx(place)
        assert open_source("mnist", tmp_path / "root", download=False).where == str(place)


def test_a_set_that_is_nowhere_names_the_places_and_the_ways_out(tmp_path):
    with pytest.raises(DataError) as caught:
        load_images("mnist", root=tmp_path / "root", download=False)
    for word in ("mnist", str(tmp_path / "root"), str(tmp_path / "cache"), "SPIKEWISE_DATA"):
        assert word in str(caught.value)


def test_an_incomplete_set_is_not_taken(tmp_path):
    write_idx(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="in none"):
        load_images("mnist", root=tmp_path, download=False)


def test_a_set_that_is_nowhere_is_asked_for_at_the_mirror_of_the_variable(tmp_path):
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:9/mnist/train-images-idx3-ubyte\.gz"):
        load_images("mnist", root=tmp_path)


def test_a_download_goes_below_root_and_else_to_the_cache(tmp_path, monkeypatch):
    def fetch(urls, target, checksum, *, progress=None):
        assert len(urls) == 1
        assert checksum.startswith("sha256:")
        write_idx(target.parent)
        if progress:
            progress(1, 2)

    monkeypatch.setattr("spikewise.data.catalog.download.fetch", fetch)
    seen = []
    source = open_source("mnist", tmp_path / "root", progress=lambda *state: seen.append(state))
    assert source.where == str(tmp_path / "root" / "mnist")
    assert [file for file, *_ in seen] == list(named_set("mnist").files)
    assert open_source("mnist").where == str(tmp_path / "cache" / "spikewise" / "mnist")


def published(monkeypatch, name):
    """Pretend that our small files are what was published under this name."""
    content = {
        "train": content_sha256(TRAIN[0][:, None], TRAIN[1]),
        "test": content_sha256(TEST[0][:, None], TEST[1]),
    }
    monkeypatch.setitem(NAMED_SETS, name, replace(NAMED_SETS[name], content=content))


@pytest.mark.parametrize("split", ["train", "test"])
def test_files_of_another_set_with_the_same_names_are_refused(tmp_path, monkeypatch, split):
    write_idx(tmp_path)
    published(monkeypatch, "fashion-mnist")
    with pytest.raises(DataError, match="must hold mnist; it holds fashion-mnist"):
        load_images("mnist", split, tmp_path, download=False)


def test_published_content_is_verified_and_other_content_refused(tmp_path, monkeypatch):
    write_idx(tmp_path)
    source = open_source("mnist", tmp_path, download=False)
    with pytest.raises(DataError, match="train samples of mnist"):
        verify(source, read_splits(source))
    published(monkeypatch, "mnist")
    source = open_source("mnist", tmp_path, download=False)
    assert verify(source, read_splits(source))


def test_a_path_that_is_no_data_set_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"notes\.txt must be an \.npz file or a folder"):
        open_source(tmp_path / "notes.txt")
    with pytest.raises(DataError, match=r"absent\.npz"):
        open_source(tmp_path / "absent.npz")
    for name in (tmp_path / "absent", ""):
        with pytest.raises(ParameterError, match="data set must be one of"):
            open_source(name)


@pytest.mark.parametrize("name", sorted(NAMED_SETS))
def test_every_named_set_is_well_formed(name, monkeypatch):
    monkeypatch.delenv("SPIKEWISE_MIRROR")
    known = NAMED_SETS[name]
    n_classes = {"cifar100": 100, "dvs128-gesture": 11, "tiny-imagenet": 0}.get(name, 10)
    assert len(set(known.classes)) == len(known.classes) == n_classes
    assert known.files or known.homepage.startswith("https://") or name == "digits"
    for file, checksum in known.files.items():
        algorithm, digest = checksum.split(":")
        assert len(digest) == 2 * hashlib.new(algorithm).digest_size
        assert all(url.startswith("http") and url.endswith(f"/{file}") for url in known.urls(file))
        assert known.urls(file)
    assert all(len(digest) == 64 for digest in known.content.values())


def test_a_mirror_that_is_no_web_address_is_refused(monkeypatch):
    monkeypatch.setenv("SPIKEWISE_MIRROR", "file:///etc")
    with pytest.raises(ParameterError, match="SPIKEWISE_MIRROR"):
        named_set("mnist").urls("x")
