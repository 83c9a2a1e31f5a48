r"""On-chip SRAM: energy of reads and writes, area and leakage, by size and process node.

A larger memory has longer wires, so an access costs more: about :math:`e \propto size^{0.6}`. The table below was
computed with CACTI 7 (low operating power, one port, 64-bit accesses, leakage at 360 K); between its sizes all figures
are interpolated on logarithmic axes.

Valid for 22, 32, 45 and 65 nm and 1 to 1024 KiB. A smaller memory costs as much as the smallest in the table. A larger
one consists of banks of 1024 KiB: energy per access stays the same, area and leakage grow with the number of banks.
Leaves out: wires between banks. Every access is assumed to use all of its 64 bits.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from spikewise.errors import ParameterError
from spikewise.price.ledger import FloatArray
from spikewise.price.quantity import Tag

SOURCE = "SRAM: CACTI 7, low operating power cells, one port, 64-bit access, 360 K (own runs)"
TAG: Tag = "run"
ACCESS_BITS = 64
SIZES_KIB = (1, 5, 8, 10, 20, 32, 64, 256, 1024)
"""Sizes of memories in the table below."""
_KIB = 8 * 1024
# Read pJ, write pJ, area mm2, leakage mW, one row per size.
_TABLE: dict[int, tuple[tuple[float, float, float, float], ...]] = {
    22: (
        (0.235, 0.441, 0.0009, 0.44), (0.822, 0.775, 0.0042, 2.3), (1.02, 0.98, 0.0084, 3.7),
        (1.15, 1.10, 0.0100, 4.6), (1.88, 1.42, 0.0180, 8.3), (2.25, 1.88, 0.0317, 13),
        (3.65, 2.62, 0.0587, 25), (6.70, 5.65, 0.236, 98), (13.4, 11.4, 0.814, 387),
    ),
    32: (
        (0.375, 0.682, 0.0018, 0.13), (1.27, 1.20, 0.0089, 0.69), (2.17, 1.61, 0.0145, 1.0),
        (2.41, 1.72, 0.0173, 1.3), (3.06, 2.37, 0.0382, 2.6), (3.59, 3.02, 0.0673, 4.1),
        (5.81, 4.26, 0.125, 7.5), (11.7, 8.73, 0.442, 30), (21.9, 18.8, 1.73, 119),
    ),
    45: (
        (0.787, 1.44, 0.0036, 0.017), (2.56, 2.58, 0.0176, 0.085), (3.16, 3.24, 0.0263, 0.14),
        (4.81, 3.76, 0.0341, 0.16), (6.87, 4.88, 0.0618, 0.32), (7.73, 6.11, 0.112, 0.52),
        (11.9, 9.26, 0.246, 0.95), (22.6, 17.6, 0.873, 3.7), (48.4, 38.5, 3.17, 15),
    ),
    65: (
        (1.51, 2.87, 0.0075, 0.045), (4.85, 5.17, 0.0367, 0.23), (5.90, 6.50, 0.0548, 0.37),
        (9.10, 7.55, 0.0713, 0.44), (12.70, 9.79, 0.1288, 0.87), (14.6, 12.3, 0.234, 1.4),
        (22.9, 18.6, 0.514, 2.6), (46.8, 38.5, 1.82, 10), (90.6, 70.0, 6.81, 38),
    ),
}  # fmt: skip
NODES_NM = tuple(_TABLE)
_LARGEST = float(SIZES_KIB[-1] * _KIB)


@cache
def _log_table(node_nm: int) -> tuple[FloatArray, FloatArray]:
    """Return logarithms of sizes (bits) and of energies per bit (J), area (m2) and leakage (W), a row each."""
    scale = np.array([1e-12 / ACCESS_BITS, 1e-12 / ACCESS_BITS, 1e-6, 1e-3])
    return np.log(np.array(SIZES_KIB, np.float64) * _KIB), np.log(np.array(_TABLE[node_nm]) * scale).T


@dataclass(frozen=True, slots=True)
class Sram:
    """SRAM of one process node.

    Every method takes sizes in bits and gives an array of their shape; a memory of no bits costs nothing.

    Parameters
    ----------
    node_nm : {22, 32, 45, 65}
        Feature size of the process.

    Examples
    --------
    >>> sram = Sram(45)
    >>> round(float(sram.read_j_per_bit(8 * 1024 * 8)) * 64e12, 6)
    3.16
    """

    node_nm: int

    def __post_init__(self) -> None:
        if self.node_nm not in _TABLE:
            raise ParameterError(f"node_nm must be one of {', '.join(map(str, _TABLE))}; got {self.node_nm}.")

    def _look_up(self, column: int, n_bits: ArrayLike, *, in_banks: bool) -> FloatArray:
        size = np.asarray(n_bits, np.float64)
        sizes, columns = _log_table(self.node_nm)
        found = np.exp(np.interp(np.log(np.maximum(size, 1.0)), sizes, columns[column]))
        banks = np.maximum(size / _LARGEST, 1.0) if in_banks else 1.0
        return np.asarray(np.where(size > 0, found * banks, 0.0))

    def read_j_per_bit(self, n_bits: ArrayLike) -> FloatArray:
        """Return the energy to read one bit of a memory of n_bits bits."""
        return self._look_up(0, n_bits, in_banks=False)

    def write_j_per_bit(self, n_bits: ArrayLike) -> FloatArray:
        """Return the energy to write one bit to a memory of n_bits bits."""
        return self._look_up(1, n_bits, in_banks=False)

    def area_m2(self, n_bits: ArrayLike) -> FloatArray:
        """Return the area of a memory of n_bits bits."""
        return self._look_up(2, n_bits, in_banks=True)

    def leakage_w(self, n_bits: ArrayLike) -> FloatArray:
        """Return the leakage power of a memory of n_bits bits."""
        return self._look_up(3, n_bits, in_banks=True)
