"""Recordings of N-MNIST, file by file and all in one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.data.formats.nmnist import read_nmnist_bin, read_nmnist_npz
from spikewise.errors import DataError

EVENT = st.tuples(st.integers(0, 2**23 - 1), st.integers(0, 33), st.integers(0, 33), st.integers(0, 1))


def write_npz(path, recordings, classes, **changes):
    t, x, y, p = np.array([event for events in recordings for event in events]).T
    arrays = {
        "x": x.astype(np.uint8),
        "y": y.astype(np.uint8),
        "p": p.astype(np.uint8),
        "t": t.astype(np.uint32),
        "offsets": np.cumsum([0, *map(len, recordings)]),
        "labels": np.array(classes, np.uint8),
        "mnist_index": np.arange(len(classes), dtype=np.int32),
    }
    np.savez(path, **(arrays | changes))
    return path


SAMPLE = [(0, 3, 4, 1), (7, 33, 0, 0), (7, 1, 33, 1), (310_000, 0, 0, 0)]


def test_a_full_clock_goes_on(tmp_path):
    """The two ways in which the camera's clock is full: a record of 13 bits more, and 23 bits that begin at 0 again."""
    path = tmp_path / "00001.bin"
    path.write_bytes(bytes([1, 3, 0, 8000 >> 8, 8000 & 255, 0, 240, 0, 0, 0, 2, 4, 128, 0, 100]))
    assert read_nmnist_bin(path).tolist() == [(8000, 1, 3, 0), (8292, 2, 4, 1)]
    path.write_bytes(bytes([1, 3, 127, 255, 255, 2, 4, 128, 0, 100]))
    assert read_nmnist_bin(path)["t"].tolist() == [2**23 - 1, 2**23 + 100]


# In a random order, times that lie within half of the range of the clock cannot be taken for a new beginning.
@given(st.lists(EVENT.filter(lambda event: event[0] < 2**22), min_size=1, max_size=20))
def test_events_come_out_as_they_went_in_and_in_order(tmp_path_factory, event_files, events):
    path = tmp_path_factory.mktemp("bin") / "00001.bin"
    path.write_bytes(event_files.nmnist(events))
    assert read_nmnist_bin(path).tolist() == sorted(events, key=lambda event: event[0])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (bytes([3, 4, 0, 0, 0, 1, 2]), "events of 5 bytes; got 7"),
        (bytes([34, 0, 0, 0, 1]), r"x of an event must lie in 0\.\.33; got 34"),
        (bytes([0, 241, 0, 0, 1]), r"y of an event must lie in 0\.\.33; got 241"),
        (bytes([0, 240, 0, 0, 1]), "at least one event"),
    ],
)
def test_a_damaged_recording_is_refused_by_name(tmp_path, content, words):
    (tmp_path / "00001.bin").write_bytes(content)
    with pytest.raises(DataError, match=rf"00001\.bin.*{words}"):
        read_nmnist_bin(tmp_path / "00001.bin")


def test_a_recording_that_cannot_be_read_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"00001\.bin must be a readable recording"):
        read_nmnist_bin(tmp_path / "00001.bin")


def test_all_in_one_gives_the_same_recordings(tmp_path):
    samples = [SAMPLE, SAMPLE[1:3], SAMPLE[:1]]
    recordings, labels = read_nmnist_npz(write_npz(tmp_path / "train.npz", samples, [7, 0, 9]))
    assert [events.tolist() for events in recordings] == samples
    assert labels.tolist() == [7, 0, 9]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"offsets": np.array([0, 4])}, "offsets must be 3 integers"),
        ({"offsets": np.array([0.0, 4.0, 6.0])}, "offsets must be 3 integers"),
        ({"offsets": np.array([0, 7, 6])}, "offsets must rise from 0"),
        ({"offsets": np.array([1, 4, 6])}, "offsets must rise from 0"),
        ({"offsets": np.array([0, 4, 9])}, "offsets must rise from 0"),
        ({"offsets": np.array([0, 6, 6])}, "recording 1 must hold at least one event"),
        ({"x": np.zeros(5, np.uint8)}, "one entry per event"),
        ({"t": np.zeros((6, 1), np.uint32)}, "one entry per event"),
        ({"t": np.zeros(6)}, "t of events must be integers"),
        ({"y": np.full(6, 34, np.uint8)}, r"recording 0: y of an event must lie in 0\.\.33"),
        ({"p": np.full(6, 2, np.uint8)}, r"p of an event must lie in 0\.\.1"),
        ({"labels": np.array([0, 10])}, r"0\.\.9"),
    ],
)
def test_a_damaged_collection_is_refused_by_name(tmp_path, changes, words):
    path = write_npz(tmp_path / "train.npz", [SAMPLE, SAMPLE[1:3]], [1, 2], **changes)
    with pytest.raises(DataError, match=rf"train\.npz.*{words}"):
        read_nmnist_npz(path)
