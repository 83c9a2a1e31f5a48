"""Checksum of an array, fast enough to be computed before every answer.

Each float contributes its bits times a number of its position, modulo 2**64. So the checksum changes if any value
changes, however little, and also if values change places.
"""

from typing import Any

import numpy as np

from spikewise._compile import kernel

_LAST = 0xFFFFFFFF
# Without its sign bit, a float that is infinite or not a number has all exponent bits set.
_SIGNLESS, _INFINITE = np.uint32(0x7FFFFFFF), np.uint32(0x7F800000)


@kernel
def content_of(bits: Any) -> tuple[Any, Any]:
    """Return the checksum of a flat float32 array, given as uint32, and whether all values are finite."""
    # Integer sums wrap around and may be added in any order, so the compiler can use vectors.
    total, largest = np.uint64(0), np.uint32(0)
    for place in range(len(bits)):
        total += np.uint64(bits[place]) * np.uint64(np.uint32(_LAST - place))
        largest = max(largest, bits[place] & _SIGNLESS)
    return total, largest < _INFINITE
