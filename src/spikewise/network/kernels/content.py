"""What an array holds, in one number: fast enough to ask before every answer, and different where anything moved.

Each float counts by its bits times a number of its place, modulo 2**64, so that values that changed places show as
well as values that changed, however little.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spikewise._compile import kernel

_LAST = 0xFFFFFFFF
_SIGNLESS, _INFINITE = np.uint32(0x7FFFFFFF), np.uint32(0x7F800000)


@kernel
def content_of(bits: Any) -> tuple[Any, Any]:
    """Number of a flat array of float32, given as uint32, and whether all of them are finite."""
    total, largest = np.uint64(0), np.uint32(0)
    for place in range(len(bits)):
        total += np.uint64(bits[place]) * np.uint64(np.uint32(_LAST - place))
        largest = max(largest, bits[place] & _SIGNLESS)
    return total, largest < _INFINITE
