import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikewise.dynamic import (
    ConfidenceExit,
    EntropyExit,
    ExitRule,
    MarginExit,
    NeverExit,
    ScoreTrace,
    normalized_entropy,
    replay_exit,
)
from spikewise.dynamic.rule import check_rule, rule_from_dict, rule_to_dict
from spikewise.errors import DataError, ParameterError, ShapeError

scores_of_samples = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 5), st.integers(2, 6)), elements=st.floats(-1e3, 1e3)
)


@pytest.mark.parametrize("rule", [0.1, None, "entropy", EntropyExit])
def test_what_cannot_be_asked_is_no_rule(rule):
    for use in (check_rule, lambda rule: replay_exit(ScoreTrace.dense([[[1.0, 0.0]]]), rule)):
        with pytest.raises(ParameterError, match=r"EntropyExit\(0\.1\)"):
            use(rule)


def test_a_rule_is_given_back():
    assert check_rule(NeverExit()) == NeverExit()


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
    assert EntropyExit(0.1, "mean").uncertainty(score_sum, n_steps)[0] == pytest.approx(with_mean, abs=5e-4)
    assert EntropyExit(0.1, "sum").uncertainty(score_sum, n_steps)[0] == pytest.approx(with_sum, abs=5e-4)


RULES = st.sampled_from([EntropyExit, ConfidenceExit, MarginExit])
ACCUMULATIONS = st.sampled_from(["sum", "mean"])


@given(scores_of_samples, RULES, st.integers(1, 9), ACCUMULATIONS)
def test_the_edges_of_the_bound(scores, rule, n_steps, accumulate):
    assert not rule.at(0.0, accumulate).ready(scores, n_steps).any()
    assert rule.at(1.001, accumulate).ready(scores, n_steps).all()
    assert not NeverExit().ready(scores, n_steps).any()


@given(scores_of_samples, RULES, st.integers(1, 9), ACCUMULATIONS, st.floats(0.1, 10))
def test_uncertainty_is_what_the_definition_says(scores, rule, n_steps, accumulate, temperature):
    evidence = scores / temperature / (n_steps if accumulate == "mean" else 1)
    weight = np.exp(evidence - evidence.max(1, keepdims=True))
    p = np.sort(weight / weight.sum(1, keepdims=True))
    expected = {
        EntropyExit: -(p * np.log(np.maximum(p, 1e-300))).sum(1) / np.log(p.shape[1]),
        ConfidenceExit: 1 - p[:, -1],
        MarginExit: p[:, -2] / p[:, -1],
    }[rule]
    np.testing.assert_allclose(rule.at(0.5, accumulate, temperature).uncertainty(scores, n_steps), expected, atol=1e-9)


@given(scores_of_samples, RULES, st.floats(0.2, 1), st.floats(1, 5))
def test_softer_evidence_leaves_more_uncertainty(scores, rule, sharp, soft):
    sharper, softer = (rule.at(0.5, "sum", temperature).uncertainty(scores, 1) for temperature in (sharp, soft))
    assert (softer >= sharper - 1e-12).all()


def test_rules_speak_their_own_units():
    scores = np.log([[0.91, 0.06, 0.03]])
    assert ConfidenceExit(0.9).ready(scores, 1).all()
    assert not ConfidenceExit(0.92).ready(scores, 1).any()
    assert MarginExit(np.log(15)).ready(scores, 1).all()  # the best is 15.2 times likelier than the second
    assert not MarginExit(np.log(16)).ready(scores, 1).any()


@given(scores_of_samples, RULES, st.lists(st.floats(0, 1.1), min_size=1, max_size=4), ACCUMULATIONS)
def test_each_step_has_its_bound_and_the_last_holds_from_then_on(scores, rule, bounds, accumulate):
    by_step = rule.at(tuple(bounds), accumulate)
    for step in range(1, 7):
        alone = rule.at(bounds[min(step, len(bounds)) - 1], accumulate)
        np.testing.assert_array_equal(by_step.ready(scores, step), alone.ready(scores, step))


def test_each_step_has_its_temperature():
    by_step = EntropyExit(0.5, "sum", (1.0, 2.0))
    scores = np.array([[3.0, 0.0]])
    assert by_step.uncertainty(scores, 1) == EntropyExit(0.5, "sum").uncertainty(scores, 1)
    assert (
        by_step.uncertainty(scores, 2)
        == by_step.uncertainty(scores, 3)
        == EntropyExit(0.5, "sum", 2.0).uncertainty(scores, 3)
    )


def test_one_class_has_no_entropy():
    with pytest.raises(ShapeError, match="at least 2 classes"):
        normalized_entropy([[1.0]])


def test_a_certain_answer_with_vanishing_probabilities_is_finite():
    assert normalized_entropy([1e6, 0.0, -1e6]) == 0.0


@pytest.mark.parametrize(
    "rule", [EntropyExit(0.3, "sum"), NeverExit(), ConfidenceExit((0.9, 0.8)), MarginExit(2.5, "mean", (2.0, 1.5))]
)
def test_rules_survive_json(rule):
    assert isinstance(rule, ExitRule)
    assert rule_from_dict(json.loads(json.dumps(rule_to_dict(rule)))) == rule


@pytest.mark.parametrize("raw", [{}, {"kind": "guess"}, {"kind": "entropy", "bound": 1}])
def test_unknown_rules_are_refused(raw):
    with pytest.raises(DataError, match="exit rule"):
        rule_from_dict(raw)


def test_bad_bounds_are_refused():
    with pytest.raises(ParameterError, match="finite"):
        EntropyExit(float("nan"))
    with pytest.raises(ParameterError, match="max_entropy must be a number"):
        EntropyExit("0.1")
    with pytest.raises(ParameterError, match="one for each step"):
        EntropyExit(())
    with pytest.raises(ParameterError, match="min_confidence must be a"):
        ConfidenceExit((0.1, None))
    with pytest.raises(ParameterError, match="accumulate"):
        EntropyExit(0.1, "average")
    with pytest.raises(ParameterError, match="temperature must be above 0"):
        MarginExit(0.1, "mean", (1.0, 0.0))
