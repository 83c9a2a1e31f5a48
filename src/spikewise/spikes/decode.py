r"""From spikes to class scores: naive-Bayes evidence of output neurons.

Labels are needed only here. From labelled samples one counts how often neuron *j* fired for class *k*,
:math:`c_{kj}`. Each further spike of neuron *j* is then evidence

.. math:: L_{kj} = \log \frac{c_{kj} + 1}{\sum_j (c_{kj} + 1)}

for class *k*: additive per spike, so the score is usable at any time, and early exit can ask how
certain the answer is (reference: the multinomial naive-Bayes classifier with Laplace smoothing).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise.errors import ShapeError


def class_counts(spike_counts: ArrayLike, labels: ArrayLike, n_classes: int) -> NDArray[np.float64]:
    """Spikes of each neuron summed over the samples of each class, shape (K, N).

    Parameters
    ----------
    spike_counts : array of shape (B, N)
        Output spikes per sample and neuron.
    labels : int array of shape (B,)
        Class of each sample, 0..K-1.
    n_classes : int
        Classes K.
    """
    counts, classes = np.asarray(spike_counts), np.asarray(labels)
    if counts.ndim != 2 or classes.shape != counts.shape[:1]:
        raise ShapeError(f"spike_counts must be (B, N) and labels (B,); got {counts.shape} and {classes.shape}.")
    total = np.zeros((n_classes, counts.shape[1]))
    np.add.at(total, classes, counts)
    return total


def naive_bayes_evidence(counts: ArrayLike) -> NDArray[np.float64]:
    """Evidence (K, N) that one spike of neuron j brings for class k.

    Parameters
    ----------
    counts : array of shape (K, N)
        Spikes of neuron j for class k, from :func:`class_counts`.

    Examples
    --------
    >>> np.exp(naive_bayes_evidence([[3, 0], [1, 1]])).tolist()
    [[0.8, 0.2], [0.5, 0.5]]
    """
    smoothed = np.asarray(counts, np.float64) + 1.0
    return np.asarray(np.log(smoothed / smoothed.sum(1, keepdims=True)))
