"""The tests against exact arithmetic, and the promise against populations whose risk is known."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from spikewise.dynamic import (
    Certificate,
    ConfidenceExit,
    EntropyExit,
    ExitPath,
    ScoreTrace,
    calibrate,
    certify,
    exit_curve,
    replay_exit,
    samples_needed,
)  # fmt: skip
from spikewise.dynamic.guarantee import last_passed, passes, rules_out
from spikewise.errors import DataError, ParameterError


def trace_of(seed, n_samples=1500, n_steps=4, n_classes=5):
    """A network that is mostly right, and more so with time."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n_samples)
    outputs = rng.normal(size=(n_steps, n_samples, n_classes))
    outputs[:, np.arange(n_samples), labels] += 1.5 + rng.gamma(2.0, 1.5, n_samples)
    return ScoreTrace.dense(outputs.cumsum(0), labels)


@given(st.integers(1, 400), st.integers(0, 20), st.floats(0.001, 0.2), st.floats(0.001, 0.5))
def test_harm_is_the_exact_binomial_test(n, n_harmed, eps, delta):
    n_harmed = min(n, n_harmed)
    tail = sum(math.comb(n, k) * eps**k * (1 - eps) ** (n - k) for k in range(n_harmed + 1))
    if abs(tail - delta) > 1e-9:
        assert bool(rules_out(n_harmed, 0, n, eps, delta, "harm")) == (tail <= delta)


@given(st.integers(1, 300), st.integers(0, 12), st.integers(0, 12), st.floats(0.01, 0.3), st.floats(0.01, 0.3))
@settings(max_examples=50, deadline=None)
def test_drop_uses_the_bounds_of_clopper_and_pearson(n, n_harmed, n_helped, eps, delta):
    """Bounds by definition: the probabilities at which so few, or so many, have a chance of delta / 2."""
    n_harmed, n_helped = min(n, n_harmed), min(n, n_helped)
    grid = np.linspace(0, 1, 20_001)
    highest = grid[binom.cdf(n_harmed, n, grid) >= delta / 2].max()
    lowest = grid[binom.sf(n_helped - 1, n, grid) <= delta / 2].max() if n_helped else 0.0
    if abs(highest - lowest - eps) > 2e-4:
        assert bool(rules_out(n_harmed, n_helped, n, eps, delta)) == (highest - lowest <= eps)


@given(st.floats(0.002, 0.2), st.floats(0.5, 0.999), st.sampled_from(["drop", "harm"]))
def test_one_sample_fewer_than_needed_can_never_pass(eps, confidence, form):
    n = samples_needed(eps, confidence, form)
    assert rules_out(0, 0, n, eps * (1 + 1e-9), 1 - confidence, form)
    assert n == 1 or not rules_out(0, 0, n - 1, eps * (1 - 1e-9), 1 - confidence, form)


@given(st.lists(st.booleans(), max_size=12))
def test_the_walk_ends_before_the_first_failure(passed):
    place = last_passed(passed)
    assert all(passed[: place + 1])
    assert place + 1 == len(passed) or not passed[place + 1]


@pytest.mark.parametrize("form", ["drop", "harm"])
@pytest.mark.parametrize("kind", ["entropy", "confidence", "margin"])
def test_the_certificate_says_what_its_rule_does(form, kind):
    trace = trace_of(0)
    path = ExitPath.of(kind, "sum")
    found = certify(trace, path, max_drop=0.02, form=form)
    assert found.kind == "guarantee"
    assert found.rule in path.rules
    steps, classes = replay_exit(trace, found.rule)
    early, full = classes == trace.labels, trace.final_scores().argmax(1) == trace.labels
    assert (found.n_harmed, found.n_helped) == ((full & ~early).sum(), (~full & early).sum())
    assert found.mean_steps == pytest.approx(steps.mean())
    assert found.accuracy_exit == pytest.approx(early.mean())
    assert found.accuracy_full == full.mean()
    assert 1 < found.mean_steps < trace.n_steps
    assert rules_out(found.n_harmed, found.n_helped, trace.n_samples, 0.02, 0.05, form)


def test_a_stronger_promise_never_stops_sooner():
    trace = trace_of(1)
    drop = certify(trace, max_drop=0.02)
    for stronger in (
        certify(trace, max_drop=0.01),
        certify(trace, max_drop=0.02, confidence=0.999),
        certify(trace, max_drop=0.02, form="drop", conditional=True),
    ):
        assert stronger.mean_steps >= drop.mean_steps
    heuristic = calibrate(trace, max_drop=0.02)
    assert heuristic.mean_steps <= drop.mean_steps


def test_too_few_samples_make_a_heuristic_and_say_how_many_are_needed():
    trace = trace_of(2, n_samples=300)
    found = certify(trace, max_drop=0.005)
    assert (found.kind, found.n_needed) == ("heuristic", 736)
    assert found.rule == calibrate(trace, max_drop=0.005).rule


