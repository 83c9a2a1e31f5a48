"""AEDAT 2.0 and 3.1, written here as the cameras' software writes them."""

import itertools
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.data.formats.aedat import read_aedat2, read_aedat3
from spikewise.errors import DataError

EVENT = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 127), st.integers(0, 127), st.integers(0, 1))
EVENTS = [(5, 0, 0, 1), (6, 127, 3, 0), (6, 4, 127, 1), (100, 64, 65, 0)]


def in_order(events):
    return sorted(events, key=lambda event: event[0])


@given(st.lists(EVENT, min_size=1, max_size=20))
def test_events_of_version_2_come_out_as_they_went_in(tmp_path_factory, event_files, events):
    path = tmp_path_factory.mktemp("aedat") / "a.aedat"
    path.write_bytes(event_files.aedat2(events))
    assert read_aedat2(path).tolist() == in_order(events)


@given(st.lists(st.lists(EVENT, max_size=5), min_size=1, max_size=4).filter(any))
def test_events_of_all_packets_of_version_3_come_out_in_order(tmp_path_factory, event_files, packets):
    path = tmp_path_factory.mktemp("aedat") / "a.aedat"
    path.write_bytes(event_files.aedat3(*map(event_files.packet, packets)))
    assert read_aedat3(path).tolist() == in_order(itertools.chain(*packets))


def test_an_address_is_decoded_bit_by_bit(tmp_path, event_files):
    # Column 2 from the right, row 1 from the bottom, polarity bit 0 (brighter), after 0x01020304 microseconds.
    (tmp_path / "a.aedat").write_bytes(event_files.head_2 + bytes([0, 0, 0x01, 0x04, 1, 2, 3, 4]))
    assert read_aedat2(tmp_path / "a.aedat").tolist() == [(0x01020304, 125, 126, 1)]


def test_packets_of_another_type_are_passed_over_and_an_overflow_adds_to_the_time(tmp_path, event_files):
    packet = event_files.packet
    other = packet(EVENTS, kind=2)
    (tmp_path / "a.aedat").write_bytes(event_files.aedat3(other, packet(EVENTS[:1], overflow=1), other))
    assert read_aedat3(tmp_path / "a.aedat").tolist() == [(5 + 2**31, 0, 0, 1)]


def test_pulses_at_the_plug_are_no_events_and_the_clock_goes_on_when_it_is_full(tmp_path, event_files):
    times = [2**32 - 200, 2**32 - 100, 50, 100]
    records = [(256 * row, t) for row, t in enumerate(times)] + [(0x8000, 150)]
    (tmp_path / "a.aedat").write_bytes(event_files.head_2 + b"".join(struct.pack(">II", *each) for each in records))
    events = read_aedat2(tmp_path / "a.aedat")
    assert events["t"].tolist() == [2**32 - 200, 2**32 - 100, 2**32 + 50, 2**32 + 100]
    assert events["y"].tolist() == [127, 126, 125, 124]


def test_events_that_were_marked_invalid_are_left_out(tmp_path, event_files):
    whole = bytearray(event_files.packet(EVENTS[:2]))
    place = len(whole) - 16
    whole[place] &= 0xFE
    (tmp_path / "a.aedat").write_bytes(event_files.aedat3(bytes(whole)))
    assert read_aedat3(tmp_path / "a.aedat").tolist() == [EVENTS[1]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda f: b"", "it is empty"),
        (lambda f: b"\0" * 16, "must start with #!AER-DAT2.0"),
        (lambda f: f.aedat3(f.packet(EVENTS)), "must start with #!AER-DAT2.0"),
        (lambda f: f.head_2, "at least one event"),
        (lambda f: f.aedat2(EVENTS)[:-1], "events of 8 bytes"),
        (lambda f: f.head_2 + struct.pack(">II", 2**16, 1), "below 65536"),
        (lambda f: f.head_2 + struct.pack(">II", 2**15, 1), "at least one event"),
        (lambda f: b"#!AER-DAT2.0", "header of text lines"),
    ],
)
def test_a_damaged_file_of_version_2_is_refused_by_name(tmp_path, event_files, content, words):
    (tmp_path / "a.aedat").write_bytes(content(event_files))
    with pytest.raises(DataError, match=rf"a\.aedat.*{words}"):
        read_aedat2(tmp_path / "a.aedat")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda f: f.aedat2(EVENTS), "must start with #!AER-DAT3.1"),
        (lambda f: f.head_3, "at least one event"),
        (lambda f: f.head_3[:-2], "header of text lines"),
        (lambda f: b"#!AER-DAT3.1\r\n" + f.packet(EVENTS), "header of text lines"),
        (lambda f: b"#!AER-DAT3.1\r\n" + b"#\n" * 5000, "header of text lines"),
        (lambda f: f.aedat3(f.packet(EVENTS))[:-1], "announces 4 events of 8 bytes and 31 bytes"),
        (lambda f: f.aedat3(f.packet(EVENTS))[: len(f.head_3) + 10], "within the header of a packet"),
        (lambda f: f.aedat3(f.packet(EVENTS, number=2**31 - 1)), "announces"),
        (lambda f: f.aedat3(f.packet(EVENTS, number=-1)), "announces"),
        (lambda f: f.aedat3(f.packet(EVENTS, size=0)), "announces"),
        (lambda f: f.aedat3(f.packet(EVENTS, size=4)), "8 bytes with the time last"),
        (lambda f: f.aedat3(f.packet(EVENTS, place=0)), "8 bytes with the time last"),
        (lambda f: f.aedat3(f.packet(EVENTS, overflow=-1)), "8 bytes with the time last"),
        (lambda f: f.aedat3(f.packet(EVENTS, overflow=2**31 - 1)), "t of an event"),
        (lambda f: f.aedat3(f.packet([(1, 128, 0, 0)])), "x of an event"),
        (lambda f: f.aedat3(f.packet([(1, 0, 128, 0)])), "y of an event"),
        (lambda f: f.aedat3(f.packet(EVENTS, kind=2)), "at least one event"),
    ],
)
def test_a_damaged_file_of_version_3_is_refused_by_name(tmp_path, event_files, content, words):
    (tmp_path / "a.aedat").write_bytes(content(event_files))
    with pytest.raises(DataError, match=rf"a\.aedat.*{words}"):
        read_aedat3(tmp_path / "a.aedat")


@pytest.mark.parametrize("read", [read_aedat2, read_aedat3])
def test_an_absent_file_is_refused_by_name(tmp_path, read):
    with pytest.raises(DataError, match=r"a\.aedat must be a readable AEDAT file"):
        read(tmp_path / "a.aedat")


@given(st.binary(max_size=120))
def test_noise_after_the_header_is_refused_or_on_the_sensor(tmp_path_factory, event_files, body):
    path = tmp_path_factory.mktemp("aedat") / "a.aedat"
    for head, read in ((event_files.head_2, read_aedat2), (event_files.head_3, read_aedat3)):
        path.write_bytes(head + body)
        try:
            events = read(path)
        except DataError:
            continue
        assert max(events["x"].max(), events["y"].max()) < 128
        assert (np.diff(events["t"]) >= 0).all()
