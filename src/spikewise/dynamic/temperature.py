r"""Temperature scaling, and the calibration error of the predicted probabilities at every timestep.

Evidence divided by a temperature :math:`\tau_t` gives the same answers with other probabilities. The temperature of
maximum likelihood,

.. math:: \tau_t = \arg\min_\tau \; -\sum_i \log \mathrm{softmax}(z_{t,i} / \tau)_{y_i},

is the usual remedy for overconfident networks (Guo et al., arXiv 1706.04599). One temperature per step makes the
uncertainties of different steps comparable, so that one bound means the same at all of them.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp

from spikewise._arguments import checks_arguments
from spikewise._choices import Accumulate
from spikewise.dynamic.rule import EntropyExit
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import ParameterError, whole_number

from .uncertainty import PerStep

_LEAST, _MOST = 0.05, 20.0  # of temperatures; if all answers are right, the fit would go to 0


@checks_arguments
def fit_temperature(trace: ScoreTrace, accumulate: Accumulate = "mean") -> tuple[float, ...]:
    """Fit the temperature of each step, between 1/20 and 20; 1 where all scores are equal, so that all fit alike.

    Parameters
    ----------
    trace : ScoreTrace
        Scores of samples that neither trained the network nor will calibrate a guarantee, with labels.
    accumulate : {"mean", "sum"}
        Whether the evidence is the mean of the scores over the steps so far, or their sum.

    Returns
    -------
    tuple of float
        Temperature of step 1, 2, ..., T, in the form that the exit rules take.

    Examples
    --------
    >>> scores = np.log([[0.9, 0.1]] * 10)  # says 90 %, and is right in 9 of 10
    >>> trace = ScoreTrace.dense([scores, 6 * scores], labels=9 * [0] + [1])
    >>> [round(temperature, 2) for temperature in fit_temperature(trace, "sum")]
    [1.0, 6.0]
    """
    return tuple(_best(evidence, trace.labels) for evidence in _evidence(trace, accumulate, 1.0))


def _best(evidence: NDArray[np.float64], labels: NDArray[np.integer]) -> float:
    below = evidence - evidence.max(1, keepdims=True)
    if not below.any():
        return 1.0
    own = below[np.arange(len(labels)), labels]

    def loss(log_sharpness: float) -> float:
        sharpness = np.exp(log_sharpness)
        return float(np.mean(logsumexp(sharpness * below, axis=1) - sharpness * own))

    # In the logarithm of 1 / tau: the loss is convex in 1 / tau, so it has one minimum on this axis too.
    found = minimize_scalar(loss, bounds=(-np.log(_MOST), -np.log(_LEAST)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(-found.x))


@checks_arguments
def calibration_error(
    trace: ScoreTrace, accumulate: Accumulate = "mean", temperature: PerStep = 1.0, n_bins: int = 15
) -> NDArray[np.float64]:
    r"""Return the expected calibration error after each step, in [0, 1].

    .. math:: \mathrm{ECE} = \sum_b \frac{n_b}{n} \, \lvert \mathrm{accuracy}_b - \mathrm{confidence}_b \rvert

    Parameters
    ----------
    trace : ScoreTrace
        Scores with labels.
    accumulate, temperature
        Accumulation and temperature of the evidence, as in :class:`EntropyExit`.
    n_bins : int
        Bins of equal width into which samples are sorted by the probability of their answer.

    Returns
    -------
    float array of shape (T,)
        0 where answers of probability p are right in a share p of the cases.

    Examples
    --------
    >>> scores = np.log([[0.9, 0.1]] * 10)
    >>> calibration_error(ScoreTrace.dense([scores], labels=10 * [0])).round(3).tolist()
    [0.1]
    """
    n_bins = whole_number("n_bins", n_bins, 1)
    return np.array([_error(each, trace.labels, n_bins) for each in _evidence(trace, accumulate, temperature)])


def _error(evidence: NDArray[np.float64], labels: NDArray[np.integer], n_bins: int) -> float:
    confidence = np.exp(log_softmax(evidence, axis=1).max(1))
    is_right = evidence.argmax(1) == labels
    # A confidence of exactly 1 belongs to the last bin.
    place = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    gap = np.bincount(place, is_right, n_bins) - np.bincount(place, confidence, n_bins)
    return float(np.abs(gap).sum() / len(labels))


def _evidence(trace: ScoreTrace, accumulate: Accumulate, temperature: PerStep) -> list[NDArray[np.float64]]:
    if not trace.is_labelled:
        raise ParameterError("calibration needs a labelled trace of at least one sample. Pass y to trace(X, y).")
    rule = EntropyExit(0.0, accumulate, temperature)
    return [np.asarray(scores * rule.scale(step), np.float64) for step, scores in enumerate(trace.steps(), start=1)]
