import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.dynamic import (
    EntropyExit,
    ExitPath,
    ScoreTrace,
    calibrate,
    exit_curve,
    random_exit_accuracy,
    replay_exit,
)  # fmt: skip
from spikewise.dynamic.curve import outcomes
from spikewise.dynamic.exit_path import UNCERTAINTY_GRID
from spikewise.errors import ParameterError, ShapeError


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


def random_path(rng, kind, accumulate, n_steps, per_step):
    """Rules whose bounds never get stricter, alike at all steps or not."""
    bounds = np.sort(rng.random((6, n_steps - 1) if per_step else 6) ** 2 * 1.1, axis=0)
    return ExitPath.of(kind, accumulate, float(rng.choice([0.5, 1.0, 2.0])), bounds)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000), st.sampled_from(["entropy", "confidence", "margin"]), st.sampled_from(["sum", "mean"]),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_each_point_of_the_curve_equals_a_replay_of_its_rule(seed, kind, accumulate, sparse, per_step):
    trace = random_trace(seed, sparse=sparse)
    curve = exit_curve(trace, random_path(np.random.default_rng(seed), kind, accumulate, trace.n_steps, per_step))
    full = trace.final_scores().argmax(1) == trace.labels
    gain, left_at = outcomes(trace, curve.path)
    for place, rule in enumerate(curve.path.rules):
        steps, classes = replay_exit(trace, rule)
        early = classes == trace.labels
        np.testing.assert_array_equal(gain[place], early.astype(int) - full)
        np.testing.assert_array_equal(left_at[place], steps)
        assert curve.mean_steps[place] == pytest.approx(steps.mean())
        assert curve.accuracy[place] == pytest.approx(early.mean())
        for counts, which in ((curve.exits, ...), (curve.harmed, full & ~early), (curve.helped, ~full & early)):
            np.testing.assert_array_equal(counts[place], np.bincount(steps[which] - 1, minlength=trace.n_steps))


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_looser_bound_never_uses_more_steps(seed):
    assert (np.diff(exit_curve(random_trace(seed)).mean_steps) <= 0).all()


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_no_rule_beats_the_pareto_front(seed):
    curve = exit_curve(random_trace(seed))
    front = curve.pareto()
    assert (np.diff(curve.mean_steps[front]) > 0).all()
    assert (np.diff(curve.accuracy[front]) > 0).all()
    for steps, accuracy in zip(curve.mean_steps, curve.accuracy, strict=True):
        affordable = curve.mean_steps[front] <= steps
        assert affordable.any()
        assert curve.accuracy[front][affordable].max() >= accuracy


@given(st.integers(0, 10_000), st.floats(0, 0.2))
@settings(max_examples=30, deadline=None)
def test_the_chosen_bound_keeps_its_promise_on_the_calibration_samples(seed, max_drop):
    trace = random_trace(seed)
    chosen = calibrate(trace, max_drop=max_drop)
    steps, classes = replay_exit(trace, chosen.rule)
    assert np.mean(classes == trace.labels) >= trace.accuracy_by_step()[-1] - max_drop - 1e-9
    assert chosen.mean_steps == pytest.approx(steps.mean())
    assert chosen.kind == "heuristic"
    asked = min(1.0, max(0.0, trace.accuracy_by_step()[-1] - max_drop))
    assert calibrate(trace, min_accuracy=asked).rule == chosen.rule or asked == 0


@given(st.integers(0, 10_000), st.integers(4, 400), st.floats(0, 0.2))
@settings(max_examples=30, deadline=None)
def test_few_samples_give_back_a_share_of_the_saved_steps(seed, n_samples, max_drop):
    trace = random_trace(seed, n_samples=n_samples)
    chosen, curve = calibrate(trace, max_drop=max_drop), exit_curve(trace)
    drop = (curve.n_harmed - curve.n_helped + np.sqrt(curve.n_harmed + curve.n_helped)) / n_samples
    n_passed = int((np.append(drop, np.inf) > max_drop + 1e-9).argmax())
    if n_passed == 0:
        assert chosen.mean_steps == trace.n_steps
        return
    saved, most = trace.n_steps - chosen.mean_steps, trace.n_steps - curve.mean_steps[n_passed - 1]
    assert most * (1 - 1 / np.sqrt(n_samples)) - 1e-9 <= saved <= most + 1e-9
    stricter = chosen.rule.max_entropy > UNCERTAINTY_GRID
    assert (trace.n_steps - curve.mean_steps[stricter] < most * (1 - 1 / np.sqrt(n_samples)) + 1e-9).all()


