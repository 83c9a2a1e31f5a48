"""Detect drift: inputs in use that differ from the calibration samples, found from exit steps and uncertainties.

A threshold, with or without a guarantee, holds for inputs like those of its calibration. When inputs change, labels are
rarely known, but exit steps and uncertainties are. The monitor collects the answers of a window and compares both with
those of the calibration samples: exit steps by a chi-squared test, the uncertainty at the exit by a Kolmogorov-Smirnov
test. Each test has half of ``false_alarms`` as its level, so at most that share of the windows of unchanged inputs
raises an alarm. An alarm says that the inputs changed, not that the answers are wrong.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from spikewise._arguments import checks_arguments
from spikewise._gates import as_numbers, as_whole, step_count
from spikewise.dynamic.anytime import ExitResult, replay_exit
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import DataError, ParameterError, ShapeError, whole_number

from .uncertainty import UncertaintyExit

_KEPT = 2048  # uncertainties stored in a profile
_LEAST_EXPECTED = 5.0  # samples in a group of steps; below, the chi-squared approximation does not hold
_MOST_GROUPS = 10  # more would find sharp changes, which are rare, and miss slow ones


class DriftWarning(UserWarning):
    """Exit steps or uncertainties differ from those of the calibration samples."""


@dataclass(frozen=True, slots=True, eq=False)
class ExitProfile:
    """Exit behaviour of a set of samples: a histogram of exit steps, and the uncertainties at the exits.

    Parameters
    ----------
    histogram : int array of shape (T,)
        Number of samples that left after step 1, 2, ..., T.
    uncertainties : float array of shape (M,)
        Uncertainty at the exit, ascending. Of many samples, 2048 evenly spaced quantiles are stored.
    """

    histogram: NDArray[np.int64]
    uncertainties: NDArray[np.float64]

    @classmethod
    @checks_arguments
    def of(cls, trace: ScoreTrace, rule: UncertaintyExit) -> ExitProfile:
        """Build the profile of recorded scores under a rule; labels are not needed.

        Examples
        --------
        >>> from spikewise.dynamic.rule import EntropyExit
        >>> trace = ScoreTrace.dense([[[9.0, 0.0], [0.0, 0.0]], [[9.0, 0.0], [0.0, 1.0]]])
        >>> ExitProfile.of(trace, EntropyExit(0.1)).histogram.tolist()
        [1, 1]
        """
        steps, _ = replay_exit(trace, rule)
        uncertainties = np.empty(trace.n_samples)
        for step, scores in enumerate(trace.steps(), start=1):
            left = steps == step
            uncertainties[left] = rule.uncertainty(scores[left], step)
        return cls.from_exits(steps, uncertainties, trace.n_steps)

    @classmethod
    @checks_arguments
    def from_exits(cls, steps: NDArray[np.integer], uncertainties: NDArray[np.floating], n_steps: int) -> ExitProfile:
        """Build the profile of samples that left at these steps with these uncertainties (B,)."""
        taken, values = as_whole(steps, "steps"), as_numbers(uncertainties, "uncertainties", ndim=1)
        if taken.shape != values.shape or not len(taken):
            raise ShapeError(
                f"steps and uncertainties must hold one value per sample; got {taken.shape} and {values.shape}."
            )
        if taken.min() < 1 or taken.max() > step_count(n_steps):
            raise ParameterError(f"steps must lie in 1..{n_steps}; got {taken.min()}..{taken.max()}.")
        place = np.linspace(0, len(values) - 1, min(len(values), _KEPT)).round().astype(int)
        histogram = np.bincount(taken - 1, minlength=n_steps).astype(np.int64)
        return cls(histogram, np.sort(values.astype(np.float64))[place])

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, ready for JSON."""
        # "doubts" is the name of older versions: kept, so that files of both can be read.
        return {"histogram": self.histogram.tolist(), "doubts": self.uncertainties.tolist()}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ExitProfile:
        """Inverse of :meth:`to_dict`; raises DataError if an entry is missing or impossible."""
        try:
            histogram, uncertainties = np.asarray(raw["histogram"], np.int64), np.asarray(raw["doubts"], np.float64)
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise DataError(f"an exit profile has a missing or impossible entry; {error}.") from None
        if (
            histogram.ndim != 1
            or uncertainties.ndim != 1
            or (histogram < 0).any()
            or not histogram.sum()
            or not uncertainties.size
        ):
            raise DataError("an exit profile must hold a histogram of at least one sample, and uncertainties.")
        return cls(histogram, uncertainties)


@dataclass(frozen=True, slots=True)
class Drift:
    """A window of answers that differs from the calibration samples.

    Parameters
    ----------
    what : {"exit steps", "uncertainty"}
        The figure that differs.
    p_value : float
        Probability that unchanged inputs differ as much.
    first, last : int
        First and last sample of the window, counted from 1.
    expected, found : float
        Mean exit step, or median uncertainty, on the calibration samples and in the window.
    """

    what: Literal["exit steps", "uncertainty"]
    p_value: float
    first: int
    last: int
    expected: float
    found: float

    def __str__(self) -> str:
        kind = "mean exit step" if self.what == "exit steps" else "median uncertainty"
        return (
            f"samples {self.first} to {self.last} are not like those the threshold was chosen on: {kind} "
            f"{self.found:.3g} instead of {self.expected:.3g} (p = {self.p_value:.1e}). Look at the inputs, "
            "and calibrate again on new ones."
        )


