import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.dynamic import ScoreTrace, calibration_error, fit_temperature
from spikewise.errors import ParameterError


def true_probabilities(seed, n_samples=4000, n_classes=4):
    """Logits whose softmax is the chance of each label."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n_samples, n_classes))
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    labels = (rng.random((n_samples, 1)) > p.cumsum(1)).sum(1).clip(max=n_classes - 1)
    return logits, labels


@pytest.mark.parametrize("accumulate", ["sum", "mean"])
def test_the_temperature_of_each_step_is_found_again(accumulate):
    logits, labels = true_probabilities(0)
    hot = [0.5, 1.0, 4.0]
    steps = [tau * logits * (1 if accumulate == "sum" else step) for step, tau in enumerate(hot, 1)]
    found = fit_temperature(ScoreTrace.dense(steps, labels), accumulate)
    np.testing.assert_allclose(found, hot, rtol=0.08)  # 4000 samples tell a temperature to a few hundredths


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_no_other_temperature_makes_the_labels_likelier(seed):
    rng = np.random.default_rng(seed)
    scores, labels = rng.normal(0, 3, (60, 3)), rng.integers(3, size=60)
    (best,) = fit_temperature(ScoreTrace.dense([scores], labels))

    def loss(tau):
        z = scores / tau
        return np.mean(np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) + z.max(1) - z[np.arange(60), labels])

    assert all(loss(best) <= loss(tau) + 1e-7 for tau in np.geomspace(0.05, 20, 61))


def test_true_probabilities_have_no_calibration_error_and_false_ones_do():
    logits, labels = true_probabilities(1, n_samples=20_000)
    trace = ScoreTrace.dense([logits, 3 * logits], labels)
    error = calibration_error(trace, "sum")
    assert error[0] < 0.015  # 15 bins of 1300 samples
    assert error[1] > 0.1
    mended = calibration_error(trace, "sum", temperature=(1.0, 3.0))
    assert mended[1] == pytest.approx(error[0])


def test_the_error_is_that_of_its_definition():
    rng = np.random.default_rng(2)
    scores, labels = rng.normal(0, 2, (200, 3)), rng.integers(3, size=200)
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    confidence, right = p.max(1), p.argmax(1) == labels
    expected = 0.0
    for low in np.arange(10) / 10:
        inside = (confidence >= low) & (confidence < low + 0.1)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert calibration_error(ScoreTrace.dense([scores], labels), n_bins=10)[0] == pytest.approx(expected)


def test_without_evidence_any_temperature_would_do():
    assert fit_temperature(ScoreTrace.dense(np.zeros((1, 5, 2)), labels=np.zeros(5))) == (1.0,)


def test_answers_that_are_all_right_do_not_ask_for_boundless_trust():
    assert fit_temperature(ScoreTrace.dense([[[0.05, 0.0]] * 9], labels=[0] * 9))[0] == pytest.approx(0.05, rel=1e-3)


def test_labels_and_bins_are_needed():
    with pytest.raises(ParameterError, match="labelled trace"):
        fit_temperature(ScoreTrace.dense(np.zeros((1, 5, 2))))
    with pytest.raises(ParameterError, match="n_bins"):
        calibration_error(ScoreTrace.dense(np.zeros((1, 5, 2)), labels=np.zeros(5)), n_bins=0)
