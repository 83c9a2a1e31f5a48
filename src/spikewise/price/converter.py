"""Converters of another resolution than the one whose constants are known: energy and area by bits.

From 4 to 10 bits the ratios are those of ISAAC's 8-bit SAR converter scaled to other resolutions, at 32 nm (as in the
plug-ins of Accelergy and hwcomponents). Beyond, the ends are continued, which is an extrapolation. Converters of more
than 8 bits may well be dearer: a regression over published ones (arXiv 2404.06553) has a factor of 3.3 from 8 to 10
bits where this table has 1.4.
"""

from __future__ import annotations

import math

from .technology import Dimension

_ENERGY_PJ = {4: 0.79, 5: 0.99, 6: 1.20, 7: 1.42, 8: 1.67, 9: 1.97, 10: 2.38}
_AREA_UM2 = {4: 361.0, 5: 477.0, 6: 627.0, 7: 845.0, 8: 1200.0}


def scaled(dimension: Dimension, known_bits: int, bits: int) -> float:
    """Ratio of energy, or of area, of a converter of some bits to that of known bits.

    Examples
    --------
    >>> round(scaled("energy", 4, 8), 2), round(scaled("area", 8, 4), 2)
    (2.11, 0.3)
    """
    table = _AREA_UM2 if dimension == "area" else _ENERGY_PJ
    return _at(table, bits) / _at(table, known_bits)


def _at(table: dict[int, float], bits: int) -> float:
    low, high = min(table), max(table)
    if bits < low:
        return table[low] * (bits / low)
    if bits > high:
        return table[high] * math.pow(table[high] / table[high - 1], bits - high)
    return table[bits]
