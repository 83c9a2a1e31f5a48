import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.dynamic import EntropyExit, ScoreTrace, calibrate_entropy, exit_curve, random_exit_accuracy, replay_exit
from spikewise.dynamic.calibrate import ENTROPY_GRID
from spikewise.errors import ParameterError


def random_trace(seed, n_steps=5, n_samples=40, n_classes=4, sparse=False):
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n_samples)
    outputs = rng.normal(size=(n_steps, n_samples, n_classes))
    outputs[:, np.arange(n_samples), labels] += rng.gamma(1.0, 2.0, n_samples)
    score_sum = outputs.cumsum(0)
    if not sparse:
        return ScoreTrace.dense(score_sum, labels)
    steps, samples = np.nonzero(rng.random((n_steps, n_samples)) < 0.4)
    return ScoreTrace.from_changes(steps + 1, samples, score_sum[steps, samples], n_steps, labels)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["sum", "mean"]), st.booleans(), st.floats(1e-3, 1.2))
def test_each_point_of_the_curve_equals_a_replay_of_its_rule(seed, accumulate, sparse, bound):
    trace = random_trace(seed, sparse=sparse)
    curve = exit_curve(trace, np.array([bound / 2, bound]), accumulate)
    for i, max_entropy in enumerate(curve.max_entropy):
        steps, classes = replay_exit(trace, EntropyExit(float(max_entropy), accumulate))
        assert curve.mean_steps[i] == pytest.approx(steps.mean())
        early, full = classes == trace.labels, trace.final_scores().argmax(1) == trace.labels
        assert curve.accuracy[i] == pytest.approx(early.mean())
        early, full = classes == trace.labels, trace.final_scores().argmax(1) == trace.labels
        assert (curve.n_harmed[i], curve.n_helped[i]) == ((full & ~early).sum(), (~full & early).sum())


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_looser_bound_never_uses_more_steps(seed):
    assert (np.diff(exit_curve(random_trace(seed)).mean_steps) <= 0).all()


@given(st.integers(0, 10_000), st.floats(0, 0.2))
@settings(max_examples=30, deadline=None)
def test_the_chosen_bound_keeps_its_promise_on_the_calibration_samples(seed, max_drop):
    trace = random_trace(seed)
    chosen = calibrate_entropy(trace, max_drop)
    steps, classes = replay_exit(trace, chosen.rule)
    assert np.mean(classes == trace.labels) >= trace.accuracy_by_step()[-1] - max_drop - 1e-9
    assert chosen.mean_steps == pytest.approx(steps.mean())
    assert chosen.kind == "heuristic"


@given(st.integers(0, 10_000), st.integers(4, 400), st.floats(0, 0.2))
@settings(max_examples=30, deadline=None)
def test_few_samples_give_back_a_share_of_the_saved_steps(seed, n_samples, max_drop):
    trace = random_trace(seed, n_samples=n_samples)
    chosen, curve = calibrate_entropy(trace, max_drop), exit_curve(trace)
    drop = (curve.n_harmed - curve.n_helped + np.sqrt(curve.n_harmed + curve.n_helped)) / n_samples
    n_passed = int((np.append(drop, np.inf) > max_drop + 1e-9).argmax())
    if n_passed == 0:
        assert chosen.mean_steps == trace.n_steps
        return
    saved, most = trace.n_steps - chosen.mean_steps, trace.n_steps - curve.mean_steps[n_passed - 1]
    assert most * (1 - 1 / np.sqrt(n_samples)) - 1e-9 <= saved <= most + 1e-9
    stricter = curve.max_entropy < chosen.rule.max_entropy
    assert (trace.n_steps - curve.mean_steps[stricter] < most * (1 - 1 / np.sqrt(n_samples)) + 1e-9).all()


def test_no_bound_passes_when_every_exit_hurts():
    # The first step is certain and wrong, the second right: stopping at all loses everything.
    trace = ScoreTrace.dense([[[40.0, 0.0]] * 3, [[40.0, 90.0]] * 3], labels=[1, 1, 1])
    chosen = calibrate_entropy(trace, 0.0)
    assert chosen.rule.max_entropy == 0.0
    assert chosen.mean_steps == 2


def test_the_grid_is_fixed_and_runs_from_strict_to_loose():
    assert (np.diff(ENTROPY_GRID) > 0).all()
    assert ENTROPY_GRID[0] == pytest.approx(1e-4)
    assert ENTROPY_GRID[-1] == pytest.approx(1.0)


def test_random_exit_is_the_histogram_weighted_static_curve():
    trace = random_trace(3)
    histogram = np.array([10, 0, 20, 0, 10])
    rng = np.random.default_rng(0)
    steps = np.repeat(np.arange(5), histogram)
    answers = np.array([scores.argmax(1) for scores in trace.steps()])
    draws = [np.mean(answers[rng.permutation(steps), np.arange(trace.n_samples)] == trace.labels) for _ in range(4000)]
    # One draw of 40 samples has a standard error below 0.08, so the mean of 4000 has one below 0.0013.
    assert random_exit_accuracy(trace, histogram) == pytest.approx(np.mean(draws), abs=0.006)


def test_bad_settings_are_named():
    with pytest.raises(ParameterError, match="max_drop must be a fraction"):
        calibrate_entropy(random_trace(0), 1.0)
    with pytest.raises(ParameterError, match="labelled trace"):
        calibrate_entropy(ScoreTrace.dense(np.zeros((2, 3, 2))), 0.1)
