"""Batches of CIFAR-10 and CIFAR-100, binary and pickled, loose and in hostile archives."""

import io
import pickle
import struct
import tarfile

import numpy as np
import pytest

from spikewise.data.formats.cifar import CIFAR10, CIFAR100, read_cifar_archive, read_cifar_batches
from spikewise.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 3, 32, 32), np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9])
BATCH = np.column_stack([LABELS.astype(np.uint8), IMAGES.reshape(6, -1)]).tobytes()


COARSE = np.array([0, 7, 3, 19, 2, 5])
FINE = np.array([99, 0, 41, 7, 12, 63])
BATCH_100 = np.column_stack([COARSE.astype(np.uint8), FINE.astype(np.uint8), IMAGES.reshape(6, -1)]).tobytes()


def python2_array(values):
    """An array of bytes as NumPy's under Python 2 wrote it, in protocol 2."""

    def number(value):
        return b"M" + struct.pack("<H", value)

    content = values.tobytes()
    shape = number(values.shape[0]) + number(values.shape[1]) + b"\x86"
    return (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x64cnumpy\nndarray\nq\x65K\x00\x85U\x01b\x87R(K\x01" + shape
        + b"cnumpy\ndtype\nq\x66U\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89T" + struct.pack("<i", len(content)) + content + b"tb"
    )  # fmt: skip


def python2_batch(labels, images, key="labels", array=python2_array):
    """A pickled batch as the publisher's script wrote it."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    listed = b"".join(b"K" + bytes([label]) for label in labels.tolist())
    names = b"".join(text(b"a_%d.png" % i) for i in range(len(labels)))
    return (
        b"\x80\x02}q\x01(" + text(b"batch_label") + b"q\x02" + text(b"training batch 1 of 5") + b"q\x03"
        + text(key.encode()) + b"q\x04]q\x05(" + listed + b"e" + text(b"data") + b"q\x06"
        + array(images.reshape(len(images), -1)) + text(b"filenames") + b"]q\x07(" + names + b"eu."
    )  # fmt: skip


PICKLED = python2_batch(LABELS, IMAGES)


def archive_of(path, *entries):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in entries:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def test_batches_are_read_one_after_another(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(BATCH)
    images, labels = read_cifar_batches([tmp_path / "a", tmp_path / "b"])
    np.testing.assert_array_equal(images, np.concatenate([IMAGES, IMAGES]))
    np.testing.assert_array_equal(labels, np.tile(LABELS, 2))


@pytest.mark.parametrize("content", [b"", BATCH[:-1], BATCH + b"x", b"\x0a" + BATCH[1:]])
def test_a_batch_of_wrong_length_or_label_is_refused_by_name(tmp_path, content):
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(DataError, match="batch"):
        read_cifar_batches([tmp_path / "batch"])


def test_an_archive_gives_its_members_in_the_order_asked_for(tmp_path):
    path = archive_of(tmp_path / "a.tar.gz", ("d/2", BATCH[: 3073 * 2]), ("d/1", BATCH), ("other", b"ignored"))
    _, labels = read_cifar_archive(path, ["d/1", "d/2"])
    np.testing.assert_array_equal(labels, [*LABELS, *LABELS[:2]])


def test_nothing_is_unpacked_from_a_hostile_archive(tmp_path):
    path = archive_of(tmp_path / "a.tar.gz", ("../escaped", b"x"), ("/tmp/spikewise-escaped", b"x"), ("d/1", BATCH))
    read_cifar_archive(path, ["d/1"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tar.gz"]
    assert not (tmp_path.parent / "escaped").exists()


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([("./d/1", BATCH)], "absent"),
        ([("d/1", "/etc/hostname")], "plain file"),
        ([("d/1", BATCH[:100])], "records"),
        ([("d/1", b"")], "at least one"),
    ],
)
def test_a_member_that_is_no_batch_is_refused_by_name(tmp_path, entries, words):
    with pytest.raises(DataError, match=f"d/1.*{words}"):
        read_cifar_archive(archive_of(tmp_path / "a.tar.gz", *entries), ["d/1"])


@pytest.mark.parametrize("keep", [0, 10, 200, -20])
def test_a_damaged_archive_is_refused_by_name(tmp_path, keep):
    path = archive_of(tmp_path / "a.tar.gz", ("d/1", BATCH))
    path.write_bytes(path.read_bytes()[:keep] if keep >= 0 else path.read_bytes()[: len(BATCH) // 2])
    with pytest.raises(DataError, match=r"a\.tar\.gz"):
        read_cifar_archive(path, ["d/1"])


def test_a_file_that_is_no_archive_is_refused_by_name(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"a\.tar\.gz"):
        read_cifar_archive(tmp_path / "a.tar.gz", ["d/1"])


def test_the_class_of_cifar100_is_the_second_byte(tmp_path):
    (tmp_path / "train.bin").write_bytes(BATCH_100)
    images, labels = read_cifar_batches([tmp_path / "train.bin"], CIFAR100)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, FINE)


@pytest.mark.parametrize(("layout", "labels", "key"), [(CIFAR10, LABELS, "labels"), (CIFAR100, FINE, "fine_labels")])
def test_a_pickled_batch_holds_the_same_as_a_binary_one(tmp_path, layout, labels, key):
    content = python2_batch(labels, IMAGES, key)
    assert (pickle.loads(content, encoding="bytes")[b"data"] == IMAGES.reshape(6, -1)).all()  # a pickle indeed
    (tmp_path / "train").write_bytes(content)
    loose = read_cifar_batches([tmp_path / "train"], layout)
    packed = read_cifar_archive(archive_of(tmp_path / "a.tar.gz", ("d/train", content)), ["d/train"], layout)
    for images, found in (loose, packed):
        np.testing.assert_array_equal(images, IMAGES)
        np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (PICKLED[:-1], "plain data"),
        (PICKLED[:5000], "plain data"),
        (pickle.dumps({"labels": [1]}, 2), "data and labels"),
        (pickle.dumps([1, 2], 2), "data and labels"),
        (python2_batch(LABELS + 100, IMAGES), r"0\.\.9"),
        (python2_batch(LABELS[:5], IMAGES), "one label per image"),
        (python2_batch(LABELS, IMAGES[:, :2]), "data must be"),
        (python2_batch(LABELS, IMAGES, array=lambda _: b"K\x01"), "data must be"),
    ],
)
def test_a_pickled_batch_that_is_none_is_refused_by_name(tmp_path, content, words):
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(DataError, match=f"batch.*{words}"):
        read_cifar_batches([tmp_path / "batch"])
