"""The engine of the rules of traces: exit, resumption, data of any kind, and counted operations."""

import importlib.util
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.dynamic import ConfidenceExit, EntropyExit, MarginExit
from spikewise.errors import ParameterError, ShapeError
from spikewise.learn.stdp.engines.base import Settings
from spikewise.learn.stdp.engines.trace import TraceEngine
from spikewise.learn.stdp.kernels.respond import NEVER_EXIT
from spikewise.learn.stdp.responses import compiled_rule
from spikewise.learn.stdp.rules.lean import CompetingNeurons, spread_of
from spikewise.learn.stdp.rules.trace import TraceRule, diehl_cook_defaults, fspinn_defaults
from spikewise.spikes.streams import content_keys, spike_shares, spike_stream, stream_key, stream_spikes
from spikewise.workload.operations import Operations

ORACLE = Path(__file__).parents[3] / "oracles" / "trace.py"
spec = importlib.util.spec_from_file_location("oracle_trace_counts", ORACLE)
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)

N_INPUTS, N_NEURONS, N_STEPS = 20, 9, 45
SWITCHES = ("direct_inhibition", "timestep_updates", "simple_rule", "adaptive_potentiation", "effective_inhibition")
RULES = [
    diehl_cook_defaults(N_NEURONS),
    fspinn_defaults(N_NEURONS),
    *(fspinn_defaults(N_NEURONS, **{name: False}) for name in SWITCHES),
    fspinn_defaults(N_NEURONS, **dict.fromkeys(SWITCHES, False)),
    TraceRule(nu_post=0.1, nu_pre=0.01, theta_plus=0.1, mu=0.25, updates="window", window=10, spikes_per_strength=1),
]
EXIT_RULES = st.builds(
    lambda rule, *settings: rule.at(*settings),
    st.sampled_from([EntropyExit, ConfidenceExit, MarginExit]),
    st.floats(0.01, 1.1),
    st.sampled_from(["sum", "mean"]),
    st.sampled_from([1.0, 0.5, 2.0]),
)
PRECISIONS = [(None, "stochastic"), (8, "stochastic"), (4, "truncate")]


def awake(rule):
    """The rule with neurons that fire often enough within a few steps."""
    neurons = replace(rule.neurons, v_threshold=2.0)
    return replace(rule, neurons=neurons, theta_plus=0.1, events_per_step=4.0, tau_theta=1e4)


def samples(seed, n=4):
    images = np.random.default_rng(seed).random((n, N_INPUTS)) ** 3
    images[seed % n] = 0
    return spike_shares(images)


def engine_of(rule, n_bits=None, rounding="stochastic", seed=0, n_steps=N_STEPS):
    engine = TraceEngine(rule, Settings(N_INPUTS, N_NEURONS, n_steps, n_bits, rounding, np.uint64(seed)))
    engine.prepare(spread_of(samples(0)))
    return engine


def train_of(shares, key, rule):
    stream = spike_stream(rule.events_per_step, N_INPUTS, N_STEPS)
    if stream_spikes(stream, shares[None], 0, np.uint64(key)) == 0:
        return [], []
    return [stream.spikes[stream.ends[t] : stream.ends[t + 1]] for t in range(N_STEPS)], np.diff(stream.drawn).tolist()


def assert_counts_equal(operations, counted, n_samples):
    assert {name for name, o in operations.items() if o != Operations()} == {n for n, c in counted.items() if +c}
    for name, found in operations.items():
        for field in fields(found):
            assert getattr(found, field.name) * n_samples == pytest.approx(counted[name][field.name]), (
                name,
                field.name,
            )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("n_bits", "rounding"), PRECISIONS)
@pytest.mark.parametrize("lateral", ["matrix", "broadcast", None])
def test_operations_of_learning_equal_those_of_an_instrumented_oracle(rule, n_bits, rounding, lateral):
    engine, shares = engine_of(awake(rule), n_bits, rounding), samples(2)
    own = "matrix" if rule.inhibition == "neurons" else "broadcast"
    slow = oracle.Network(engine.weights, engine.theta, engine.rule, engine.settings, engine.norm, lateral or own)
    engine.learn(shares, range(len(shares)), n_total=10)
    for i, row in enumerate(shares):
        key = stream_key(np.uint64(0), np.uint64(i))
        slow.learn(*train_of(row, key, engine.rule), key)
    operations = engine.operations(engine.events, is_learning=True, lateral=lateral)
    assert_counts_equal(operations, slow.counts, len(shares))
    assert engine.events.out_spikes > 3


@pytest.mark.parametrize("rule", RULES[:2])
@pytest.mark.parametrize("lateral", ["matrix", "broadcast", None])
def test_operations_of_answering_equal_those_of_an_instrumented_oracle(rule, lateral):
    engine, shares = engine_of(awake(rule)), samples(2)
    own = "matrix" if rule.inhibition == "neurons" else "broadcast"
    slow = oracle.Network(engine.weights, engine.theta, engine.rule, engine.settings, engine.norm, lateral or own)
    found = engine.respond(shares, np.zeros((1, N_NEURONS)), NEVER_EXIT)
    for row, key in zip(shares, content_keys(shares, np.uint64(0)), strict=True):
        train, n_events = train_of(row, key, engine.rule)
        slow.respond(train or [[]] * N_STEPS, n_events or [0] * N_STEPS)
    assert_counts_equal(engine.operations(found.events, is_learning=False, lateral=lateral), slow.counts, len(shares))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), EXIT_RULES, st.sampled_from(RULES[:2]))
