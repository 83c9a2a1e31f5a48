r"""Choose the exit threshold on validation scores.

One pass over a :class:`ScoreTrace` gives accuracy and mean steps for a whole grid of bounds at once
(:func:`exit_curve`). :func:`calibrate_entropy` walks the grid from the strictest bound to the loosest, up to the
last one before the loss of accuracy, plus one standard error, first exceeds ``max_drop``. With :math:`n_{10}` samples
that only the full run gets right and :math:`n_{01}` that only the early answer does,

.. math:: \frac{n_{10} - n_{01}}{n} + \frac{\sqrt{n_{10} + n_{01}}}{n} \le \mathrm{max\_drop}

A few hundred samples rarely hold the one that a loose bound would spoil, so the last bound that passes lies too far
out. The first bounds save most of the steps and the last ones hardly any: of the steps saved there,
:math:`1 / \sqrt n` are given back for a stricter bound. Both margins vanish for many samples.

The result is still a *heuristic*: nothing is promised beyond the validation samples. Grid and order are fixed
before any data are seen, so that a test with a guarantee can walk the same path.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewise.dynamic.rule import Accumulate, EntropyExit, normalized_entropy
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import ParameterError, ShapeError

ENTROPY_GRID: NDArray[np.float64] = np.geomspace(1e-4, 1.0, 161)
"""Bounds from the strictest to the loosest, 40 per decade."""


@dataclass(frozen=True, slots=True, eq=False)
class ExitCurve:
    """Accuracy against mean timesteps of entropy exit, one point per bound.

    Parameters
    ----------
    max_entropy, accuracy, mean_steps : float arrays of shape (M,)
        Bounds, and what each gives on the trace.
    n_harmed, n_helped : int arrays of shape (M,)
        Samples that only the full run gets right (n10), and that only the early answer does (n01).
    accumulate : {"mean", "sum"}
        Accumulation of the rule.
    """

    max_entropy: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    mean_steps: NDArray[np.float64]
    n_harmed: NDArray[np.int64]
    n_helped: NDArray[np.int64]
    accumulate: Accumulate


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold and what it did on the samples it was chosen on.

    ``kind`` is ``"heuristic"``: nothing is promised beyond these samples. ``accuracy_exit`` and
    ``mean_steps`` describe the calibration samples, not a test.
    """

    rule: EntropyExit
    max_drop: float
    accuracy_full: float
    accuracy_exit: float
    mean_steps: float
    n_samples: int
    kind: str = "heuristic"


def exit_curve(
    trace: ScoreTrace, max_entropy: NDArray[np.float64] = ENTROPY_GRID, accumulate: Accumulate = "mean"
) -> ExitCurve:
    """Accuracy and mean steps of entropy exit for many bounds at once.

    Parameters
    ----------
    trace : ScoreTrace
        Scores of full runs, with labels.
    max_entropy : float array of shape (M,)
        Bounds, ascending.
    accumulate : {"mean", "sum"}
        Whether the softmax reads the mean of the scores or their sum.

    Examples
    --------
    >>> trace = ScoreTrace.dense([[[3.0, 0.0], [0.2, 0.0]], [[6.0, 0.0], [0.2, 2.0]]], labels=[0, 1])
    >>> curve = exit_curve(trace, np.array([0.1, 0.5, 1.0]))
    >>> curve.accuracy.tolist(), curve.mean_steps.tolist()
    ([1.0, 1.0, 0.5], [2.0, 1.5, 1.0])
    """
    _check_labels(trace)
    bounds = np.asarray(max_entropy, np.float64)
    leaves_at = np.full((len(bounds), trace.n_samples), trace.n_steps, np.int32)
    full_is_right = trace.final_scores().argmax(1) == trace.labels
    is_right = np.broadcast_to(full_is_right, leaves_at.shape).copy()
    lowest = np.full(trace.n_samples, np.inf)  # smallest entropy so far: looser bounds have already fired
    everyone = np.arange(trace.n_samples)
    for step, scores in enumerate(trace.steps(), start=1):
        # The entropy of a sum moves only where a score changed; that of a mean moves at every step.
        who = everyone if accumulate == "mean" or step == 1 else trace.changes(step)[0]
        evidence = scores[who] / (step if accumulate == "mean" else 1)
        entropy = normalized_entropy(evidence)
        falls = entropy < lowest[who]
        who, entropy, evidence = who[falls], entropy[falls], evidence[falls]
        fires = (bounds[:, None] > entropy) & (bounds[:, None] <= lowest[who])
        row, column = np.nonzero(fires)
        leaves_at[row, who[column]] = step
        is_right[row, who[column]] = (evidence.argmax(1) == trace.labels[who])[column]
        lowest[who] = entropy
    harmed, helped = (full_is_right & ~is_right).sum(1), (~full_is_right & is_right).sum(1)
    return ExitCurve(bounds, is_right.mean(1), leaves_at.mean(1), harmed, helped, accumulate)


def calibrate_entropy(trace: ScoreTrace, max_drop: float, accumulate: Accumulate = "mean") -> Calibration:
    """Choose a loose entropy bound whose loss of accuracy, plus one standard error, is at most ``max_drop``.

    Parameters
    ----------
    trace : ScoreTrace
        Scores of *validation* samples, with labels.
    max_drop : float
        Tolerated loss of accuracy, as a fraction in [0, 1).
    accumulate : {"mean", "sum"}
        Accumulation of the rule.

    Returns
    -------
    Calibration
        With a bound of 0, which never stops early, if even the strictest bound loses too much.
    """
    if not 0 <= max_drop < 1:
        raise ParameterError(f"max_drop must be a fraction in [0, 1); got {max_drop}. 0.005 means half a point.")
    curve = exit_curve(trace, ENTROPY_GRID, accumulate)
    full = float(trace.accuracy_by_step()[-1])
    drop = curve.n_harmed - curve.n_helped + np.sqrt(curve.n_harmed + curve.n_helped)
    fails = drop > trace.n_samples * max_drop + 1e-9
    n_passed = int(fails.argmax()) if fails.any() else len(fails)
    if n_passed == 0:
        return Calibration(EntropyExit(0.0, accumulate), max_drop, full, full, float(trace.n_steps), trace.n_samples)
    saved = trace.n_steps - curve.mean_steps
    best = int(np.argmax(saved >= saved[n_passed - 1] * (1 - 1 / np.sqrt(trace.n_samples))))
    rule = EntropyExit(float(curve.max_entropy[best]), accumulate)
    return Calibration(
        rule, max_drop, full, float(curve.accuracy[best]), float(curve.mean_steps[best]), trace.n_samples
    )


def random_exit_accuracy(trace: ScoreTrace, histogram: NDArray[np.integer]) -> float:
    """Expected accuracy of the control that stops at random with the same exit histogram (T,).

    The mean of the static accuracies weighted by the histogram: what the steps alone buy, without
    knowing which samples are easy.
    """
    counts = np.asarray(histogram)
    if counts.shape != (trace.n_steps,) or (counts < 0).any() or not counts.any():
        raise ShapeError(f"histogram must hold {trace.n_steps} counts, not all 0; got {str(counts.tolist())[:40]}.")
    return float(counts @ trace.accuracy_by_step() / counts.sum())


def _check_labels(trace: ScoreTrace) -> None:
    if not trace.is_labelled:
        raise ParameterError("calibration needs a labelled trace of at least one sample. Pass y to trace(X, y).")
