r"""Choose the exit threshold on validation scores: for accuracy, for mean timesteps, or for a cost.

One pass over a :class:`ScoreTrace` finds accuracy and mean steps of every rule of a path (:func:`exit_curve`). For a
tolerated loss of accuracy, :func:`calibrate` goes from the strictest bound to the loosest and stops before the first
one whose loss, plus one standard error, exceeds ``max_drop``. With :math:`n_{10}` samples that only the full run gets
right and :math:`n_{01}` that only the early answer gets right, a rule passes if

.. math:: \frac{n_{10} - n_{01}}{n} + \frac{\sqrt{n_{10} + n_{01}}}{n} \le \mathrm{max\_drop}

A few hundred samples rarely contain the rare sample that a loose bound gets wrong, so the last bound that passes is
too loose. The first bounds save most of the steps and the last ones hardly any. So the strictest bound is chosen that
keeps a share :math:`1 - 1 / \sqrt n` of the steps saved by the last bound that passes. Both margins vanish for many
samples.

The result is still a *heuristic*: it promises nothing beyond the validation samples
(:mod:`spikewise.dynamic.guarantee` does). For a target of mean steps or of cost, the strictest bound that meets the
target is chosen.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._arguments import checks_arguments
from spikewise._gates import as_numbers
from spikewise.dynamic.curve import ExitCurve, exit_curve
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import ParameterError, ShapeError, whole_number

from .exit_path import ExitPath
from .uncertainty import UncertaintyExit

_ROUNDING = 1e-9  # slack of comparisons, so that float rounding does not reject a bound that meets the target exactly


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold and what it did on the samples it was chosen on.

    ``kind`` is ``"heuristic"``: nothing is promised beyond these samples. ``accuracy_exit`` and
    ``mean_steps`` describe the calibration samples, not a test. ``max_drop`` is None if another target was asked for.
    """

    rule: UncertaintyExit
    max_drop: float | None
    accuracy_full: float
    accuracy_exit: float
    mean_steps: float
    n_samples: int
    kind: str = "heuristic"


@checks_arguments
def calibrate(
    trace: ScoreTrace,
    path: ExitPath | None = None,
    *,
    max_drop: float | None = None,
    min_accuracy: float | None = None,
    max_steps: float | None = None,
    max_cost: float | None = None,
    cost_by_exit: ArrayLike | None = None,
) -> Calibration:
    """Choose a rule of a path for one target.

    Parameters
    ----------
    trace : ScoreTrace
        Scores of *validation* samples, with labels.
    path : ExitPath, optional
        Rules to choose from; by default, entropy of the mean scores with 161 bounds.
    max_drop : float, optional
        Tolerated loss of accuracy against full runs, as a fraction in [0, 1).
    min_accuracy : float, optional
        Lowest accuracy allowed with early exit, in [0, 1].
    max_steps : float, optional
        Largest mean number of timesteps.
    max_cost : float, optional
        Largest mean cost of a sample, in the unit of ``cost_by_exit``.
    cost_by_exit : float array of shape (T,), optional
        Cost of a sample that leaves after step 1, 2, ..., T on some platform: its energy, latency or their product.

    Returns
    -------
    Calibration
        Its rule never stops early if even the strictest bound loses too much.

    Raises
    ------
    ParameterError
        If not exactly one target is given, or it cannot be reached.

    Examples
    --------
    >>> trace = ScoreTrace.dense([[[9.0, 0.0], [0.2, 0.0]], [[9.0, 0.0], [0.2, 9.0]]], labels=[0, 1])
    >>> calibrate(trace, max_steps=1.6).mean_steps
    1.5
    >>> calibrate(trace, max_cost=2.0, cost_by_exit=[1.0, 2.5]).mean_steps
    1.5
    """
    targets = {"max_drop": max_drop, "min_accuracy": min_accuracy, "max_steps": max_steps, "max_cost": max_cost}
    given = [name for name, value in targets.items() if value is not None]
    if len(given) != 1 or (max_cost is None) != (cost_by_exit is None):
        raise ParameterError(
            f"calibrate takes one target of {', '.join(targets)}, and cost_by_exit with max_cost alone; "
            f"got {', '.join(given) or 'none'}."
        )
    if max_drop is not None and not 0 <= max_drop < 1:
        raise ParameterError(f"max_drop must be a fraction in [0, 1); got {max_drop}. 0.005 means half a point.")
    curve = exit_curve(trace, path)
    if max_steps is not None:
        return _within(curve, curve.mean_steps, max_steps)
    if max_cost is not None and cost_by_exit is not None:
        return _within(curve, curve.mean(cost_by_exit), max_cost)
    if min_accuracy is not None:
        if not 0 <= min_accuracy <= curve.accuracy_full + _ROUNDING:
            raise ParameterError(
                f"min_accuracy must be at most that of full runs ({curve.accuracy_full:.4f}); got {min_accuracy}."
            )
        return _chosen(curve, _heuristic(curve, curve.accuracy_full - min_accuracy), None)
    return _chosen(curve, _heuristic(curve, max_drop or 0.0), max_drop)