def test_a_sample_leaves_where_the_rule_says(seed, exit_rule, rule):
    engine, shares = engine_of(awake(rule), seed=seed), samples(seed)
    evidence = 2 * np.log(np.random.default_rng(seed).random((3, N_NEURONS)))
    full = engine.respond(shares, evidence, NEVER_EXIT)
    stopped = engine.respond(shares, evidence, compiled_rule(exit_rule, len(evidence)))
    for i in range(len(shares)):
        score, expected, own = np.zeros(3), N_STEPS, full.samples == i
        for step in range(1, N_STEPS + 1):
            score += evidence[:, full.neurons[own & (full.steps == step)]].sum(1)
            if exit_rule.ready(score[None], step)[0]:
                expected = step
                break
        assert stopped.exit_steps[i] == expected
        kept = own & (full.steps <= expected)
        np.testing.assert_array_equal(stopped.neurons[stopped.samples == i], full.neurons[kept])
        np.testing.assert_array_equal(stopped.steps[stopped.samples == i], full.steps[kept])
    assert stopped.events.n_steps == stopped.exit_steps.sum()
    assert stopped.events.in_spikes <= full.events.in_spikes


@pytest.mark.parametrize("rule", RULES[:2])
@pytest.mark.parametrize("n_bits", [None, 8])
def test_a_run_in_pieces_with_saving_between_them_equals_the_whole_run(rule, n_bits):
    shares = samples(1, 10)
    whole = engine_of(awake(rule), n_bits)
    whole.learn(shares, range(10), n_total=10)
    first, second = engine_of(awake(rule), n_bits), TraceEngine(whole.rule, whole.settings)
    first.learn(shares[:4], range(4), n_total=10)
    second.restore({name: array.copy() for name, array in first.arrays().items()})
    second.learn(shares[4:], range(4, 10), n_total=10)
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(second.arrays()[name], array)
    assert first.events.in_spikes + second.events.in_spikes == whole.events.in_spikes


def test_answers_depend_on_the_content_of_a_row_alone():
    engine, shares = engine_of(awake(RULES[1])), samples(3, 8)
    there = engine.respond(shares, np.zeros((1, N_NEURONS)), NEVER_EXIT)
    back = engine.respond(shares[::-1], np.zeros((1, N_NEURONS)), NEVER_EXIT)
    for i in range(8):
        np.testing.assert_array_equal(there.neurons[there.samples == i], back.neurons[back.samples == 7 - i])


def test_seeds_give_different_networks_and_equal_seeds_equal_ones():
    first, second, other = (engine_of(RULES[0], 4, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.weights, second.weights)
    assert (first.weights != other.weights).any()


def test_the_sum_of_weights_follows_the_number_of_inputs_that_share_the_intensity():
    rule = diehl_cook_defaults(N_NEURONS)
    dense, sparse = np.full((1, N_INPUTS), 9, np.uint16), np.zeros((1, N_INPUTS), np.uint16)
    sparse[0, :5] = 9
    sums = []
    for shares in (dense, sparse):
        engine = TraceEngine(rule, Settings(N_INPUTS, N_NEURONS, n_bits=None))
        engine.prepare(spread_of(shares))
        sums.append(engine.norm)
    np.testing.assert_allclose(engine.weights.sum(0), engine.norm, rtol=1e-5)
    assert sums[0] == pytest.approx(4 * sums[1])


@pytest.mark.parametrize("n_bits", [1, 2])
def test_fresh_weights_of_few_bits_are_not_all_zero(n_bits):
    engine = engine_of(RULES[1], n_bits, "truncate")
    assert (engine.weights.sum(0) > 0).all()


def test_what_cannot_be_is_refused():
    with pytest.raises(ParameterError, match="batch_size must be 1"):
        TraceEngine(RULES[0], Settings(N_INPUTS, N_NEURONS, batch_size=2))
    arrays = engine_of(RULES[0]).arrays()
    with pytest.raises(ShapeError, match="must have shape"):
        TraceEngine(RULES[0], Settings(N_INPUTS, N_NEURONS + 1)).restore(arrays)


@pytest.mark.parametrize(
    "changes",
    [
        {"nu_post": 2.0},
        {"nu_pre": -1.0},
        {"theta_plus": 0.0},
        {"norm": np.inf},
        {"mu": 0.2},
        {"updates": "never"},
        {"inhibition": "strong"},
        {"window": 0},
        {"n_rest": -1},
        {"spikes_per_strength": 0},
        {"neurons": CompetingNeurons(n_refractory=1, w_inhibit=100.0)},
    ],
)
def test_impossible_rules_are_refused(changes):
    with pytest.raises(ParameterError, match=next(iter(changes)).split("_")[0] + "|n_refractory"):
        replace(diehl_cook_defaults(N_NEURONS), **changes)


@pytest.mark.parametrize("n_neurons", [100, 400, 1600])
def test_fspinn_without_its_techniques_is_the_baseline(n_neurons):
    assert fspinn_defaults(n_neurons, **dict.fromkeys(SWITCHES, False)) == diehl_cook_defaults(n_neurons)
    for switch in SWITCHES:
        assert fspinn_defaults(n_neurons, **{switch: False}) != fspinn_defaults(n_neurons)
