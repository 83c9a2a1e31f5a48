r"""Decode output spikes into class scores: three decoders for a network that learned without labels.

Labels are needed only here. Labelled samples give the spikes of neuron *j* for class *k*, :math:`c_{kj}`, and their
mean per sample, :math:`r_{kj}`. Each further spike of neuron *j* then adds evidence
:math:`L_{kj}` to class *k*, so scores can be read at any time:

* *votes* (all-activity, Diehl and Cook 2015): a neuron belongs to the class of its highest mean rate, and a class
  scores the mean count of its neurons, :math:`L_{kj} = [k = \arg\max_m r_{mj}] / N_k`;
* *proportion* (Hazan et al., BindsNET, 2018): a spike is shared among the classes,
  :math:`L_{kj} = r_{kj} / \sum_m r_{mj}`;
* *naive Bayes*: a spike is evidence, :math:`L_{kj} = \log \bigl((c_{kj} + 1) / \sum_j (c_{kj} + 1)\bigr)`, the
  multinomial classifier with Laplace smoothing. Its sum is a log-likelihood, so early exit can ask how
  certain an answer is.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._arguments import checks_arguments
from spikewise._gates import as_array, as_numbers, class_numbers
from spikewise.data.formats.checks import MAX_CLASSES
from spikewise.errors import ShapeError, unknown_name, whole_number


def class_counts(spike_counts: ArrayLike, labels: ArrayLike, n_classes: int) -> NDArray[np.float64]:
    """Sum the spikes of each neuron over the samples of each class; the result has shape (K, N).

    Parameters
    ----------
    spike_counts : array of shape (B, N)
        Output spikes per sample and neuron.
    labels : int array of shape (B,)
        Class of each sample, 0..K-1.
    n_classes : int
        Classes K.
    """
    counts = as_numbers(spike_counts, "spike_counts", 0, ndim=2)
    classes = class_numbers(labels, len(counts), whole_number("n_classes", n_classes, 1, MAX_CLASSES), "labels")
    total = np.zeros((n_classes, counts.shape[1]))
    # Not total[classes] += counts, which would add only the last of several samples of a class.
    np.add.at(total, classes, counts)
    return total


def naive_bayes_evidence(counts: ArrayLike) -> NDArray[np.float64]:
    """Return the evidence (K, N) for class k of one spike of neuron j: the log of its smoothed likelihood.

    Parameters
    ----------
    counts : array of shape (K, N)
        Spikes of neuron j for class k, from :func:`class_counts`.

    Examples
    --------
    >>> np.exp(naive_bayes_evidence([[3, 0], [1, 1]])).tolist()
    [[0.8, 0.2], [0.5, 0.5]]
    """
    # Laplace smoothing: a neuron that never fired for a class must not rule that class out.
    smoothed = as_numbers(counts, "counts", 0, ndim=2).astype(np.float64) + 1.0
    return np.asarray(np.log(smoothed / smoothed.sum(1, keepdims=True)))


def neuron_classes(counts: ArrayLike, n_per_class: ArrayLike) -> NDArray[np.int64]:
    """Return the class (N,) for which each neuron has its highest mean rate; -1 for a neuron that never fired.

    Parameters
    ----------
    counts : array of shape (K, N)
        Spikes of neuron j for class k.
    n_per_class : array of shape (K,)
        Samples of each class.

    Examples
    --------
    >>> neuron_classes([[8, 0, 0], [6, 1, 0]], [10, 5]).tolist()
    [1, 1, -1]
    """
    # Mean rates, not counts: a class with more samples must not win by its size.
    rates = _rates(counts, n_per_class)
    return np.where(rates.any(0), rates.argmax(0), -1)


def votes_evidence(counts: ArrayLike, n_per_class: ArrayLike) -> NDArray[np.float64]:
    """Return the evidence (K, N) of all-activity votes: 1 / N_k for each of the N_k neurons of class k.

    The arguments are those of :func:`neuron_classes`.

    Examples
    --------
    >>> votes_evidence([[8, 9, 0], [6, 1, 0]], [10, 5]).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    classes = neuron_classes(counts, n_per_class)
    belongs = classes == np.arange(len(as_array(n_per_class, "n_per_class")))[:, None]
    return np.asarray(belongs / np.maximum(belongs.sum(1, keepdims=True), 1))


def proportion_evidence(counts: ArrayLike, n_per_class: ArrayLike) -> NDArray[np.float64]:
    """Return the share (K, N) of each class in a neuron's mean rates, summed over classes.

    The arguments are those of :func:`neuron_classes`.

    Examples
    --------
    >>> proportion_evidence([[8, 0], [12, 0]], [8, 4]).tolist()
    [[0.25, 0.0], [0.75, 0.0]]
    """
    rates = _rates(counts, n_per_class)
    total = rates.sum(0)
    return np.asarray(np.divide(rates, total, out=np.zeros_like(rates), where=total > 0))


DECODERS: dict[str, Callable[[ArrayLike, ArrayLike], NDArray[np.float64]]] = {
    # A likelihood is normalised over the neurons, so it does not need the number of samples.
    "naive_bayes": lambda counts, _: naive_bayes_evidence(counts),
    "proportion": proportion_evidence,
    "votes": votes_evidence,
}
"""Evidence (K, N) from counts (K, N) and samples per class (K,), by name."""


def check_decoder(name: object) -> None:
    """Raise ParameterError unless there is a decoder of this name."""
    if not isinstance(name, str) or name not in DECODERS:
        raise unknown_name("decoder", str(name), DECODERS)


@checks_arguments
def evidence_of(decoder: str, counts: ArrayLike, n_per_class: ArrayLike) -> NDArray[np.float64]:
    """Return the evidence (K, N) of the named decoder; raise ParameterError for an unknown name."""
    check_decoder(decoder)
    return DECODERS[decoder](counts, n_per_class)


def _rates(counts: ArrayLike, n_per_class: ArrayLike) -> NDArray[np.float64]:
    total, samples = as_numbers(counts, "counts", 0, ndim=2), as_numbers(n_per_class, "n_per_class", 0)
    if samples.shape != total.shape[:1]:
        raise ShapeError(f"counts must be (K, N) and n_per_class (K,); got {total.shape} and {samples.shape}.")
    return np.asarray(total.astype(np.float64) / np.maximum(samples, 1)[:, None])
