import numpy as np
import pytest
from sklearn.naive_bayes import MultinomialNB

from spikewise.errors import ShapeError
from spikewise.spikes import class_counts, naive_bayes_evidence


def test_evidence_equals_multinomial_naive_bayes():
    rng = np.random.default_rng(0)
    spikes, labels = rng.poisson(2.0, (60, 8)), np.arange(60) % 3
    evidence = naive_bayes_evidence(class_counts(spikes, labels, 3))
    reference = MultinomialNB(alpha=1.0).fit(spikes, labels)
    np.testing.assert_allclose(evidence, reference.feature_log_prob_)


def test_counts_sum_over_the_samples_of_a_class():
    assert class_counts([[1, 0], [2, 3], [4, 0]], [0, 1, 0], 3).tolist() == [[5, 0], [2, 3], [0, 0]]


def test_a_class_without_spikes_is_uniform():
    np.testing.assert_allclose(np.exp(naive_bayes_evidence(np.zeros((2, 4)))), 0.25)


def test_mismatched_lengths_are_refused():
    with pytest.raises(ShapeError, match="labels"):
        class_counts(np.ones((3, 2)), [0, 1], 2)
