"""Accuracy and exit steps of every rule of a path on recorded samples, found in one pass over their scores."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._arguments import checks_arguments
from spikewise._gates import as_numbers
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import ParameterError, ShapeError

from .exit_path import ExitPath


@dataclass(frozen=True, slots=True, eq=False)
class ExitCurve:
    """Exit histograms and right answers of each of the M rules of a path.

    Parameters
    ----------
    path : ExitPath
        The rules.
    exits : int array of shape (M, T)
        Number of samples that leave after step 1, 2, ..., T.
    harmed, helped : int arrays of shape (M, T)
        How many of these only the full run gets right (n10), and how many only the early answer gets right (n01).
    accuracy_full : float
        Accuracy of full runs.
    """

    path: ExitPath
    exits: NDArray[np.int64]
    harmed: NDArray[np.int64]
    helped: NDArray[np.int64]
    accuracy_full: float

    @property
    def n_samples(self) -> int:
        """Number of samples B."""
        return int(self.exits[0].sum())

    @property
    def n_steps(self) -> int:
        """Timesteps T of a full run."""
        return int(self.exits.shape[1])

    @property
    def n_harmed(self) -> NDArray[np.int64]:
        """Number of samples (M,) that only the full run gets right."""
        return np.asarray(self.harmed.sum(1))

    @property
    def n_helped(self) -> NDArray[np.int64]:
        """Number of samples (M,) that only the early answer gets right."""
        return np.asarray(self.helped.sum(1))

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Accuracy (M,) with early exit."""
        return self.accuracy_full - (self.n_harmed - self.n_helped) / self.n_samples

    @property
    def mean_steps(self) -> NDArray[np.float64]:
        """Mean timesteps (M,)."""
        return self.mean(np.arange(1, self.n_steps + 1))

    def mean(self, cost_by_exit: ArrayLike) -> NDArray[np.float64]:
        """Return the mean over the samples (M,) of a cost that depends on the exit step.

        Parameters
        ----------
        cost_by_exit : float array of shape (T,)
            Cost of a sample that leaves after step 1, 2, ..., T: its energy, latency, or the product of both.
        """
        cost = as_numbers(cost_by_exit, "cost_by_exit")
        if cost.shape != (self.n_steps,):
            raise ShapeError(f"cost_by_exit must hold {self.n_steps} finite numbers, one per step; got {cost.shape}.")
        return np.asarray(self.exits @ cost / self.n_samples)

    def pareto(self) -> NDArray[np.int64]:
        """Return indices of the Pareto-optimal rules, by ascending mean steps: no other rule is as accurate with fewer.

        Examples
        --------
        >>> trace = ScoreTrace.dense([[[3.0, 0.0], [0.2, 0.0]], [[6.0, 0.0], [0.2, 2.0]]], labels=[0, 1])
        >>> exit_curve(trace, ExitPath.of(bounds=[0.01, 0.1, 0.5, 1.0])).pareto().tolist()
        [3, 2]
        """
        # Cheapest first; of those that cost the same the most accurate, then the strictest.
        order = np.lexsort((np.arange(len(self.exits)), -self.accuracy, self.mean_steps))
        best_before = np.maximum.accumulate(np.append(-np.inf, self.accuracy[order][:-1]))
        return np.asarray(order[self.accuracy[order] > best_before])


