r"""Compare the cost of early exit with the cost of the static network *of the same accuracy*.

A static network stopped after t steps has accuracy :math:`a_t` at cost :math:`c_t`. Straight lines between these
points give the cost of any accuracy without early exit: a point between two of them is reached by choosing one of the
two networks at random for each image. Early exit saves cost only where it lies below these lines.

Near the highest accuracy the line is steep, and a few samples decide. So :func:`saving_interval` computes bootstrap
intervals: it draws samples with replacement, and compares early exit and static networks on the same draws.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._arguments import checks_arguments
from spikewise._gates import as_numbers
from spikewise.dynamic.anytime import replay_exit
from spikewise.dynamic.rule import ExitRule
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import ParameterError, ShapeError, whole_number

FloatArray = NDArray[np.float64]
_DRAWN_TOGETHER = 2**24  # counts drawn at once, 128 MiB
_MOST_DRAWS = 1_000_000


@checks_arguments
def cost_at_accuracy(accuracy_by_step: ArrayLike, cost_by_cut: ArrayLike, accuracy: float) -> float:
    """Return the cost at which the static network reaches an accuracy.

    Parameters
    ----------
    accuracy_by_step, cost_by_cut : float arrays of shape (T,)
        Accuracy and cost of the network stopped after 1, 2, ..., T steps.
    accuracy : float
        Accuracy to reach. Below that of the first step, the cost of the first step is returned; above all, the cost of
        the most accurate.

    Examples
    --------
    >>> cost_at_accuracy([0.5, 0.7], [1.0, 3.0], 0.6), cost_at_accuracy([0.5, 0.7], [1.0, 3.0], 0.9)
    (2.0, 3.0)
    """
    # A longer run that is less accurate than a shorter one buys nothing, and would make the search below ambiguous.
    heights = np.maximum.accumulate(as_numbers(accuracy_by_step, "accuracy_by_step", ndim=1))
    costs = as_numbers(cost_by_cut, "cost_by_cut", ndim=1)
    if heights.shape != costs.shape or not heights.size:
        raise ShapeError(f"accuracy and cost must have one value per step; got {heights.shape} and {costs.shape}.")
    reached = int(np.searchsorted(heights, accuracy))
    if reached == 0 or reached == len(heights):
        return float(costs[0 if reached == 0 else int(heights.argmax())])
    share = (accuracy - heights[reached - 1]) / (heights[reached] - heights[reached - 1])
    return float(costs[reached - 1] + share * (costs[reached] - costs[reached - 1]))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Early exit compared with the static network and with random exits, on the same samples.

    Each tuple holds the value on the samples, then the lower and the upper end of its interval.

    Parameters
    ----------
    cost_ratio : tuple of float
        Cost of early exit over the cost of the static network of the same accuracy.
    drop : tuple of float
        Accuracy of the full run minus accuracy of early exit.
    above_random : tuple of float
        Accuracy of early exit minus accuracy of random exits with the same exit histogram.
    """

    cost_ratio: tuple[float, float, float]
    drop: tuple[float, float, float]
    above_random: tuple[float, float, float]


@checks_arguments
def saving_interval(
    trace: ScoreTrace,
    rule: ExitRule,
    cost_by_exit: ArrayLike,
    cost_by_cut: ArrayLike,
    *,
    confidence: float = 0.95,
    n_draws: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare early exit with the static network, with bootstrap intervals (samples drawn with replacement).

    Parameters
    ----------
    trace : ScoreTrace
        Scores of full runs, with labels.
    rule : ExitRule
        The rule. It is fixed: the interval leaves out the uncertainty of choosing it.
    cost_by_exit : float array of shape (T,)
        Cost of a sample that leaves after step t of a run with early exit.
    cost_by_cut : float array of shape (T,)
        Cost of a sample if all samples stop after step t.
    confidence : float
        Confidence of the intervals, in (0, 1).
    n_draws, seed : int
        Number of bootstrap draws, and their seed.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(2, size=1000)
    >>> margins = rng.normal(1.0, 1.0, (4, 1000)).cumsum(0) * (2 * labels - 1)
    >>> trace = ScoreTrace.dense(np.stack([-margins, margins], 2), labels)
    >>> from spikewise.dynamic import EntropyExit
    >>> found = saving_interval(trace, EntropyExit(0.3), [1, 2, 3, 4], [1, 2, 3, 4])
    >>> found.cost_ratio[1] < found.cost_ratio[0] < found.cost_ratio[2] < 1
    True
    """
    by_exit, by_cut = as_numbers(cost_by_exit, "cost_by_exit"), as_numbers(cost_by_cut, "cost_by_cut")
    if not by_exit.shape == by_cut.shape == (trace.n_steps,):
        raise ShapeError(f"costs must have {trace.n_steps} values; got {by_exit.shape} and {by_cut.shape}.")
    if not 0 < confidence < 1:
        raise ParameterError(f"confidence must lie in (0, 1); got {confidence}.")
    n_draws, n = whole_number("n_draws", n_draws, 1, _MOST_DRAWS), trace.n_samples
    seed = whole_number("seed", seed, 0)
    steps, answers = replay_exit(trace, rule)
    right = np.stack([scores.argmax(1) == trace.labels for scores in trace.steps()])
    # A row per sample: right after each step (T), left after each step (T), right when it left (1). All figures follow
    # from the means of these columns, so a draw is a product with how often each sample was drawn.
    rows = np.concatenate(
        [right, steps == np.arange(1, trace.n_steps + 1)[:, None], [answers == trace.labels]]
    ).T.astype(np.float64)
    rng, found = np.random.default_rng(seed), [_figures(rows.mean(0)[None], by_exit, by_cut)]
    for first in range(0, n_draws, per := max(1, _DRAWN_TOGETHER // n)):
        draws = rng.multinomial(n, np.full(n, 1 / n), size=min(per, n_draws - first))
        found.append(_figures(draws.astype(np.float64) @ rows / n, by_exit, by_cut))
    figures = np.concatenate(found)
    ends = np.quantile(figures[1:], [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return Comparison(
        *((float(each[0]), float(low), float(high)) for each, low, high in zip(figures.T, *ends, strict=True))
    )


def _figures(shares: FloatArray, by_exit: FloatArray, by_cut: FloatArray) -> FloatArray:
    """Return cost ratio, drop and gain over random exits (R, 3) from mean rows (R, 2 T + 1)."""
    n_steps = len(by_exit)
    accuracy, left, at_exit = shares[:, :n_steps], shares[:, n_steps:-1], shares[:, -1]
    equal = [cost_at_accuracy(row, by_cut, each) for row, each in zip(accuracy, at_exit, strict=True)]
    ratio = left @ by_exit / np.array(equal)
    return np.stack([ratio, accuracy[:, -1] - at_exit, at_exit - (left * accuracy).sum(1)], 1)
