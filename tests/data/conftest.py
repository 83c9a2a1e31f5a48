"""Writers of event files, as the publishers' formats are described."""

import struct

import pytest

HEAD_2 = b"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n# Timestamps tick is 1 us\r\n"
HEAD_3 = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#Start-Time: 2016-01-01 00:00:00\r\n#!END-HEADER\r\n"


class EventFiles:
    """Bytes of files that hold events (t, x, y, p)."""

    head_2, head_3 = HEAD_2, HEAD_3

    @staticmethod
    def nmnist(events):
        return b"".join(bytes([x, y]) + (p << 23 | t).to_bytes(3, "big") for t, x, y, p in events)

    @staticmethod
    def aedat2(events):
        words = [((127 - y) << 8 | (127 - x) << 1 | (1 - p), t) for t, x, y, p in events]
        return HEAD_2 + b"".join(struct.pack(">II", *word) for word in words)

    @staticmethod
    def packet(events, kind=1, overflow=0, **changes):
        head = {"size": 8, "place": 4, "number": len(events)} | changes
        words = b"".join(struct.pack("<II", x << 17 | y << 2 | p << 1 | 1, t) for t, x, y, p in events)
        numbers = (head["size"], head["place"], overflow, len(events), head["number"], len(events))
        return struct.pack("<hhiiiiii", kind, 1, *numbers) + words

    @staticmethod
    def aedat3(*packets):
        return HEAD_3 + b"".join(packets)


@pytest.fixture(scope="session")
def event_files():
    return EventFiles