@checks_arguments
class DriftMonitor:
    """Warn when exit steps or uncertainties differ from those of the calibration samples.

    Parameters
    ----------
    profile : ExitProfile
        Profile of the calibration samples under the rule in use.
    rule : UncertaintyExit
        The rule in use.
    window : int
        Number of answers per test: a larger window finds smaller changes, but later.
    false_alarms : float
        Share of the windows of unchanged inputs that may raise an alarm, in (0, 1).

    Examples
    --------
    >>> from spikewise.dynamic.rule import EntropyExit
    >>> rng = np.random.default_rng(0)
    >>> trace = ScoreTrace.dense(rng.normal(0, 2, (3, 1000, 4)).cumsum(0))
    >>> monitor = DriftMonitor(ExitProfile.of(trace, EntropyExit(0.5)), EntropyExit(0.5), window=200)
    >>> steps, uncertainties = np.full(200, 3), np.full(200, 0.9)
    >>> [drift.what for drift in monitor.see(steps, uncertainties)]
    ['exit steps', 'uncertainty']
    """

    def __init__(
        self, profile: ExitProfile, rule: UncertaintyExit, *, window: int = 500, false_alarms: float = 0.001
    ) -> None:
        if not 0 < false_alarms < 1:
            raise ParameterError(f"false_alarms must lie in (0, 1); got {false_alarms}.")
        self.profile = profile
        self.rule = rule
        self.window = whole_number("window", window, 20)
        self.false_alarms = false_alarms
        self.n_seen = 0
        self._steps: list[NDArray[np.int64]] = []
        self._uncertainties: list[NDArray[np.float64]] = []

    @checks_arguments
    def watch(self, result: ExitResult) -> list[Drift]:
        """Take the answers of a network, and warn (:class:`DriftWarning`) of windows that differ."""
        uncertainties = np.empty(len(result.steps))
        for step in np.unique(result.steps):
            left = result.steps == step
            uncertainties[left] = self.rule.uncertainty(result.scores[left], int(step))
        found = self.see(result.steps, uncertainties)
        if found:
            warnings.warn("\n".join(map(str, found)), DriftWarning, stacklevel=2)
        return found

    def see(self, steps: NDArray[np.integer], uncertainties: NDArray[np.floating]) -> list[Drift]:
        """Take exit steps and uncertainties (B,), and test each window that they complete; the rest waits."""
        n_steps = len(self.profile.histogram)
        steps, uncertainties = as_whole(steps, "steps"), as_numbers(uncertainties, "uncertainties")
        if np.shape(steps) != np.shape(uncertainties) or np.ndim(steps) != 1:
            raise ShapeError(
                f"steps and uncertainties must have shape (B,); got {np.shape(steps)} and {np.shape(uncertainties)}."
            )
        if len(steps) and not (np.min(steps) >= 1 and np.max(steps) <= n_steps):
            raise ParameterError(f"steps must lie in 1..{n_steps}; got {np.min(steps)}..{np.max(steps)}.")
        all_steps = np.concatenate([*self._steps, steps])
        all_uncertainties = np.concatenate([*self._uncertainties, uncertainties])
        found: list[Drift] = []
        n_windows = len(all_steps) // self.window
        for first in range(0, n_windows * self.window, self.window):
            rows = slice(first, first + self.window)
            found += self._compare(
                np.asarray(all_steps[rows], np.int64), np.asarray(all_uncertainties[rows], np.float64)
            )
            self.n_seen += self.window
        left = n_windows * self.window
        self._steps, self._uncertainties = [all_steps[left:]], [all_uncertainties[left:]]
        return found

    def _compare(self, steps: NDArray[np.int64], uncertainties: NDArray[np.float64]) -> list[Drift]:
        before, n_steps = self.profile, len(self.profile.histogram)
        now = np.bincount(steps - 1, minlength=n_steps)
        mean = float(before.histogram @ np.arange(1, n_steps + 1) / before.histogram.sum())
        p_values: dict[Literal["exit steps", "uncertainty"], tuple[float, float, float]] = {
            "exit steps": (_same_histogram(before.histogram, now), mean, float(steps.mean())),
            "uncertainty": (
                float(stats.ks_2samp(before.uncertainties, uncertainties).pvalue),
                float(np.median(before.uncertainties)),
                float(np.median(uncertainties)),
            ),
        }  # fmt: skip
        return [
            Drift(what, p, self.n_seen + 1, self.n_seen + self.window, expected, seen)
            for what, (p, expected, seen) in p_values.items()
            if p < self.false_alarms / 2
        ]


def _same_histogram(before: NDArray[np.int64], now: NDArray[np.int64]) -> float:
    """Return the p-value of a chi-squared test of two histograms; neighbouring steps with few samples are merged."""
    # Expected samples per step in the smaller of the two, if both have one distribution.
    n_least = int(min(before.sum(), now.sum()))
    share = (before + now) / (before.sum() + now.sum()) * n_least
    enough = max(_LEAST_EXPECTED, n_least / _MOST_GROUPS)
    group, groups, gathered = 0, np.empty(len(share), np.int64), 0.0
    for step, expected in enumerate(share):
        groups[step] = group
        gathered += expected
        if gathered >= enough:
            group, gathered = group + 1, 0.0
    if gathered and group:  # what is left at the end joins the last full group
        groups[groups == group] = group - 1
    table = np.array([np.bincount(groups, counts) for counts in (before, now)])
    table = table[:, table.sum(0) > 0]
    # With a single group there is nothing to compare.
    return float(stats.chi2_contingency(table, correction=False).pvalue) if table.shape[1] > 1 else 1.0
