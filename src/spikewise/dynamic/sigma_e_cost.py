"""Work of the softmax-entropy unit for one decision: look-ups, operations and bits, without energies."""

from dataclasses import dataclass

import numpy as np

from spikewise._arguments import checks_arguments
from spikewise._choices import Accumulate
from spikewise.dynamic.rule import EntropyExit
from spikewise.dynamic.sigma_e import EXPONENT_BITS, SigmaEUnit
from spikewise.errors import ParameterError, whole_number


@dataclass(frozen=True, slots=True)
class UnitWork:
    """Operations of the unit per decision, and the bits that it stores.

    Parameters
    ----------
    n_exp_lookups, n_log_lookups, n_reciprocal_lookups : int
        Reads of the three tables.
    n_additions, n_comparisons, n_shifts : int
        Operations of the data path. Subtractions count as additions.
    multiplications : tuple of (int, int, int)
        Count and the two widths in bits; the energy of a multiplication grows with the product of its widths.
    exp_table_bits, log_table_bits, reciprocal_table_bits : int
        Bits of the tables.
    register_bits : int
        Scores, the two accumulators and the bound.
    """

    n_exp_lookups: int
    n_log_lookups: int
    n_reciprocal_lookups: int
    n_additions: int
    n_comparisons: int
    n_shifts: int
    multiplications: tuple[tuple[int, int, int], ...]
    exp_table_bits: int
    log_table_bits: int
    reciprocal_table_bits: int
    register_bits: int

    @property
    def n_lookups(self) -> int:
        """Total number of table reads."""
        return self.n_exp_lookups + self.n_log_lookups + self.n_reciprocal_lookups

    @property
    def n_multiplications(self) -> int:
        """Total number of multiplications."""
        return sum(count for count, *_ in self.multiplications)

    @property
    def table_bits(self) -> int:
        """Bits of all tables."""
        return self.exp_table_bits + self.log_table_bits + self.reciprocal_table_bits

    @property
    def stored_bits(self) -> int:
        """Bits of tables and registers."""
        return self.table_bits + self.register_bits


@checks_arguments
def work_per_decision(unit: SigmaEUnit, n_classes: int, accumulate: Accumulate = "sum", n_steps: int = 1) -> UnitWork:
    """Count the work of one decision over K classes, without saturation of the scores, which the readout does.

    Parameters
    ----------
    unit : SigmaEUnit
        The unit and its widths.
    n_classes : int
        Classes K.
    accumulate : {"sum", "mean"}
        A rule that reads the mean needs K more multiplications, and stores 1/t for each step.
    n_steps : int
        Steps T of a full run; used only for the mean.

    Examples
    --------
    >>> work = work_per_decision(SigmaEUnit(), 10)
    >>> work.n_lookups, work.n_additions, work.n_multiplications, work.n_comparisons
    (11, 32, 12, 20)
    """
    if not isinstance(unit, SigmaEUnit):
        raise ParameterError(f"unit must be a SigmaEUnit; got {unit!r}.")
    EntropyExit(0.0, accumulate)  # raises ParameterError if the name of the accumulation is unknown
    K = whole_number("n_classes", n_classes, 2, unit.most_classes)
    n_kept = whole_number("n_steps", n_steps, 1) if accumulate == "mean" else 0
    is_mean = n_kept > 0
    rest_bits = unit.n_log_bits - _address_bits(unit.n_log_entries)
    slope_bits = int(np.diff(unit.log_table).max()).bit_length() if rest_bits else 0
    whole_bits = (K.bit_length() - 1).bit_length()  # before the point of log2 K
    multiplications = (
        (K, unit.n_exp_bits + 1, EXPONENT_BITS + _address_bits(unit.n_exp_entries)),  # weight by distance
        (K * is_mean, unit.n_score_bits, unit.n_reciprocal_bits),
        (1, slope_bits, rest_bits),  # interpolation of the logarithm
        (1, unit.n_sum_bits, whole_bits + unit.n_log_bits + 1),  # S by the bound less the logarithm
    )
    return UnitWork(
        n_exp_lookups=K,
        n_log_lookups=1,
        n_reciprocal_lookups=int(is_mean),
        n_additions=3 * K + 2,  # of a class: distance, S, A; of a decision: interpolation, bound less logarithm
        n_comparisons=2 * K,  # the best of K: K - 1; classes too unlikely to count: K; the decision: 1
        n_shifts=(2 + is_mean) * K + 1,  # of a class: weight, product, mean; of a decision: the sum's leading one
        multiplications=tuple(item for item in multiplications if 0 not in item),
        exp_table_bits=unit.n_exp_entries * unit.n_exp_bits,
        log_table_bits=unit.n_log_entries * (unit.n_log_bits + slope_bits),
        reciprocal_table_bits=n_kept * (unit.n_reciprocal_bits + n_kept.bit_length()),
        register_bits=K * unit.n_score_bits + 2 * unit.n_sum_bits + whole_bits + unit.n_threshold_bits,
    )


def _address_bits(n_entries: int) -> int:
    return n_entries.bit_length() - 1
