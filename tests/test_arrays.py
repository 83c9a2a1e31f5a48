"""Arrays of anybody's: NumPy's own files come back bit for bit, and no other bytes become values."""

import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikewise._arrays import decode_npy, read_npy, read_npz
from spikewise.errors import DataError

PLAIN = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.floating_dtypes(endianness="?")
    | hnp.unicode_string_dtypes(endianness="?")
    | hnp.byte_string_dtypes()
)


@given(st.data(), hnp.array_shapes(min_dims=0, min_side=0), st.booleans())
def test_every_plain_array_of_numpy_comes_back(data, shape, is_fortran):
    values = data.draw(hnp.arrays(data.draw(PLAIN), shape))
    stream = io.BytesIO()
    np.save(stream, np.asfortranarray(values) if is_fortran and values.ndim else values)
    found = decode_npy(stream.getvalue(), "a")
    np.testing.assert_array_equal(found, values)
    assert found.dtype == values.dtype.newbyteorder("=")
    assert found.shape == values.shape
    assert found.dtype.isnative


def npy(header, body=b"", version=1):
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + size + header.encode() + body


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "starts with b''"),
        (b"PK\x03\x04 a zip is none", "starts with b'PK"),
        (npy("{}", version=9), "starts with"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1250000000000,), }"), "10,000,000,000,000 bytes"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", bytes(15)), "it has 15"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", bytes(17)), "it has 17"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -8), }", bytes(64)), "whole numbers"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (True,), }", bytes(8)), "whole numbers"),
        (npy("{'descr': '<f8', 'fortran_order': 3, 'shape': (1,), }", bytes(8)), "must have"),
        (npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({'1,' * 40}), }}", bytes(8)), "whole numbers"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", bytes(8)), "holds Python objects"),
        (npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }", bytes(8)), r"holds \[\('a'"),
        (npy("{'descr': '<f7', 'fortran_order': False, 'shape': (1,), }", bytes(7)), "holds <f7"),
        (npy("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,), }", bytes(8)), "holds <M8"),
        (npy("{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }", b"\xff\xff\xff\x7f"), "no character"),
        (npy("__import__('os').abort()"), "descr, fortran_order and shape"),
        (npy("(" * 9000), "descr, fortran_order and shape"),
        (npy("{[]: 1}"), "descr, fortran_order and shape"),
        (npy(" " * 20_000), "at most 10000 bytes"),
        (npy("{'descr'")[:-4], "cut short"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "cut short"),
    ],
)
def test_a_header_is_not_trusted(content, words):
    with pytest.raises(DataError, match=words) as raised:
        decode_npy(content, "a.npy")
    assert len(str(raised.value)) < 300


def test_an_array_is_read_from_its_file(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    assert read_npy(tmp_path / "a.npy").tolist() == [0, 1, 2]
    with pytest.raises(DataError, match=r"absent.npy must be a readable .npy file"):
        read_npy(tmp_path / "absent.npy")


@pytest.fixture
def archive(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", spikes=np.zeros(1000, np.uint8), labels=np.arange(3))
    return tmp_path / "a.npz"


def test_named_arrays_are_read_from_an_archive(archive):
    found = read_npz(archive, ["labels"], optional=["spikes", "classes"])
    assert list(found) == ["labels", "spikes"]
    assert found["labels"].tolist() == [0, 1, 2]
    with pytest.raises(DataError, match=r"must be a \.npz file with labels, x; it lacks x"):
        read_npz(archive, ["labels", "x"])


def test_the_checksum_of_a_member_is_verified_before_its_values_are_used(archive):
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        checksum = struct.pack("<I", file.getinfo("labels.npy").CRC)
    for place in (content.find(checksum), content.rfind(checksum)):
        content[place] ^= 1
    archive.write_bytes(content)
    with pytest.raises(DataError, match="Bad CRC-32"):
        read_npz(archive, ["labels"])


def test_what_unfolds_to_gigabytes_is_refused_before_it_is_unfolded(tmp_path, monkeypatch):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("a.npy", "w", force_zip64=True) as member:
        member.write(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (200000000,), }"))
        for _ in range(200):
            member.write(bytes(10**6))
    with pytest.raises(DataError, match=r"it needs 200,000,\d\d\d\..*SPIKEWISE_MAX_MEMORY"):
        read_npz(path, ["a"])
    monkeypatch.setenv("SPIKEWISE_MAX_MEMORY", "1GB")
    assert read_npz(path, ["a"])["a"].shape == (200_000_000,)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unfold_without_a_bound_are_refused(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as file:
        file.writestr("a.npy", bytes(1000))
    with pytest.raises(DataError, match="must be stored or deflated"):
        read_npz(tmp_path / "a.npz", ["a"])
