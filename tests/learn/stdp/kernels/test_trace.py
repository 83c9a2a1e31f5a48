"""The compiled event-driven kernels of traces against the clock-driven NumPy oracle, bit for bit."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.learn.stdp.engines.base import Settings
from spikewise.learn.stdp.engines.trace import TraceEngine
from spikewise.learn.stdp.kernels import lean, trace, trace_layer
from spikewise.learn.stdp.kernels.respond import ENTROPY, NEVER_EXIT, ExitConstants
from spikewise.learn.stdp.rules.lean import CompetingNeurons, spread_of
from spikewise.learn.stdp.rules.trace import POWERS, TraceRule
from spikewise.spikes.streams import content_keys, spike_shares, spike_stream, stream_key, stream_spikes

ORACLE = Path(__file__).parents[3] / "oracles" / "trace.py"
spec = importlib.util.spec_from_file_location("oracle_trace", ORACLE)
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)

N_INPUTS, N_NEURONS, N_STEPS = 20, 9, 45
LEAVES = ExitConstants(ENTROPY, True, 1.0, 0.9)
PRECISIONS = st.sampled_from(
    [(None, "nearest"), (8, "stochastic"), (8, "nearest"), (6, "truncate"), (4, "stochastic"), (1, "stochastic")]
)
NEURONS = st.builds(
    CompetingNeurons,
    tau_mem=st.just(50.0),
    v_threshold=st.sampled_from([2.0, 9.0]),
    n_refractory=st.sampled_from([2, 5]),
    w_inhibit_learning=st.sampled_from([1.5, 120.0]),
    w_inhibit=st.sampled_from([2.5, 60.0, None]),
)
RULES = st.builds(
    TraceRule,
    nu_post=st.sampled_from([0.01, 0.3]),
    nu_pre=st.sampled_from([0.0, 1e-3, 0.1]),
    theta_plus=st.sampled_from([0.05, 1.0]),
    mu=st.sampled_from(POWERS),
    updates=st.sampled_from(["spike", "window"]),
    window=st.sampled_from([7, 15, 200]),
    spikes_per_strength=st.sampled_from([None, 1, 3]),
    inhibition=st.sampled_from(["neurons", "direct"]),
    neurons=NEURONS,
    tau_theta=st.just(1e4),
    events_per_step=st.sampled_from([1.0, 4.0]),
)


def samples(seed, n=3):
    """Shares (n, n_inputs) of random images; one of them is empty."""
    images = np.random.default_rng(seed).random((n, N_INPUTS)) ** 3
    images[seed % n] = 0
    return spike_shares(images)


def engine_of(rule, seed=0, n_bits=None, rounding="stochastic", n_steps=N_STEPS):
    return TraceEngine(rule, Settings(N_INPUTS, N_NEURONS, n_steps, n_bits, rounding, np.uint64(seed)))


def train_of(shares, key, rule, n_steps=N_STEPS):
    """Inputs that fire at each step and the events behind them, as the compiled encoder draws them."""
    stream = spike_stream(rule.events_per_step, N_INPUTS, n_steps)
    if stream_spikes(stream, shares[None], 0, np.uint64(key)) == 0:
        return [], []
    return [stream.spikes[stream.ends[t] : stream.ends[t + 1]] for t in range(n_steps)], np.diff(stream.drawn).tolist()


def oracle_of(engine, lateral="matrix"):
    return oracle.Network(engine.weights, engine.theta, engine.rule, engine.settings, engine.norm, lateral)


def learn_slowly(slow, shares, first, seed):
    for i, row in enumerate(shares):
        key = int(stream_key(np.uint64(seed), np.uint64(first + i)))
        slow.learn(*train_of(row, key, slow.rule, slow.settings.n_steps), key)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), RULES, PRECISIONS)
def test_learning_equals_the_clock_driven_oracle_bit_for_bit(seed, rule, precision):
    shares, engine = samples(seed), engine_of(rule, seed, *precision)
    engine.prepare(spread_of(shares))
    slow = oracle_of(engine)
    engine.learn(shares, range(7, 7 + len(shares)), n_total=100)
    learn_slowly(slow, shares, 7, seed)
    np.testing.assert_array_equal(engine.weights, slow.weights)
    np.testing.assert_array_equal(engine.theta, slow.theta)
    for name, count in slow.events.items():
        assert getattr(engine.events, name) == count, name
    assert engine.n_fired.sum() == engine.events.out_spikes


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), RULES, PRECISIONS)
def test_responses_equal_the_oracle(seed, rule, precision):
    shares, engine = samples(seed), engine_of(rule, seed, *precision)
    engine.prepare(spread_of(shares))
    evidence = np.log(np.random.default_rng(seed).random((3, N_NEURONS)))
    found, slow = engine.respond(shares, evidence, NEVER_EXIT), oracle_of(engine)
    for i, (row, key) in enumerate(zip(shares, content_keys(shares, np.uint64(seed)), strict=True)):
        train, n_events = train_of(row, key, rule)
        winners = slow.respond(train or [[]] * N_STEPS, n_events or [0] * N_STEPS)
        own = found.samples == i
        np.testing.assert_array_equal(found.steps[own] - 1, np.flatnonzero(winners >= 0))
        np.testing.assert_array_equal(found.neurons[own], winners[winners >= 0])
        np.testing.assert_allclose(found.scores[i], evidence[:, winners[winners >= 0]].sum(1), atol=1e-9)
    for name, count in slow.events.items():
        assert getattr(found.events, name) == count, name
    assert found.out_spikes.sum() == len(found.steps)


def test_many_neurons_of_the_inhibitory_layer_stay_in_step_with_their_partners():
    # The kernels leave the inhibitory layer out, because each of its spikes follows one excitatory spike.
    rule = TraceRule(
        nu_post=0.01, theta_plus=0.01, neurons=CompetingNeurons(v_threshold=3.0, n_refractory=2, w_inhibit=100.0)
    )
    engine = engine_of(rule)
    shares = samples(3, 10)
    engine.prepare(spread_of(shares))
    slow = oracle_of(engine)
    learn_slowly(slow, shares, 0, 0)
    assert slow.events["inhibitory_spikes"] == slow.events["out_spikes"] > 50


@pytest.mark.parametrize("n_bits", [None, 4])
@pytest.mark.parametrize("updates", ["spike", "window"])
def test_whole_loops_give_the_same_as_plain_python(n_bits, updates, monkeypatch):
    rule = TraceRule(
        nu_post=0.1, nu_pre=0.01, theta_plus=0.1, mu=0.25, updates=updates, window=20, spikes_per_strength=2,
        events_per_step=3.0,
    )  # fmt: skip
    shares, runs = samples(9), []
    for plain in (False, True):
        engine = engine_of(rule, 9, n_bits, n_steps=40)
        engine.prepare(spread_of(shares))
        if plain:
            for module in (trace, trace_layer):
                for name, function in vars(module).copy().items():
                    if getattr(function, "__module__", None) == module.__name__ and hasattr(function, "py_func"):
                        monkeypatch.setattr(module, name, function.py_func)
        with np.errstate(over="ignore"):  # hashes wrap around
            engine.learn(shares, range(len(shares)), n_total=10)
            found = engine.respond(shares, np.log(np.random.default_rng(0).random((3, N_NEURONS))), LEAVES)
        runs.append((engine.weights, engine.theta, found.neurons, found.steps, found.exit_steps, found.scores))
    assert len(runs[0][2]) > 0
    for compiled, interpreted in zip(*runs, strict=True):
        np.testing.assert_array_equal(compiled, interpreted)


def constants(n_bits=None, rounding=lean.STOCHASTIC, **rule):
    return TraceRule(**{"nu_post": 0.1, "theta_plus": 0.1, **rule}).constants(N_STEPS, n_bits, rounding, 5.0)


@pytest.mark.parametrize("n_bits", [None, 8, 3])
def test_normalised_weights_have_the_sum_of_the_rule(n_bits):
    weights = np.random.default_rng(0).random((N_INPUTS, 2)).astype(np.float32)
    trace.normalise(weights, 0, constants(n_bits), np.uint64(5))
    # Stochastic rounding of n numbers errs by less than sqrt(n) / 2 steps, four standard deviations of it.
    error = 1e-5 if n_bits is None else 2 * np.sqrt(N_INPUTS) * 2.0**-n_bits
    assert weights[:, 0].sum() == pytest.approx(5.0, abs=error)


def test_stochastic_rounding_of_a_small_gain_keeps_the_mean():
    weights, rates = np.full((20_000, 1), 0.5, np.float32), np.full(20_000, 1, np.float32)
    trace.potentiate(weights, 0, rates, np.float32(0.64 / 256), constants(8), np.uint64(3))
    moved = (weights - 0.5) * 256
    assert set(np.unique(moved)) == {0, 1}
    # Standard error sqrt(0.64 * 0.36 / 20000) = 0.0034; four of them.
    assert moved.mean() == pytest.approx(0.64, abs=0.014)
    trace.potentiate(weights, 0, rates, np.float32(0.2 / 256), constants(8, lean.TRUNCATE), np.uint64(3))
    assert set(np.unique((weights - 0.5) * 256)) == {0, 1}


@given(st.integers(0, 10_000), RULES, PRECISIONS)
@settings(max_examples=20, deadline=None)
def test_weights_stay_in_range_and_on_their_grid(seed, rule, precision):
    shares, engine = samples(seed, 8), engine_of(rule, seed, *precision)
    engine.prepare(spread_of(shares))
    engine.learn(shares, range(len(shares)), n_total=100)
    n_levels = 2 ** (precision[0] or 0)
    assert engine.weights.min() >= 0
    assert engine.weights.max() <= (1 if precision[0] is None else 1 - 1 / n_levels)
    if precision[0] is not None:
        assert (engine.weights * n_levels % 1 == 0).all()
