"""Sequences of exit rules, from the strictest to the loosest, from which calibration chooses one.

Calibration tests the rules in this order. Because the path is fixed *before* any sample is seen, a statistical test
may use it too (:mod:`spikewise.dynamic.guarantee`). The rules differ in their bounds alone: each step has its own
bound, and no bound gets stricter along the path.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._arguments import checks_arguments
from spikewise._choices import Accumulate
from spikewise._gates import as_numbers, step_count
from spikewise.dynamic.rule import RULES
from spikewise.errors import ParameterError, ShapeError, unknown_name

from .uncertainty import PerStep, UncertaintyExit, at_step

UNCERTAINTY_GRID: NDArray[np.float64] = np.geomspace(1e-4, 1.0, 161)
"""Default bounds, from the strictest to the loosest, 40 per decade."""


@checks_arguments
@dataclass(frozen=True, slots=True)
class ExitPath:
    """Rules that differ in their bounds alone, from the strictest to the loosest.

    Build one with :meth:`of`.

    Parameters
    ----------
    rules : tuple of UncertaintyExit
        At least one. At no step may a bound be smaller than that of the rule before.

    Examples
    --------
    >>> path = ExitPath.of("entropy", accumulate="sum")
    >>> len(path.rules), path.rules[0]
    (161, EntropyExit(max_entropy=0.0001, accumulate='sum', temperature=1.0))
    """

    rules: tuple[UncertaintyExit, ...]

    def __post_init__(self) -> None:
        if not self.rules or not all(isinstance(rule, UncertaintyExit) for rule in self.rules):
            raise ParameterError("a path needs at least one rule, each with a bound, such as EntropyExit(0.1).")
        first = self.rules[0]
        if any(
            (rule.kind, rule.accumulate, rule.temperature) != (first.kind, first.accumulate, first.temperature)
            for rule in self.rules
        ):
            raise ParameterError("the rules of a path must differ in their bounds alone.")
        # A bound holds for all later steps, so the longest list of bounds shows every difference.
        if (np.diff(self.bounds(max(len(rule.bounds) for rule in self.rules)), axis=0) < 0).any():
            raise ParameterError("the rules of a path must be ordered: no bound may be smaller than the one before.")

    @classmethod
    @checks_arguments
    def of(
        cls,
        kind: str = "entropy",
        accumulate: Accumulate = "mean",
        temperature: PerStep = 1.0,
        bounds: ArrayLike | None = None,
    ) -> ExitPath:
        """Build a path of one kind of rule from a list of bounds on uncertainty.

        Parameters
        ----------
        kind : {"entropy", "confidence", "margin"}
            Measure of uncertainty that the rules read.
        accumulate, temperature
            Accumulation and temperature of all rules, as in :class:`~spikewise.dynamic.rule.EntropyExit`.
        bounds : float array of shape (M,) or (M, T - 1), optional
            Bounds on uncertainty in [0, 1], ascending: one for all steps, or one per step. By default, 161 bounds from
            1e-4 to 1.

        Raises
        ------
        ParameterError, ShapeError
            If the kind is unknown, or the bounds are not an ascending array of one or two dimensions.

        Examples
        --------
        >>> [rule.max_entropy for rule in ExitPath.of(bounds=[[0.1, 0.2], [0.2, 0.2]]).rules]
        [(0.1, 0.2), (0.2, 0.2)]
        """
        if kind not in RULES:
            raise unknown_name("kind of exit rule", kind, RULES)
        rows = UNCERTAINTY_GRID if bounds is None else as_numbers(bounds, "bounds")
        if rows.ndim not in (1, 2) or 0 in rows.shape:
            raise ShapeError(f"bounds must have shape (M,) or (M, T - 1), each at least 1; got {rows.shape}.")
        values: Iterable[Any] = map(tuple, rows.tolist()) if rows.ndim == 2 else rows.tolist()
        return cls(tuple(RULES[kind].at(value, accumulate, temperature) for value in values))

    @classmethod
    @checks_arguments
    def enabling(cls, rule: UncertaintyExit, n_steps: int) -> ExitPath:
        """Build a path that ends at a rule and allows exits at one more step each time, from step T - 1 back to 1.

        It serves guarantees that hold at every step: few samples leave at early steps, so little can be said about
        them, and these steps come last.

        Parameters
        ----------
        rule : UncertaintyExit
            Rule at the end of the path. Choose it on other samples than those that test the path.
        n_steps : int
            Timesteps T of a full run, at least 2.

        Examples
        --------
        >>> [rule.max_entropy for rule in ExitPath.enabling(RULES["entropy"].at(0.2), 3).rules]
        [(0.0, 0.2), (0.2, 0.2)]
        """
        n_steps = step_count(n_steps, least=2)  # otherwise nothing could stop early
        last = [rule.bound(step) for step in range(1, n_steps)]
        # A bound of 0 never lets a sample leave, so it closes a step.
        rows = [[0.0] * closed + last[closed:] for closed in range(n_steps - 2, -1, -1)]
        return cls.of(rule.kind, rule.accumulate, rule.temperature, rows)

    @property
    def accumulate(self) -> Accumulate:
        """Accumulation of all rules."""
        return self.rules[0].accumulate

    @property
    def is_constant(self) -> bool:
        """Whether bounds and temperature are the same at all steps."""
        return all(len(rule.bounds) == 1 for rule in self.rules) and not isinstance(self.rules[0].temperature, tuple)

    @checks_arguments
    def bounds(self, n_steps: int) -> NDArray[np.float64]:
        """Return the bounds on uncertainty (M, n_steps) of each rule after step 1, 2, ..."""
        n_steps = step_count(n_steps)
        return np.array([[at_step(rule.bounds, step) for step in range(1, n_steps + 1)] for rule in self.rules])

    @checks_arguments
    def uncertainty(self, score_sum: NDArray[np.floating], n_steps: int) -> NDArray[np.float64]:
        """Return the uncertainty (B,) of summed scores (B, K) after n_steps."""
        return self.rules[0].uncertainty(score_sum, n_steps)
