"""Control experiments for early exit: exits at random, the same step for all samples, and a stop at the first spike.

Early exit is useful only where it beats these controls: each of them saves steps without knowing which samples are
easy.
"""

import numpy as np
from numpy.typing import NDArray

from spikewise._arguments import checks_arguments
from spikewise._gates import MOST_STEPS, as_numbers
from spikewise.errors import ShapeError, positive_number

from .trace import ScoreTrace


@checks_arguments
def cut_at(mean_steps: float) -> int:
    """Return the step at which the control that stops all samples together uses as many steps as early exit, rounded.

    Examples
    --------
    >>> cut_at(54.6), cut_at(1.2)
    (55, 1)
    """
    return round(max(1.0, positive_number("mean_steps", mean_steps, MOST_STEPS, zero=True)))


@checks_arguments
def stop_at_first_spike(trace: ScoreTrace) -> tuple[float, float]:
    """Return accuracy and mean steps of the control that stops each sample when its scores first change.

    In an STDP network this is the first output spike; a sample without an output spike runs to the end.

    Examples
    --------
    >>> trace = ScoreTrace.from_changes([2, 3, 3], [0, 0, 1], [[1.0, 0], [0, 2.0], [0, 1.0]], n_steps=4, labels=[0, 0])
    >>> stop_at_first_spike(trace)
    (0.5, 2.5)
    """
    steps, answers = np.full(trace.n_samples, trace.n_steps), np.zeros(trace.n_samples, np.int64)
    step_of_change = np.repeat(np.arange(1, trace.n_steps + 1), np.diff(trace.change_offsets))
    who, first = np.unique(trace.samples, return_index=True)  # changes are sorted by step
    steps[who], answers[who] = step_of_change[first], trace.scores[first].argmax(1)
    return float(np.mean(answers == trace.labels)), float(steps.mean())


@checks_arguments
def random_exit_accuracy(trace: ScoreTrace, histogram: NDArray[np.integer]) -> float:
    """Return the expected accuracy of the control that stops samples at random, with the same exit histogram (T,).

    This is the mean of the accuracies of the static network, weighted by the histogram.
    """
    counts = as_numbers(histogram, "histogram")
    if counts.shape != (trace.n_steps,) or (counts < 0).any() or not counts.any():
        raise ShapeError(f"histogram must hold {trace.n_steps} counts, not all 0; got {str(counts.tolist())[:40]}.")
    return float(counts @ trace.accuracy_by_step() / counts.sum())