@checks_arguments
def last_within(
    n_harmed: NDArray[np.integer],
    n_helped: NDArray[np.integer],
    saved: NDArray[np.floating],
    n_samples: int,
    most: float,
) -> int | None:
    """Return the index of the rule to choose: the equation and the second margin of the module's docstring.

    Parameters
    ----------
    n_harmed, n_helped : int arrays of shape (M,)
        Samples that only the full run gets right, and that only the early answer gets right, for each rule of a path.
    saved : float array of shape (M,)
        Mean timesteps that each rule saves.
    n_samples : int
        Number of samples.
    most : float
        Tolerated loss of accuracy, as a fraction.

    Returns
    -------
    int or None
        None if even the first rule loses too much.
    """
    named = {"n_harmed": n_harmed, "n_helped": n_helped, "saved": saved}
    n_harmed, n_helped, saved = (as_numbers(each, name, ndim=1) for name, each in named.items())
    if not n_harmed.shape == n_helped.shape == saved.shape:
        shapes = f"{n_harmed.shape}, {n_helped.shape} and {saved.shape}"
        raise ShapeError(f"n_harmed, n_helped and saved must have one value per rule; got {shapes}.")
    n_samples = whole_number("n_samples", n_samples, 1)
    # Both sides of the equation times n. The square root is one standard error of n_harmed - n_helped.
    drop = n_harmed - n_helped + np.sqrt(n_harmed + n_helped)
    fails = drop > n_samples * most + _ROUNDING
    # Only rules before the first failure count: a looser rule that passes again does so by chance.
    n_passed = int(fails.argmax()) if fails.any() else len(fails)
    if n_passed == 0:
        return None
    # `saved` never falls along a path, so argmax finds the strictest rule that saves nearly as much.
    return int(np.argmax(saved >= saved[n_passed - 1] * (1 - 1 / np.sqrt(n_samples))))


def _heuristic(curve: ExitCurve, most: float) -> int | None:
    return last_within(curve.n_harmed, curve.n_helped, curve.n_steps - curve.mean_steps, curve.n_samples, most)


def _within(curve: ExitCurve, cost: NDArray[np.float64], most: float) -> Calibration:
    # Relative, since a cost may be as small as 1e-12 J.
    fits = cost <= most * (1 + _ROUNDING)
    if not fits.any():
        raise ParameterError(
            f"the budget must be at least {cost.min():.4g}, the mean per sample of the loosest bound; got {most:.4g}. "
            "Allow more."
        )
    return _chosen(curve, int(fits.argmax()), None)


def _chosen(curve: ExitCurve, place: int | None, max_drop: float | None) -> Calibration:
    n, full = curve.n_samples, curve.accuracy_full
    if place is None:
        return Calibration(curve.path.rules[0].never(), max_drop, full, full, float(curve.n_steps), n)
    accuracy, steps = float(curve.accuracy[place]), float(curve.mean_steps[place])
    return Calibration(curve.path.rules[place], max_drop, full, accuracy, steps, n)
