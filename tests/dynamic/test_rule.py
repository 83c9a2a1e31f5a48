import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikewise.dynamic import EntropyExit, ExitRule, NeverExit, normalized_entropy
from spikewise.dynamic.rule import rule_from_dict, rule_to_dict
from spikewise.errors import DataError, ParameterError, ShapeError

scores_of_samples = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 5), st.integers(2, 6)), elements=st.floats(-1e3, 1e3)
)


@given(scores_of_samples)
def test_entropy_lies_between_certain_and_uniform(scores):
    entropy = normalized_entropy(scores)
    assert ((entropy >= 0) & (entropy <= 1)).all()


@given(scores_of_samples, st.floats(-1e3, 1e3))
def test_shifting_all_scores_changes_no_entropy(scores, shift):
    np.testing.assert_allclose(normalized_entropy(scores + shift), normalized_entropy(scores), atol=1e-9)


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=8))
def test_entropy_equals_its_definition(scores):
    weight = [math.exp(x) for x in scores]
    p = [w / sum(weight) for w in weight]
    by_definition = -sum(x * math.log(x) for x in p if x > 0) / math.log(len(p))
    assert normalized_entropy(scores) == pytest.approx(by_definition, abs=1e-9)


@pytest.mark.parametrize(
    ("n_steps", "with_mean", "with_sum"), [(1, 0.823, 0.823), (2, 0.823, 0.312), (3, 0.823, 0.066), (4, 0.823, 0.012)]
)
def test_sum_and_mean_differ_as_in_the_worked_case(n_steps, with_mean, with_sum):
    # Ten classes, mean logits (2, 0, ..., 0) at every step.
    score_sum = np.zeros((1, 10))
    score_sum[0, 0] = 2.0 * n_steps
    assert EntropyExit(0.1, "mean").measure(score_sum, n_steps)[0] == pytest.approx(with_mean, abs=5e-4)
    assert EntropyExit(0.1, "sum").measure(score_sum, n_steps)[0] == pytest.approx(with_sum, abs=5e-4)


@given(scores_of_samples, st.integers(1, 9), st.sampled_from(["sum", "mean"]))
def test_the_edges_of_the_bound(scores, n_steps, accumulate):
    assert not EntropyExit(0.0, accumulate).ready(scores, n_steps).any()
    assert EntropyExit(1.001, accumulate).ready(scores, n_steps).all()
    assert not NeverExit().ready(scores, n_steps).any()


def test_one_class_has_no_entropy():
    with pytest.raises(ShapeError, match="at least 2 classes"):
        normalized_entropy([[1.0]])


def test_a_certain_answer_with_vanishing_probabilities_is_finite():
    assert normalized_entropy([1e6, 0.0, -1e6]) == 0.0


@pytest.mark.parametrize("rule", [EntropyExit(0.3, "sum"), NeverExit()])
def test_rules_survive_json(rule):
    assert isinstance(rule, ExitRule)
    assert rule_from_dict(rule_to_dict(rule)) == rule


@pytest.mark.parametrize("raw", [{}, {"kind": "guess"}, {"kind": "entropy", "bound": 1}])
def test_unknown_rules_are_refused(raw):
    with pytest.raises(DataError, match="exit rule"):
        rule_from_dict(raw)


def test_bad_bounds_are_refused():
    with pytest.raises(ParameterError, match="finite"):
        EntropyExit(float("nan"))
    with pytest.raises(ParameterError, match="finite"):
        EntropyExit("0.1")
    with pytest.raises(ParameterError, match="accumulate"):
        EntropyExit(0.1, "average")