@checks_arguments
def exit_curve(trace: ScoreTrace, path: ExitPath | None = None) -> ExitCurve:
    """Evaluate every rule of a path on recorded scores, with the results of :func:`~spikewise.dynamic.replay_exit`.

    Parameters
    ----------
    trace : ScoreTrace
        Scores of full runs, with labels.
    path : ExitPath, optional
        By default, entropy of the mean scores with 161 bounds.

    Examples
    --------
    >>> trace = ScoreTrace.dense([[[3.0, 0.0], [0.2, 0.0]], [[6.0, 0.0], [0.2, 2.0]]], labels=[0, 1])
    >>> curve = exit_curve(trace, ExitPath.of(bounds=[0.1, 0.5, 1.0]))
    >>> curve.accuracy.tolist(), curve.mean_steps.tolist()
    ([1.0, 1.0, 0.5], [2.0, 1.5, 1.0])
    """
    path = ExitPath.of() if path is None else path
    # A difference array: each exit adds 1 at its first rule and subtracts 1 after its last; the running sum over the
    # rules is the count. The extra row takes the subtractions of exits that hold up to the loosest rule.
    size, shape = len(path.rules) + 1, (len(path.rules) + 1, trace.n_steps)
    exits, harmed, helped = (np.zeros(shape, np.int64) for _ in range(3))
    for left in _exits(trace, path):
        for counts, which in ((exits, ...), (harmed, left.gain < 0), (helped, left.gain > 0)):
            counts[:, left.step - 1] += np.bincount(left.first[which], minlength=size)
            counts[:, left.step - 1] -= np.bincount(left.until[which], minlength=size)
    exits, harmed, helped = (counts.cumsum(0)[:-1] for counts in (exits, harmed, helped))
    return ExitCurve(path, exits, harmed, helped, float(trace.accuracy_by_step()[-1]))


@checks_arguments
def outcomes(trace: ScoreTrace, path: ExitPath) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Return the gain and the exit step of each sample under each rule, both (M, B).

    The gain is 1 if only the early answer is right, -1 if only the full run is right, else 0.

    Examples
    --------
    >>> trace = ScoreTrace.dense([[[3.0, 0.0], [0.2, 0.0]], [[6.0, 0.0], [0.2, 2.0]]], labels=[0, 1])
    >>> [part.tolist() for part in outcomes(trace, ExitPath.of(bounds=[0.5, 1.0]))]
    [[[0, 0], [0, -1]], [[1, 2], [1, 1]]]
    """
    shape = len(path.rules) + 1, trace.n_samples
    gain, steps = np.zeros(shape, np.int8), np.zeros(shape, np.int32)
    for left in _exits(trace, path):
        for change, value in ((gain, left.gain), (steps, left.step)):
            # `ufunc.at`, like `bincount` above, counts an index that occurs several times each time; += does not.
            np.add.at(change, (left.first, left.who), value)
            np.subtract.at(change, (left.until, left.who), value)
    return np.asarray(gain.cumsum(0, dtype=np.int8)[:-1]), np.asarray(steps.cumsum(0, dtype=np.int32)[:-1])


class _Left(NamedTuple):
    """Samples ``who`` leave after ``step`` under the rules ``first`` to ``until`` - 1, each with its ``gain``."""

    step: int
    who: NDArray[np.integer]
    first: NDArray[np.integer]
    until: NDArray[np.integer]
    gain: NDArray[np.int8]


def _exits(trace: ScoreTrace, path: ExitPath) -> Iterator[_Left]:
    """Yield every exit of every sample, once for all neighbouring rules under which it leaves at the same step."""
    if not trace.is_labelled:
        raise ParameterError("calibration needs a labelled trace of at least one sample. Pass y to trace(X, y).")
    n_rules, n_steps = len(path.rules), trace.n_steps
    bounds = path.bounds(n_steps)
    full_is_right = trace.final_scores().argmax(1) == trace.labels
    # Rules from this place on have already let the sample go; a looser bound never lets it go later.
    gone_from = np.full(trace.n_samples, n_rules)
    everyone = np.arange(trace.n_samples)
    moves_alone = path.is_constant and path.accumulate == "sum"  # uncertainty stays where no score changes
    for step, scores in enumerate(trace.steps(), start=1):
        if step == n_steps:
            nothing = np.zeros(trace.n_samples, np.int8)
            yield _Left(step, everyone, np.zeros(trace.n_samples, np.int64), gone_from, nothing)
            return
        who = trace.changes(step)[0] if moves_alone and step > 1 else everyone
        # A sample that even the strictest rule has let go needs no more work.
        who = who[gone_from[who] > 0]
        # The first rule whose bound exceeds the uncertainty; "right", since a rule asks for less than its bound.
        first = np.searchsorted(bounds[:, step - 1], path.uncertainty(scores[who], step), side="right")
        fires = first < gone_from[who]
        who, first = who[fires], first[fires]
        is_right = scores[who].argmax(1) == trace.labels[who]
        yield _Left(step, who, first, gone_from[who], is_right.astype(np.int8) - full_is_right[who])
        gone_from[who] = first
