import json
import warnings

import numpy as np
import pytest

from spikewise.dynamic import DriftMonitor, EntropyExit, ExitProfile, ExitResult, ScoreTrace, replay_exit
from spikewise.dynamic.monitor import DriftWarning
from spikewise.errors import DataError, ParameterError, ShapeError

RULE = EntropyExit(0.4)


def scores(seed, n, strength=3.0, n_steps=4, n_classes=5):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(n_steps, n, n_classes))
    outputs[:, np.arange(n), rng.integers(n_classes, size=n)] += rng.gamma(2.0, strength / 2, n)
    return ScoreTrace.dense(outputs.cumsum(0))


def exits(trace):
    """Steps and uncertainties at leaving, one sample after the other."""
    steps, _ = replay_exit(trace, RULE)
    by_step = np.array([RULE.uncertainty(values, step) for step, values in enumerate(trace.steps(), 1)])
    return steps, by_step[steps - 1, np.arange(trace.n_samples)]


def monitor(**more):
    return DriftMonitor(ExitProfile.of(scores(0, 4000), RULE), RULE, **more)


def test_the_profile_is_what_a_replay_finds():
    trace = scores(0, 500)
    profile, (steps, uncertainties) = ExitProfile.of(trace, RULE), exits(trace)
    np.testing.assert_array_equal(profile.histogram, np.bincount(steps - 1, minlength=4))
    np.testing.assert_array_equal(profile.uncertainties, np.sort(uncertainties))
    again = ExitProfile.from_dict(json.loads(json.dumps(profile.to_dict())))
    np.testing.assert_array_equal(again.uncertainties, profile.uncertainties)


@pytest.mark.parametrize("window", [50, 400])
def test_unchanged_inputs_raise_few_alarms(window):
    steps, uncertainties = exits(scores(1, 400 * window))
    found = monitor(window=window, false_alarms=0.05).see(steps, uncertainties)
    # 400 windows at 5 % would raise 20; three standard errors are 13.
    assert len({drift.first for drift in found}) <= 33


def test_changed_inputs_are_noticed_in_the_first_window():
    found = monitor().see(*exits(scores(2, 500, strength=2.0)))
    assert {drift.what for drift in found} == {"exit steps", "uncertainty"}
    assert all((drift.first, drift.last) == (1, 500) for drift in found)
    assert found[0].found > found[0].expected
    assert "are not like those the threshold was chosen on" in str(found[0])


def test_it_makes_no_difference_in_which_pieces_answers_come():
    steps, uncertainties = exits(scores(3, 1700, strength=2.3))
    whole, pieces = monitor(window=300), monitor(window=300)
    expected = whole.see(steps, uncertainties)
    found = [
        drift for part in np.array_split(np.arange(1700), 23) for drift in pieces.see(steps[part], uncertainties[part])
    ]
    assert found == expected
    assert expected
    assert whole.n_seen == pieces.n_seen == 1500


def test_answers_of_a_network_are_watched_with_a_warning():
    trace = scores(4, 500, strength=1.5)
    steps, classes = replay_exit(trace, RULE)
    by_step = np.array([values.copy() for values in trace.steps()])
    result = ExitResult(classes, steps, by_step[steps - 1, np.arange(500)], 4, 0.0)
    with pytest.warns(DriftWarning, match="mean exit step"):
        found = monitor().watch(result)
    assert found == monitor().see(*exits(trace))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calm = scores(0, 4000)
        steps, _ = replay_exit(calm, RULE)
        values = np.array([each.copy() for each in calm.steps()])[steps - 1, np.arange(4000)]
        assert monitor(window=4000).watch(ExitResult(values.argmax(1), steps, values, 4, 0.0)) == []


def test_long_runs_with_rare_steps_are_compared_in_groups():
    rng = np.random.default_rng(5)
    steps = rng.geometric(0.02, 5000).clip(max=350)
    profile = ExitProfile.from_exits(steps, rng.random(5000), 350)
    watch = DriftMonitor(profile, RULE, window=200, false_alarms=0.01)
    assert len(watch.see(rng.geometric(0.02, 20_000).clip(max=350), rng.random(20_000))) <= 5
    assert watch.see(rng.geometric(0.03, 200).clip(max=350), rng.random(200))[0].what == "exit steps"


def test_bad_input_is_named():
    with pytest.raises(ParameterError, match="false_alarms"):
        monitor(false_alarms=0.0)
    with pytest.raises(ParameterError, match="window"):
        monitor(window=3)
    with pytest.raises(ParameterError, match=r"1\.\.4; got 0\.\.5"):
        monitor().see(np.array([0, 5]), np.zeros(2))
    with pytest.raises(ShapeError, match="steps and uncertainties"):
        monitor().see(np.array([1, 2]), np.zeros(3))
    with pytest.raises(ParameterError, match="uncertainties must be finite"):
        monitor().see(np.array([1]), np.array([np.nan]))
    with pytest.raises(ShapeError, match="one value per sample"):
        ExitProfile.from_exits(np.zeros(0, int), np.zeros(0), 4)
    for wrong in ({}, {"histogram": [0, 0], "doubts": [0.1]}, {"histogram": "x", "doubts": []}):
        with pytest.raises(DataError, match="exit profile"):
            ExitProfile.from_dict(wrong)