def test_where_every_exit_harms_none_is_certified():
    early, late = [[40.0, 0.0]] * 800, [[40.0, 90.0]] * 800
    found = certify(ScoreTrace.dense([early, late], labels=[1] * 800), max_drop=0.01)
    assert found.kind == "guarantee"
    assert found.mean_steps == 2
    assert (found.n_harmed, found.accuracy_exit) == (0, 1.0)


def test_the_conditional_form_is_the_worst_over_the_steps():
    trace = trace_of(3, n_samples=4000)
    screened = calibrate(trace_of(4), max_drop=0.02).rule
    curve = exit_curve(trace, ExitPath.enabling(screened, trace.n_steps))
    found = passes(curve, 0.02, 0.95, conditional=True)
    full = trace.final_scores().argmax(1) == trace.labels
    for place, rule in enumerate(curve.path.rules):
        steps, classes = replay_exit(trace, rule)
        early = classes == trace.labels
        first_open = trace.n_steps - 1 - place
        for step in range(first_open, trace.n_steps + 1):
            left = steps <= step
            harmed, helped = (full & ~early & left).sum(), (~full & early & left).sum()
            if not rules_out(harmed, helped, left.sum(), 0.02, 0.05):
                assert not found[place]
                break
        else:
            assert found[place]
    assert found.any()


def test_nothing_is_said_where_no_sample_has_left():
    # All leave at the last step: nothing is known about those that would leave at the first.
    trace = ScoreTrace.dense(np.zeros((2, 2000, 2)), labels=np.zeros(2000))
    rule = EntropyExit(0.5)
    assert passes(exit_curve(trace, ExitPath((rule,))), 0.01, 0.95).all()
    assert not passes(exit_curve(trace, ExitPath((rule,))), 0.01, 0.95, conditional=True).any()
    assert passes(exit_curve(trace, ExitPath((rule.never(),))), 0.01, 0.95, conditional=True).all()


def share_of_bad_rules_kept(form, delta, p10, p01, eps=0.05, n=4_000, n_draws=20_000):
    """Share of calibration sets on which the second or third rule, both beyond the bound, is kept; and any at all."""
    rng = np.random.default_rng(0)
    harmed, helped = rng.binomial(n, p10, (n_draws, 3)), rng.binomial(n, p01, (n_draws, 3))
    kept = np.array([last_passed(row) for row in rules_out(harmed, helped, n, eps, delta, form)])
    assert (kept >= 0).mean() > 0.3  # the promise is not kept by never stopping
    return (kept >= 1).mean()


@pytest.mark.parametrize(("form", "used"), [("drop", 0.5), ("harm", 1.0)])
def test_the_promise_holds_for_a_population_whose_risk_lies_just_above(form, used):
    """Of all calibration sets at most a share delta lets a bad rule pass, and twice the level would show."""
    delta, p10 = 0.1, [0.02, 0.05001, 0.2]
    # Where none is helped the lower bound is 0, and the drop spends only its first half of delta.
    allowed = used * delta + 3 * math.sqrt(used * delta / 20_000)
    assert share_of_bad_rules_kept(form, delta, p10, [0, 0, 0]) <= allowed
    assert share_of_bad_rules_kept(form, 2 * delta, p10, [0, 0, 0]) > allowed


def test_the_promise_about_the_drop_holds_where_early_answers_also_help():
    found = share_of_bad_rules_kept("drop", 0.1, [0.03, 0.08001, 0.2], [0.02, 0.03, 0.03])
    assert found <= 0.1 + 3 * math.sqrt(0.1 / 20_000)


def test_certificates_survive_json_and_are_void_elsewhere():
    found = certify(trace_of(0), max_drop=0.02, identity={"model": "a1", "precision": "float32", "data": "d0"})
    again = Certificate.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found
    again.check({"model": "a1", "precision": "float32", "data": "d1", "platform": "any"})
    with pytest.raises(DataError, match="void: its precision is float32, and that in use is unknown"):
        again.check({"model": "a1"})
    with pytest.raises(DataError, match="does not say what it was found on"):
        certify(trace_of(0), max_drop=0.02).check({"model": "a1"})
    with pytest.raises(DataError, match="void: its precision is float32, and that in use is bfloat16"):
        again.check({"model": "a1", "precision": "bfloat16"})
    changes = (
        {"kind": "rumour"}, {"rule": {"kind": "never"}}, {"rule": "entropy"}, {"max_drop": "x"}, {"confidence": None},
        {"n_samples": -1}, {"identity": ["a"]}, {"form": "loss"}, {"more": 1},
    )  # fmt: skip
    for wrong in ({}, *({**found.to_dict(), **change} for change in changes)):
        with pytest.raises(DataError, match="certificate has a missing"):
            Certificate.from_dict(wrong)


def test_bad_requests_are_named():
    trace = trace_of(0)
    for wrong in ({"max_drop": 0.0}, {"max_drop": 0.1, "confidence": 1.0}, {"max_drop": 0.1, "form": "loss"}):
        with pytest.raises(ParameterError, match=list(wrong)[-1]):
            certify(trace, **wrong)
    with pytest.raises(ParameterError, match="n_steps must lie in 2"):
        ExitPath.enabling(ConfidenceExit(0.9), 1)