@given(st.integers(0, 10_000), st.sampled_from(["entropy", "margin"]), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_the_strictest_bound_that_keeps_to_mean_steps_or_a_cost(seed, kind, place):
    trace, path = random_trace(seed), ExitPath.of(kind)
    cost = np.random.default_rng(seed).random(trace.n_steps).cumsum()
    curve = exit_curve(trace, path)
    for spent, target in (
        (curve.mean_steps, lambda most: {"max_steps": most}),
        (curve.exits @ cost / trace.n_samples, lambda most: {"max_cost": most, "cost_by_exit": cost}),
    ):
        most = spent.min() + place * (spent.max() - spent.min())
        chosen = calibrate(trace, path, **target(most))
        found = curve.path.rules.index(chosen.rule)
        assert spent[found] <= most * (1 + 1e-9)
        assert (spent[:found] > most).all()
        with pytest.raises(ParameterError, match="must be at least"):
            calibrate(trace, path, **target(0.99 * spent.min()))


def test_no_bound_passes_when_every_exit_hurts():
    # The first step is certain and wrong, the second right: stopping at all loses everything.
    trace = ScoreTrace.dense([[[40.0, 0.0]] * 3, [[40.0, 90.0]] * 3], labels=[1, 1, 1])
    for kind in ("entropy", "confidence", "margin"):
        chosen = calibrate(trace, ExitPath.of(kind), max_drop=0.0)
        assert chosen.mean_steps == 2
        assert (replay_exit(trace, chosen.rule)[0] == 2).all()


def test_the_grid_is_fixed_and_runs_from_strict_to_loose():
    assert (np.diff(UNCERTAINTY_GRID) > 0).all()
    assert UNCERTAINTY_GRID[0] == pytest.approx(1e-4)
    assert UNCERTAINTY_GRID[-1] == pytest.approx(1.0)


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
    trace = random_trace(0)
    with pytest.raises(ParameterError, match="max_drop must be a fraction"):
        calibrate(trace, max_drop=1.0)
    with pytest.raises(ParameterError, match="labelled trace"):
        calibrate(ScoreTrace.dense(np.zeros((2, 3, 2))), max_drop=0.1)
    with pytest.raises(ParameterError, match=r"one target of max_drop.*got none"):
        calibrate(trace)
    with pytest.raises(ParameterError, match="got max_drop, max_steps"):
        calibrate(trace, max_drop=0.1, max_steps=2)
    with pytest.raises(ParameterError, match="cost_by_exit with max_cost alone"):
        calibrate(trace, max_cost=2.0)
    with pytest.raises(ShapeError, match="must hold 5 finite numbers"):
        calibrate(trace, max_cost=2.0, cost_by_exit=[1.0, 2.0])
    with pytest.raises(ParameterError, match="cost_by_exit must be finite"):
        calibrate(trace, max_cost=2.0, cost_by_exit=[1.0, 2.0, 3.0, 4.0, np.nan])
    with pytest.raises(ParameterError, match="min_accuracy must be at most that of full runs"):
        calibrate(trace, min_accuracy=1.5)


def test_a_path_that_is_none_is_refused():
    with pytest.raises(ParameterError, match="Did you mean 'entropy'"):
        ExitPath.of("entropie")
    with pytest.raises(ShapeError, match="bounds must have shape"):
        ExitPath.of(bounds=[])
    with pytest.raises(ParameterError, match="at least one rule"):
        ExitPath(())
    with pytest.raises(ParameterError, match="no bound may be smaller"):
        ExitPath.of(bounds=[0.2, 0.1])
    with pytest.raises(ParameterError, match="differ in their bounds alone"):
        ExitPath((EntropyExit(0.1), EntropyExit(0.2, "sum")))
