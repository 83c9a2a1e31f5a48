"""IDX files: whole, cut, padded and lying."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from spikewise.data.formats.idx import read_idx, read_idx_pair
from spikewise.errors import DataError


def idx_bytes(values):
    values = np.asarray(values, np.uint8)
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("idx") / "images"


@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=3, max_side=6)), st.booleans())
def test_what_was_written_is_read(file, values, is_zipped):
    content = idx_bytes(values)
    file.write_bytes(gzip.compress(content, 1) if is_zipped else content)
    np.testing.assert_array_equal(read_idx(file, values.ndim), values)


@given(st.integers(0, len(idx_bytes(IMAGES)) - 1), st.booleans())
def test_a_file_cut_anywhere_is_refused_by_name(file, n_bytes, is_zipped):
    content = idx_bytes(IMAGES)[:n_bytes]
    file.write_bytes(gzip.compress(content, 1) if is_zipped else content)
    with pytest.raises(DataError, match=str(file)):
        read_idx(file, 3)


@given(st.data())
def test_a_gzip_stream_cut_anywhere_is_refused_by_name(file, data):
    content = gzip.compress(idx_bytes(IMAGES))
    file.write_bytes(content[: data.draw(st.integers(2, len(content) - 1))])
    with pytest.raises(DataError, match=str(file)):
        read_idx(file, 3)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "content",
    [
        idx_bytes(IMAGES) + b"more",
        idx_bytes(IMAGES[0]),
        idx_bytes(np.zeros((0, 3, 4))),
        idx_bytes(np.zeros((2, 0, 4))),
        bytes([0, 0, 8, 3]) + struct.pack(">3I", *(2**32 - 1,) * 3) + b"few",
        bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**15, 2**8, 2**8) + b"few",
        bytes([0, 0, 13, 3]) + idx_bytes(IMAGES)[4:],
        b"not an IDX file",
    ],
    ids=["too long", "two dims", "no sample", "zero dim", "gigantic", "large", "floats", "text"],
)
def test_a_lying_header_is_refused_by_name(file, content, pack):
    file.write_bytes(pack(content))
    with pytest.raises(DataError, match=str(file)):
        read_idx(file, 3)


def test_a_damaged_gzip_file_is_refused_by_name(file):
    content = bytearray(gzip.compress(idx_bytes(IMAGES)))
    content[-6] ^= 0xFF  # the checksum
    file.write_bytes(content)
    with pytest.raises(DataError, match=str(file)):
        read_idx(file, 3)


@pytest.mark.parametrize(("content", "words"), [(b"", "it is empty"), (b"\0\0", "ends within the header")])
def test_an_empty_or_short_file_is_called_so(file, content, words):
    file.write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_idx(file, 3)


def test_an_absent_file_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="absent"):
        read_idx(tmp_path / "absent", 3)


def test_images_and_labels_must_be_as_many(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.write_bytes(idx_bytes(IMAGES))
    labels.write_bytes(idx_bytes([1, 2]))
    assert read_idx_pair(images, labels, 3)[0].shape == (2, 1, 3, 4)
    labels.write_bytes(idx_bytes([1, 2, 0]))
    with pytest.raises(DataError, match="2 images, 3 labels"):
        read_idx_pair(images, labels, 3)
    labels.write_bytes(idx_bytes([1, 9]))
    with pytest.raises(DataError, match=r"labels must lie in 0\.\.2"):
        read_idx_pair(images, labels, 3)
