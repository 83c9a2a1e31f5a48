import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.errors import ParameterError
from spikewise.learn.stdp.rules.base import (
    RULES,
    CompetingNeurons,
    lean_defaults,
    resolve_rule,
    rule_from_dict,
    rule_to_dict,
    spread_of,
)


@given(st.integers(1, 10_000), st.integers(1, 100_000))
def test_schedules_fall_from_first_to_last(n_neurons, n_total):
    rule = lean_defaults(n_neurons)
    eta, rise = rule.schedule(range(min(n_total, 1000)), n_total)
    assert (np.diff(eta) <= 0).all()
    assert (np.diff(rise) <= 0).all()
    assert eta[0] == pytest.approx(rule.eta[0])


def test_a_schedule_in_pieces_is_the_schedule():
    rule = lean_defaults(400)
    whole = rule.schedule(range(90), 100)
    for values, first, second in zip(
        whole, rule.schedule(range(40), 100), rule.schedule(range(40, 90), 100), strict=True
    ):
        np.testing.assert_array_equal(values, np.concatenate([first, second]))


def test_fewer_samples_raise_thresholds_in_larger_steps():
    rule = lean_defaults(100)
    few, many = (rule.schedule(range(n), n)[1].sum() for n in (600, 6000))
    assert few == pytest.approx(many, rel=0.01)


@given(st.integers(1, 65535), st.integers(1, 500), st.integers(1, 500))
def test_the_spread_of_equal_inputs_is_the_root_of_their_number(share, n_lit, n_dark):
    shares = np.array([[share] * n_lit + [0] * n_dark], np.uint16)
    assert spread_of(shares) == pytest.approx(np.sqrt(n_lit) / 10.7)


def test_dark_samples_do_not_count():
    assert spread_of(np.array([[9, 9, 9, 9], [0, 0, 0, 0]], np.uint16)) == pytest.approx(2 / 10.7)
    assert spread_of(np.zeros((2, 3), np.uint16)) == 1.0


def test_inhibition_while_learning_exceeds_the_threshold():
    neurons = CompetingNeurons()
    learning, frozen = neurons.constants(neurons.w_inhibit_learning), neurons.constants(100.0)
    assert learning.w_inhibit > frozen.w_inhibit > neurons.v_threshold * 64
    assert learning.v_floor >= -(2**15)
    assert learning.leak / 65536 == pytest.approx(1 - learning.decay, abs=1e-5)


def test_a_network_without_neurons_is_refused():
    with pytest.raises(ParameterError, match="at least 1"):
        lean_defaults(0)


def test_a_stream_beyond_its_end_keeps_the_last_rates():
    eta, rise = lean_defaults(100).schedule(range(90, 300), 100)
    assert (eta[10:] == eta[9]).all()
    assert (rise[10:] == rise[9]).all()


@pytest.mark.parametrize("name", RULES)
def test_rules_survive_a_file(name):
    rule = resolve_rule(name, 400)
    again = rule_from_dict(json.loads(json.dumps(rule_to_dict(rule))))
    assert again == rule
    assert resolve_rule(again, 7) is again


def test_rules_of_another_kind_are_refused():
    with pytest.raises(ParameterError, match="rule"):
        resolve_rule("leen", 100)
    with pytest.raises(ParameterError, match="rule object"):
        resolve_rule(3.5, 100)


@pytest.mark.parametrize(
    "changes", [{"tau_mem": 1.0}, {"n_refractory": 40_000}, {"threshold_share": 0.0}, {"v_threshold": 600.0}]
)
def test_neurons_that_16_bits_cannot_hold_are_refused(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        CompetingNeurons(**changes)
