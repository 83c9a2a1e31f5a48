r"""The softmax-entropy unit of DT-SNN in hardware (sigma-E, arXiv 2305.17346): integers, two small tables, no divider.

With distances in bits, :math:`y_k = (\max_j z_j - z_k) \log_2 e \ge 0`, the softmax is :math:`2^{-y_k} / S` and its
entropy, in bits,

.. math:: H = \log_2 S + \frac{A}{S}, \qquad S = \sum_k 2^{-y_k}, \qquad A = \sum_k 2^{-y_k} y_k .

The decision :math:`H < \theta \log_2 K` needs no quotient, because :math:`S > 0`:

.. math:: A < S \, (\theta \log_2 K - \log_2 S) .

A power of two needs a shift by the integer part of :math:`-y` and a table for its fraction; a logarithm needs the
position of the leading one bit and a table, with linear interpolation, for the bits below. A class costs one look-up
and one small multiplication, a decision one more look-up, two multiplications and a comparison. The factor
:math:`\log_2 e` costs nothing: the readout weights are scaled by it beforehand. Where the rule reads the mean over t
steps, the distances are multiplied by a stored 1/t. The code computes bit by bit what the unit computes; only
:meth:`SigmaEUnit.entropy` divides, to show the value.
"""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._arguments import checks_arguments
from spikewise._choices import Accumulate
from spikewise._gates import as_numbers, step_count
from spikewise.dynamic.rule import EntropyExit, ask
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import ParameterError, ShapeError, whole_number

IntArray = NDArray[np.int64]
EXPONENT_BITS = 5
"""Integer bits of a distance: a class 2^32 times less likely than the best is ignored."""


class UnitEntropy(NamedTuple):
    """Entropy in the unit: an integer with ``n_log_bits`` fraction bits, and the same as a fraction of log2 K."""

    code: IntArray
    value: NDArray[np.float64]


