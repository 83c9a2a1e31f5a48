"""Arrays from strangers: no pickles, no lies about sizes."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.data.formats.npz import read_npz_images
from spikewise.errors import DataError

IMAGES = np.arange(24, dtype=np.uint8).reshape(3, 2, 4)
LABELS = np.array([0, 2, 1])


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("npz") / "set.npz"


def test_images_labels_and_names_are_read(file):
    np.savez(file, images=IMAGES, labels=LABELS.astype(np.uint8), classes=["a", "b", "ç", "d"])
    images, labels, classes = read_npz_images(file)
    np.testing.assert_array_equal(images, IMAGES[:, None])
    assert (labels.tolist(), labels.dtype, classes) == ([0, 2, 1], np.int64, ("a", "b", "ç", "d"))


def test_names_may_be_bytes_or_absent(file):
    np.savez_compressed(file, images=IMAGES[:, None], labels=LABELS, classes=np.array([b"a", b"b", b"c"]))
    assert read_npz_images(file)[2] == ("a", "b", "c")
    np.savez(file, images=IMAGES / 255, labels=LABELS)
    images, _, classes = read_npz_images(file)
    assert classes == ("0", "1", "2")
    np.testing.assert_array_equal(images[:, 0], IMAGES)


@pytest.mark.parametrize(("labels", "renumbered"), [([0, 7, 14], "0..2"), ([1, 2, 3], "0..2"), ([5, 5, 5], "0..0")])
def test_labels_with_gaps_need_names(file, labels, renumbered):
    np.savez(file, images=IMAGES, labels=labels)
    with pytest.raises(DataError, match=rf"never occur\. Renumber them {renumbered}, or add the names as classes"):
        read_npz_images(file)
    np.savez(file, images=IMAGES, labels=labels, classes=[f"class {i}" for i in range(15)])
    assert len(read_npz_images(file)[2]) == 15


class Explosive:
    def __reduce__(self):
        return print, ("a pickle ran",)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": IMAGES}, "it lacks labels"),
        ({"images": np.array([Explosive()]), "labels": LABELS}, "images.*Python objects"),
        ({"images": IMAGES, "labels": LABELS[:2]}, "3 images, 2 labels"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "B at least 1"),
        ({"images": IMAGES * np.nan, "labels": LABELS}, "NaN"),
        ({"images": IMAGES.astype(float), "labels": LABELS}, "Divide"),
        ({"images": IMAGES, "labels": LABELS, "classes": ["a", "b"]}, r"0\.\.1"),
        ({"images": IMAGES, "labels": LABELS - 1}, r"got -1"),
        ({"images": IMAGES, "labels": LABELS / 2}, "integers"),
        ({"images": IMAGES, "labels": LABELS, "classes": ["a", "b", "a"]}, "twice"),
        ({"images": IMAGES, "labels": LABELS, "classes": [1, 2, 3]}, "list of names"),
        ({"images": IMAGES, "labels": LABELS, "classes": np.array([b"a", b"\xff", b"c"])}, "UTF-8"),
        ({"images": np.uint8(3), "labels": LABELS}, "shape"),
        ({"images": np.zeros(3, [("a", "u1")]), "labels": LABELS}, "plain numbers"),
    ],
)
def test_arrays_that_cannot_be_are_refused_by_name(file, arrays, words, capsys):
    np.savez(file, **arrays)
    with pytest.raises(DataError, match=rf"set\.npz.*{words}"):
        read_npz_images(file)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("shape", [(2**40, 28, 28), (2**20, 28, 28), (4, 2, 4)])
def test_a_header_that_promises_too_much_gets_no_memory(file, shape):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    np.savez(file, labels=LABELS)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("images.npy", header.getvalue() + IMAGES.tobytes()[:4])
    with pytest.raises(DataError, match=r"images must hold .* bytes for .*; it has 4"):
        read_npz_images(file)


@given(st.data())
def test_a_file_cut_anywhere_is_refused_by_name(file, data):
    np.savez(file, images=IMAGES, labels=LABELS)
    content = file.read_bytes()
    file.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(DataError, match=r"set\.npz"):
        read_npz_images(file)


@given(st.data())
def test_a_flipped_byte_is_refused_or_harmless(file, data):
    np.savez_compressed(file, images=IMAGES, labels=LABELS)
    content = bytearray(file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    try:
        images, _, _ = read_npz_images(file)
    except DataError:
        return
    np.testing.assert_array_equal(images[:, 0], IMAGES)


def test_a_pickle_or_nothing_is_refused_by_name(file):
    file.write_bytes(b"\x80\x04N.")
    with pytest.raises(DataError, match=r"set\.npz must be a \.npz file"):
        read_npz_images(file)
    with pytest.raises(DataError, match=r"absent\.npz must be a readable \.npz file; No such file"):
        read_npz_images(file.with_name("absent.npz"))
