"""Binary batches of CIFAR-10, loose and in hostile archives."""

import io
import tarfile

import numpy as np
import pytest

from spikewise.data.formats.cifar import read_cifar_archive, read_cifar_batches
from spikewise.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 3, 32, 32), np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9])
BATCH = np.column_stack([LABELS.astype(np.uint8), IMAGES.reshape(6, -1)]).tobytes()


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