@checks_arguments
@dataclass(frozen=True, slots=True)
class SigmaEUnit:
    """A fixed-point softmax-entropy unit. The default widths are narrow, yet agree with over 99.9 % of float decisions.

    Parameters
    ----------
    n_score_bits, n_score_frac : int
        Width of a summed score, sign included, and its fraction bits. Larger scores saturate.
    n_exp_entries, n_exp_bits : int
        Table of 2^f for f in [0, 1): entries, a power of two, and bits of each. Differences of scores are rounded to
        the step of this table.
    n_log_entries, n_log_bits : int
        Table of log2(1 + f): entries, a power of two, and fraction bits of each. A slope is stored with each entry.
    n_sum_bits : int
        Width of the two accumulators. Their integer part has as many bits as K.
    n_threshold_bits : int
        Fraction bits of the bound, at most ``n_log_bits``.
    n_reciprocal_bits : int
        Significant bits of 1/t, for rules that read the mean.

    Attributes
    ----------
    exp_table : int array of shape (n_exp_entries,)
        Fraction of 2^(i / n_exp_entries), ``n_exp_bits`` bits; the leading 1 is not stored.
    log_table : int array of shape (n_log_entries + 1,)
        log2(1 + i / n_log_entries), ``n_log_bits`` fraction bits; the slope of an interval is its difference.

    Examples
    --------
    >>> unit = SigmaEUnit()
    >>> unit.entropy([[0.0, 0.0], [4.0, 0.0]]).value.round(3).tolist()
    [1.0, 0.13]
    """

    n_score_bits: int = 22
    n_score_frac: int = 10
    n_exp_entries: int = 256
    n_exp_bits: int = 10
    n_log_entries: int = 128
    n_log_bits: int = 20
    n_sum_bits: int = 26
    n_threshold_bits: int = 18
    n_reciprocal_bits: int = 12
    exp_table: IntArray = field(init=False, repr=False, compare=False)
    log_table: IntArray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        limits = {
            "n_score_bits": (2, 32), "n_score_frac": (0, 16), "n_exp_entries": (2, 4096), "n_exp_bits": (1, 16),
            "n_log_entries": (2, 4096), "n_log_bits": (2, 20), "n_sum_bits": (6, 34),
            "n_threshold_bits": (1, 20), "n_reciprocal_bits": (2, 16),
        }  # fmt: skip
        for name, (least, most) in limits.items():
            object.__setattr__(self, name, whole_number(name, getattr(self, name), least, most))
        for name in ("n_exp_entries", "n_log_entries"):
            if getattr(self, name).bit_count() != 1:
                raise ParameterError(f"{name} must be a power of two; got {getattr(self, name)}. Bits address a table.")
        for name, most_name in [("n_score_frac", "n_score_bits"), ("n_threshold_bits", "n_log_bits")]:
            if getattr(self, name) > getattr(self, most_name):
                raise ParameterError(f"{name} must be at most {most_name}; got {getattr(self, name)}. Lower it.")
        if self._log_address > self.n_log_bits:
            raise ParameterError(
                f"n_log_entries must be at most 2^n_log_bits; got {self.n_log_entries}. Raise the bits."
            )
        # The leading one of 2^f is not stored, so rounding must not carry into it.
        mantissa = np.exp2(np.arange(self.n_exp_entries) / self.n_exp_entries) - 1
        top = 2**self.n_exp_bits
        self._keep("exp_table", np.minimum(np.rint(mantissa * top), top - 1))
        log = np.log2(1 + np.arange(self.n_log_entries + 1) / self.n_log_entries)
        self._keep("log_table", np.rint(log * 2**self.n_log_bits))

    def _keep(self, name: str, table: NDArray[np.float64]) -> None:
        entries = table.astype(np.int64)
        entries.setflags(write=False)
        object.__setattr__(self, name, entries)

    @property
    def _exp_address(self) -> int:
        return self.n_exp_entries.bit_length() - 1

    @property
    def _log_address(self) -> int:
        return self.n_log_entries.bit_length() - 1

    @property
    def score_limits(self) -> tuple[float, float]:
        """Smallest and largest score that does not saturate."""
        step = math.log(2) / 2**self.n_score_frac
        return -(2 ** (self.n_score_bits - 1)) * step, (2 ** (self.n_score_bits - 1) - 1) * step

    @property
    def most_classes(self) -> int:
        """Largest K that leaves four fraction bits in a sum."""
        return int(2 ** (self.n_sum_bits - 4)) - 1

    def entropy(self, scores: ArrayLike, n_steps: int = 1) -> UnitEntropy:
        """Return the entropy of the softmax of scores / n_steps over the last axis.

        Parameters
        ----------
        scores : array of shape (..., K)
            Finite logits of at least two classes, summed over the steps.
        n_steps : int
            Number of steps over which the rule takes the mean; 1 uses the scores unchanged.

        Returns
        -------
        UnitEntropy
            ``code`` is the quotient that the unit avoids, rounded down: it is below a bound exactly when the unit's
            own comparison holds. ``value`` is code / log2 K, in [0, 1].
        """
        total, product, n_frac, full = self._sums(scores, n_steps)
        log = self._log2(total, n_frac)
        code = np.minimum(((product << self.n_log_bits) + total * log) // total, full)
        return UnitEntropy(code, code / full)

    @checks_arguments
    def ready(self, scores: ArrayLike, max_entropy: float, n_steps: int = 1) -> NDArray[np.bool_]:
        """Whether the entropy, scaled to [0, 1], is below a bound: multiplications and a comparison, no division."""
        total, product, n_frac, full = self._sums(scores, n_steps)
        bound = self._bound(max_entropy, full)
        below = (product << self.n_log_bits) < total * (bound - self._log2(total, n_frac))
        # Above 1 every sample stops, even where rounding makes the entropy exceed log2 K.
        return np.asarray(below | (bound > full))

    def _sums(self, scores: ArrayLike, n_steps: int) -> tuple[IntArray, IntArray, int, int]:
        """Return S and A, the fraction bits of S and A, and log2 K in the unit's arithmetic."""
        codes = self.codes(scores)
        K = codes.shape[-1]
        if self.most_classes < K:
            raise ShapeError(f"scores must cover at most {self.most_classes} classes; got {K}. Raise n_sum_bits.")
        n_frac = self.n_sum_bits - K.bit_length()
        y = self._distances(codes, whole_number("n_steps", n_steps, 1))
        is_on = y < self.n_exp_entries << EXPONENT_BITS
        # An ignored class is masked below; a distance of 0 keeps its shifts and products small until then.
        y = np.where(is_on, y, 0)
        address, places = -y & (self.n_exp_entries - 1), -(-y >> self._exp_address)  # -y = -places + address / entries
        weight = self.exp_table[address] + (1 << self.n_exp_bits)
        # S has n_frac fraction bits; A is a product with y, so it also drops the fraction bits of y.
        up = n_frac - self.n_exp_bits
        total = np.where(is_on, _shifted(weight, up - places), 0).sum(-1)
        product = np.where(is_on, _shifted(weight * y, up - self._exp_address - places), 0).sum(-1)
        full = int(self._log2(np.asarray(K << n_frac), n_frac))
        return total, product, n_frac, full

    def codes(self, scores: ArrayLike) -> IntArray:
        """Return scores in bits as saturated integers: the output of a readout whose weights are scaled by log2 e."""
        values = as_numbers(scores, "scores").astype(np.float64)
        if values.ndim == 0 or values.shape[-1] < 2:
            raise ShapeError(f"scores must cover at least 2 classes on the last axis; got shape {values.shape}.")
        edge = 2.0 ** (self.n_score_bits - 1)
        # Clipped twice: first so that huge scores do not overflow the product, then to the integer range.
        scaled = np.rint(np.clip(values, -edge, edge) * (2.0**self.n_score_frac / math.log(2)))
        return np.clip(scaled, -edge, edge - 1).astype(np.int64)

    def _distances(self, codes: IntArray, n_steps: int) -> IntArray:
        """Return each class's distance from the best over n_steps, rounded to the step of the exponential table."""
        below = codes.max(-1, keepdims=True) - codes
        mantissa, exponent = math.frexp(1 / n_steps)
        if mantissa == 0.5:  # a power of two is a shift
            return _rounded(below, self._exp_address - self.n_score_frac + exponent - 1)
        top = 2**self.n_reciprocal_bits
        reciprocal = min(round(mantissa * top), top - 1)
        return _rounded(below * reciprocal, self._exp_address - self.n_score_frac + exponent - self.n_reciprocal_bits)

    def _log2(self, total: IntArray, n_frac: int) -> IntArray:
        """Return log2 of a fixed-point number of at least 1."""
        top = np.frexp(np.asarray(total, np.float64))[1].astype(np.int64) - 1  # exact below 2^53
        below = _shifted(total - (np.int64(1) << top), self.n_log_bits - top)
        rest_bits = self.n_log_bits - self._log_address
        index = below >> rest_bits
        slope = self.log_table[index + 1] - self.log_table[index]
        rise = (slope * (below & ((1 << rest_bits) - 1))) >> rest_bits
        return np.asarray(((top - n_frac) << self.n_log_bits) + self.log_table[index] + rise)

    def _bound(self, max_entropy: float, full: int) -> int:
        """Return the bound times log2 K, rounded to the threshold's bits; more than log2 K for bounds above 1."""
        if _one_bound(max_entropy) > 1:
            return full + 1
        drop = self.n_log_bits - self.n_threshold_bits
        rounded: int = round(max(max_entropy, 0.0) * full / 2**drop)
        # Rounding up must not pass log2 K: only bounds above 1 may stop every sample.
        return min(rounded, full >> drop) << drop


@checks_arguments
@dataclass(frozen=True, slots=True)
class SigmaEExit:
    """Entropy exit computed by the hardware unit: :class:`~spikewise.dynamic.rule.EntropyExit` in integers.

    Parameters
    ----------
    max_entropy : float
        The bound. It is rounded to the unit's threshold bits, so a very small bound becomes 0 and never stops early.
    accumulate : {"mean", "sum"}
        Whether the softmax reads the mean of the scores over the steps so far, or their sum.
    unit : SigmaEUnit
        The unit; the default widths if absent.

    Examples
    --------
    >>> SigmaEExit(0.5, accumulate="sum").ready(np.array([[4.0, 0.0], [0.1, 0.0]]), 2).tolist()
    [True, False]
    """

    max_entropy: float
    accumulate: Accumulate = "mean"
    unit: SigmaEUnit = field(default_factory=SigmaEUnit)

    def __post_init__(self) -> None:
        _one_bound(self.max_entropy, self.accumulate)
        if not isinstance(self.unit, SigmaEUnit):
            raise ParameterError(f"unit must be a SigmaEUnit; got {self.unit!r}.")

    @checks_arguments
    def scale(self, n_steps: int) -> float:
        """Return the factor that turns summed scores into the evidence of this step."""
        return 1 / step_count(n_steps) if self.accumulate == "mean" else 1.0

    @checks_arguments
    def ready(self, score_sum: NDArray[np.floating], n_steps: int) -> NDArray[np.bool_]:
        """Tell for each sample (B,) whether its entropy is below the bound."""
        return self.unit.ready(score_sum, self.max_entropy, n_steps if self.accumulate == "mean" else 1)


@checks_arguments
def agreement(unit: SigmaEUnit, rule: EntropyExit, data: ScoreTrace | ArrayLike) -> float:
    """Return the share of decisions on which the unit agrees with the float rule.

    Parameters
    ----------
    unit : SigmaEUnit
        The unit.
    rule : EntropyExit
        The rule in floating point.
    data : ScoreTrace or array of shape (B, K)
        In a trace, each sample is decided at each step before T until the float rule lets it leave. In an array, each
        row is one decision, after one step.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> agreement(SigmaEUnit(), EntropyExit(0.3), rng.normal(0, 3, (1000, 10))) > 0.99
    True
    """
    # Two equal steps, because at the last step of a trace nothing is decided.
    trace = (
        data
        if isinstance(data, ScoreTrace)
        else ScoreTrace.dense(np.stack([np.atleast_2d(as_numbers(data, "data"))] * 2))
    )
    if rule.temperature != 1:
        raise ParameterError(
            f"rule must have a temperature of 1; got {rule.temperature}. Scale the readout: the unit cannot."
        )
    exact = SigmaEExit(rule.max_entropy, rule.accumulate, unit)  # type: ignore[arg-type]
    running, equal = np.ones(trace.n_samples, bool), np.ones(trace.n_samples, bool)
    n_asked = n_equal = 0
    for step, scores in enumerate(trace.steps(), start=1):
        if step == trace.n_steps:
            break
        # The entropy of a sum changes only where a score changed; elsewhere both answers are those of the step before.
        is_all = rule.accumulate == "mean" or step == 1
        who = np.flatnonzero(running) if is_all else trace.changes(step)[0][running[trace.changes(step)[0]]]
        ready = ask(rule, scores[who], step)
        equal[who] = ready == exact.ready(scores[who], step)
        n_asked, n_equal = n_asked + int(running.sum()), n_equal + int(equal[running].sum())
        running[who[ready]] = False
    if not n_asked:
        raise ParameterError("data must hold at least one decision; got none. A trace needs samples and two steps.")
    return n_equal / n_asked


def _one_bound(max_entropy: Any, accumulate: Accumulate = "mean") -> float:
    """Return the bound if the float rule accepts it and it is one number; the unit stores one bound for all steps."""
    bound = EntropyExit(max_entropy, accumulate).max_entropy
    if isinstance(bound, tuple):
        raise ParameterError(f"max_entropy must be a finite number, one for all steps; got {max_entropy!r}.")
    return bound


def _shifted(values: IntArray, places: IntArray | int) -> IntArray:
    """Shift left by a number of places, or right (rounding down) where it is negative."""
    left = np.asarray(places)
    return np.asarray((values << np.maximum(left, 0)) >> np.minimum(np.maximum(-left, 0), 63))


def _rounded(values: IntArray, places: int) -> IntArray:
    """Shift as :func:`_shifted`, but round to nearest, halves up."""
    return _shifted(values + (1 << (-places - 1) if places < 0 else 0), places)
