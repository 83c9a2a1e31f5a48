"""Pickles are read and never run, whatever they ask for."""

import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.data.formats.plain_pickle import read_pickle
from spikewise.errors import DataError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@given(PLAIN)
def test_plain_values_come_out_as_they_went_in(value):
    assert read_pickle(pickle.dumps(value, protocol=2), "x") == value


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_would_run_something_runs_nothing(tmp_path, protocol):
    with pytest.raises(DataError, match="x must be a pickle of plain data"):
        read_pickle(pickle.dumps({"a": [Bomb(tmp_path / "ran")]}, protocol=protocol), "x")
    assert not (tmp_path / "ran").exists()


def array_of(n_announced, content, dtype=b"u1", shape=None):
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
        + (b"J" + struct.pack("<i", n_announced) + b"\x85" if shape is None else shape)
        + b"cnumpy\ndtype\nU" + bytes([len(dtype)]) + dtype + b"K\x00K\x01\x87R\x89"
        + b"U" + bytes([len(content)]) + content + b"tb."
    )  # fmt: skip


def test_an_array_of_bytes_is_built_from_its_bytes():
    np.testing.assert_array_equal(read_pickle(array_of(3, b"\x01\xff\x00"), "x"), [1, 255, 0])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"no pickle",
        b"\x80\x02K\x01K\x02.",  # two values
        b"\x80\x02e.",  # a list without a mark
        b"\x80\x02(K\x01a.",  # appends below the mark
        b"\x80\x02h\x09.",  # a memory that was never written
        b"\x80\x02q\x00.",
        b"\x80\x02}(K\x01K\x02u.",  # a key that is no text
        b"\x80\x02}(U\x01au.",  # a key without a value
        b"\x80\x02cos\nsystem\n.",
        b"\x80\x02cnumpy\nndarray\nK\x01\x85R.",
        b"\x80\x02U\x01a)R.",
        array_of(2**31 - 1, b"abc"),
        array_of(-1, b"abc"),
        array_of(3, b"abc", b"O8"),
        array_of(3, b"abc", shape=b"K\x03"),
        b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b"b.",
    ],
)
def test_a_damaged_or_hostile_pickle_is_refused(content):
    with pytest.raises(DataError, match="x must be a pickle of plain data"):
        read_pickle(content, "x")


@given(st.binary(max_size=40))
def test_noise_is_refused_or_plain(content):
    try:
        value = read_pickle(b"\x80\x02" + content, "x")
    except DataError:
        return
    assert value is None or isinstance(value, bool | int | str | list | tuple | dict)


def test_arrays_that_share_their_bytes_do_not_fill_the_memory():
    n = 500_000
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
        b"(K\x01" + b"J" + struct.pack("<i", n) + b"\x85cnumpy\ndtype\nU\x02u1\x85R\x89h\x00tb"
    )
    content = b"\x80\x02T" + struct.pack("<i", n) + bytes(n) + b"q\x00](h\x00" + array * 5000 + b"e."
    with pytest.raises(DataError, match="arrays share their bytes"):
        read_pickle(content, "x")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02" + b"N0" * 600_000 + b"N.",
        b"\x80\x02" + b"]" * 1_100_000 + b".",
        # Tuples that hold one another twice: 2^90 leaves, as the name of what is called.
        b"\x80\x02U\x04nameNq\x00" + b"h\x00h\x00\x86q\x00" * 90 + b"\x86)R.",
    ],
)
def test_a_pickle_that_never_ends_is_refused(content):
    with pytest.raises(DataError, match="x must be a pickle of plain data"):
        read_pickle(content, "x")
