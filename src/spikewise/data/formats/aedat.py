"""Read AEDAT 2.0 and 3.1, the files of the DVS128 event camera with 128x128 pixels.

Both begin with lines of text that start with ``#``. In version 2.0 (CIFAR10-DVS) events of two *big-endian* 32-bit
numbers follow, address and time in microseconds::

    address: bit 0 polarity, 0 for ON; bits 1-7 column from the right; bits 8-14 row from the bottom; bit 15 set for a
    pulse at the camera's synchronisation plug, which is no event of a pixel and is left out

The clock has 32 bits and begins at 0 again after 71 minutes.

In version 3.1 (DVS128-Gesture) the text ends with ``#!END-HEADER`` and packets follow, *little-endian*: a header
of 28 bytes (type, source: 16 bits; bytes per event, place of the time, overflow of the time, capacity, number of
events, number of valid events: 32 bits) and the events::

    data: bit 0 validity; bit 1 polarity, 1 for ON; bits 2-16 row; bits 17-31 column
    time: 31 bits of microseconds

Packets of other types than polarity (1), and events that a filter marked invalid (bit 0 is 0), are left out. Events are
sorted by time.

References
----------
.. [1] iniVation, "AEDAT file formats".
"""

import struct
from pathlib import Path

import numpy as np

from spikewise.errors import DataError

from .checks import read_file
from .event_checks import Events, as_events, unwrapped

SIZE = (128, 128)
_END = b"#!END-HEADER"
_PACKET = struct.Struct("<hhiiiiii")
_POLARITY = 1
_POLARITY_BYTES = 8
_MAX_HEADER_LINES = 1000


def read_aedat2(path: Path) -> Events:
    """Read the events of a DVS128 recording in AEDAT 2.0; rows are counted from the top.

    Raises
    ------
    DataError
        If the file is cut short, empty or of another version.
    """
    body = _body(path, b"2.0")
    if len(body) % 8:
        raise DataError(f"{path} must hold events of 8 bytes after its header; got {len(body)} bytes. Fetch it again.")
    address, t = np.frombuffer(body, ">u4").reshape(-1, 2).astype(np.int64).T
    if (address >> 16).any():
        raise DataError(f"{path} must hold addresses of a DVS128, below 65536; got {address.max()}. Is it damaged?")
    is_pixel = address >> 15 == 0
    address, t = address[is_pixel], unwrapped(t, 32)[is_pixel]
    height, width = SIZE
    # The camera counts columns from the right and rows from the bottom, and stores 0 for ON.
    x, y = width - 1 - (address >> 1 & 0x7F), height - 1 - (address >> 8)
    return as_events(t, x, y, 1 - (address & 1), SIZE, str(path))


def read_aedat3(path: Path) -> Events:
    """Read the polarity events of a DVS128 recording in AEDAT 3.1.

    Raises
    ------
    DataError
        If a packet is cut short or contradicts itself, or there is no event.
    """
    body = memoryview(_body(path, b"3.1"))
    words, place = [], 0
    while place < len(body):
        if len(body) - place < _PACKET.size:
            raise DataError(f"{path} must be whole; it ends within the header of a packet. Fetch it again.")
        kind, _, n_bytes, time_place, overflow, _, n_events, _ = _PACKET.unpack_from(body, place)
        place += _PACKET.size
        if n_bytes < 1 or n_events < 0 or n_events * n_bytes > len(body) - place:
            raise DataError(
                f"{path} must be whole; a packet announces {n_events} events of {n_bytes} bytes and "
                f"{len(body) - place} bytes are left. Fetch it again."
            )
        if kind == _POLARITY:
            if (n_bytes, time_place) != (_POLARITY_BYTES, 4) or overflow < 0:
                raise DataError(f"{path}: polarity events must have 8 bytes with the time last; a packet has not.")
            packet = np.frombuffer(body, "<u4", 2 * n_events, place).reshape(-1, 2).astype(np.int64)
            packet[:, 1] += overflow << 31  # a time has 31 bits; the packet counts how often it wrapped around
            words.append(packet[packet[:, 0] & 1 == 1])
        place += n_events * n_bytes
    # The empty array keeps the shape if there was no packet; as_events then reports that there are no events.
    data, t = np.concatenate([np.empty((0, 2), np.int64), *words]).T
    return as_events(t, data >> 17, data >> 2 & 0x7FFF, data >> 1 & 1, SIZE, str(path))


def _body(path: Path, version: bytes) -> bytes:
    """Read the bytes after the header, whose first line must name the version."""
    content = read_file(path, "AEDAT file")
    if not content.startswith(b"#!AER-DAT" + version):
        raise DataError(f"{path} must start with #!AER-DAT{version.decode()}; it starts with {content[:12]!r}.")
    place, has_end = 0, version.startswith(b"3")
    # Version 2.0 has no end mark: its header ends at the first line that does not start with "#".
    for _ in range(_MAX_HEADER_LINES):
        is_text = content.startswith(b"#", place)
        if not is_text and not has_end:
            return content[place:]
        line_end = content.find(b"\n", place)
        if not is_text or line_end < 0:
            break
        is_last = has_end and content.startswith(_END, place)
        place = line_end + 1
        if is_last:
            return content[place:]
    raise DataError(f"{path} must have a header of text lines with an end; it has not. Fetch it again.")
