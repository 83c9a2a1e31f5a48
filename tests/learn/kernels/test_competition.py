"""The compiled event-driven kernels against the clock-driven NumPy oracle, bit for bit."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.dynamic import EntropyExit, normalized_entropy
from spikewise.learn.kernels import competition
from spikewise.learn.rules import CompetingNeurons, lean_defaults
from spikewise.spikes.encode import (
    build_alias,
    content_keys,
    draw_step,
    event_counts,
    hashed_spikes,
    spike_shares,
    stream_key,
)

ORACLE = Path(__file__).parents[2] / "oracles" / "competition.py"
spec = importlib.util.spec_from_file_location("oracle_competition", ORACLE)
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)

N_INPUTS, N_NEURONS, N_STEPS = 20, 9, 60
SEED = np.uint64(12345)
COUNTS = event_counts(3.0)


def network(seed, n_padded=16):
    """Random weights, small shares so that neurons fire often, and padding that never fires."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((N_INPUTS, n_padded), np.float32)
    weights[:, :N_NEURONS] = rng.random((N_INPUTS, N_NEURONS), np.float32)
    gain = np.zeros(n_padded, np.float32)
    gain[:N_NEURONS] = 6 / np.sqrt((weights[:, :N_NEURONS] ** 2).sum(0))
    theta = np.full(n_padded, np.inf, np.float32)
    theta[:N_NEURONS] = rng.random(N_NEURONS) * 5
    return weights, gain, theta


def samples(seed, n=6):
    return spike_shares(np.random.default_rng(seed).random((n, N_INPUTS)) ** 3)


def train_of(shares, key, n_steps=N_STEPS):
    """Inputs that fire at each step, as the compiled encoder draws them."""
    events = hashed_spikes(shares, np.uint64(key), COUNTS, n_steps)
    return [events[events[:, 0] == step, 1] for step in range(n_steps)]


def run_learn(function, shares, weights, gain, theta, n_steps=N_STEPS):
    rule = lean_defaults(N_NEURONS)
    eta, rise = rule.schedule(0, len(shares), 1000)
    neuron = CompetingNeurons().constants(is_learning=True)
    return function(
        shares, 7, SEED, COUNTS, weights, gain, theta, neuron, eta, rise, rule.theta_keep(1000), rule.gain, n_steps
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_learning_equals_the_clock_driven_oracle_bit_for_bit(seed):
    shares = samples(seed)
    fast, slow = network(seed), network(seed)
    n_spikes, n_silent = run_learn(competition.learn, shares, *fast)
    rule = lean_defaults(N_NEURONS)
    eta, rise = rule.schedule(0, len(shares), 1000)
    neuron = CompetingNeurons().constants(is_learning=True)
    counts = [
        oracle.learn_sample(
            train_of(row, stream_key(SEED, np.uint64(7 + i))),
            *slow, neuron, eta[i], rise[i], rule.theta_keep(1000), rule.gain,
        )
        for i, row in enumerate(shares)
    ]  # fmt: skip
    for ours, theirs in zip(fast, slow, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert n_spikes == np.sum(counts)
    assert n_silent == sum(c.sum() == 0 for c in counts)
    assert n_spikes > 0


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 65535), min_size=1, max_size=12), st.integers(0, 2**64 - 1))
def test_spike_streams_equal_an_oracle_in_python_integers(shares, key):
    theirs = oracle.spikes(shares, key, COUNTS.tolist(), 20)
    ours = train_of(np.array(shares, np.uint16), key, 20)
    assert [row.tolist() for row in ours] == theirs


def test_stream_keys_equal_the_oracle():
    assert stream_key(SEED, np.uint64(3)) == oracle.stream_key(int(SEED), 3)


def respond(shares, net, evidence, kind=competition.EXIT_NEVER, bound=0.0, n_steps=N_STEPS):
    n = len(shares)
    out = {
        "fired": np.full((n, n_steps), -1, np.int32),
        "exit_step": np.empty(n, np.int32),
        "score": np.empty((n, len(evidence))),
        "in_spikes": np.zeros(n_steps, np.int64),
        "out_spikes": np.zeros(n_steps, np.int64),
    }
    neuron = CompetingNeurons().constants(is_learning=False)
    keys = content_keys(shares, SEED)
    competition.respond(shares, keys, COUNTS, *net, neuron, n_steps, evidence, kind, bound, *out.values())
    return out


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_responses_equal_the_oracle(seed):
    shares, net = samples(seed), network(seed)
    evidence = np.log(np.random.default_rng(seed).random((3, 16)))
    out = respond(shares, net, evidence)
    neuron = CompetingNeurons().constants(is_learning=False)
    for i, (row, key) in enumerate(zip(shares, content_keys(shares, SEED), strict=True)):
        fired = oracle.respond_sample(train_of(row, key), *net, neuron)
        np.testing.assert_array_equal(out["fired"][i], fired)
        np.testing.assert_allclose(out["score"][i], evidence[:, fired[fired >= 0]].sum(1), atol=1e-9)
    assert out["out_spikes"].sum() == (out["fired"] >= 0).sum() > 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, N_STEPS - 1))
def test_a_truncated_run_is_a_prefix_of_the_full_one(seed, n_steps):
    shares, net, evidence = samples(seed), network(seed), np.zeros((2, 16))
    full, short = respond(shares, net, evidence), respond(shares, net, evidence, n_steps=n_steps)
    np.testing.assert_array_equal(short["fired"], full["fired"][:, :n_steps])
    np.testing.assert_array_equal(short["in_spikes"], full["in_spikes"][:n_steps])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 1.1), st.sampled_from(["sum", "mean"]))
def test_the_kernel_stops_where_the_rule_says(seed, bound, accumulate):
    shares, net = samples(seed), network(seed)
    evidence = 2 * np.log(np.random.default_rng(seed).random((3, 16)))
    full = respond(shares, net, evidence)
    kind = competition.EXIT_ENTROPY_SUM if accumulate == "sum" else competition.EXIT_ENTROPY_MEAN
    stopped = respond(shares, net, evidence, kind, bound)
    rule = EntropyExit(bound, accumulate)
    for i in range(len(shares)):
        score, expected = np.zeros(3), N_STEPS
        for step in range(N_STEPS):
            if full["fired"][i, step] >= 0:
                score += evidence[:, full["fired"][i, step]]
            if rule.ready(score[None], step + 1)[0]:
                expected = step + 1
                break
        assert stopped["exit_step"][i] == expected
        np.testing.assert_array_equal(stopped["fired"][i, :expected], full["fired"][i, :expected])
        assert (stopped["fired"][i, expected:] == -1).all()


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6), st.floats(0.01, 2))
@settings(max_examples=50, deadline=None)
def test_compiled_entropy_equals_the_rule(scores, scale):
    array = np.array(scores)
    assert competition.entropy_of(array, scale) == pytest.approx(float(normalized_entropy(scale * array)), abs=1e-12)


def test_kernels_give_the_same_as_plain_python():
    # The python functions are the same source; run uncompiled they must give the same bits.
    row, drawn = samples(2)[0], []
    for build, draw in ((build_alias, draw_step), (build_alias.py_func, draw_step.py_func)):
        active, alias = np.zeros(N_INPUTS + 1, np.int32), np.zeros(N_INPUTS, np.int32)
        accept, last_step = np.zeros(N_INPUTS, np.uint32), np.full(N_INPUTS, -1, np.int32)
        fired = np.zeros(len(COUNTS), np.int32)
        with np.errstate(over="ignore"):  # hashes wrap around
            n_active = build(row, active, accept, alias)
            n_fired, _ = draw(np.uint64(5), 0, 0, COUNTS, active, accept, alias, n_active, last_step, fired)
        drawn.append((active, alias, accept, fired, n_active, n_fired))
    for compiled, plain in zip(*drawn, strict=True):
        np.testing.assert_array_equal(compiled, plain)

    neuron = CompetingNeurons().constants(is_learning=True)
    states = []
    for step_of in (competition.integrate, competition.integrate.py_func):
        net, v, rests, current = network(4), np.zeros(16, np.float32), np.zeros(16, np.int32), np.empty(16, np.float32)
        winners = [step_of(*net, neuron, fired, n_fired, v, rests, current, step) for step in range(40)]
        strength = np.float32(0.25)
        pull = competition.attract if step_of is competition.integrate else competition.attract.py_func
        pull(net[0], net[1], 3, np.linspace(0, 1, N_INPUTS, dtype=np.float32), strength, 6.0)
        states.append((winners, v, *net))
    for compiled, plain in zip(*states, strict=True):
        np.testing.assert_array_equal(compiled, plain)


def test_at_most_one_neuron_fires_per_step_and_then_rests():
    out = respond(samples(3, 20), network(3), np.zeros((2, 16)))
    n_refractory = CompetingNeurons().n_refractory
    for fired in out["fired"]:
        for neuron in range(N_NEURONS):
            assert (np.diff(np.flatnonzero(fired == neuron)) > n_refractory).all()


def test_a_silent_sample_moves_no_weight():
    weights, gain, theta = network(5)
    before = weights.copy()
    n_spikes, n_silent = run_learn(competition.learn, np.zeros((3, N_INPUTS), np.uint16), weights, gain, theta)
    assert (n_spikes, n_silent) == (0, 3)
    np.testing.assert_array_equal(weights, before)


def test_weights_stay_within_zero_and_one():
    net = network(6)
    run_learn(competition.learn, samples(6, 200), *net)
    assert (net[0] >= 0).all()
    assert (net[0] <= 1).all()


def test_whole_loops_give_the_same_as_plain_python():
    shares, runs = samples(9, 2), []
    for learn, respond_in in (
        (competition.learn, competition.respond),
        (competition.learn.py_func, competition.respond.py_func),
    ):
        net = network(9)
        spikes = run_learn(learn, shares, *net)
        out = [
            np.full((2, N_STEPS), -1, np.int32),
            np.zeros(2, np.int32),
            np.zeros((2, 3)),
            *(np.zeros(N_STEPS, np.int64) for _ in range(2)),
        ]
        neuron = CompetingNeurons().constants(is_learning=False)
        evidence = np.log(np.random.default_rng(0).random((3, 16)))
        keys = content_keys(shares, SEED)
        with np.errstate(over="ignore"):  # hashes wrap around
            respond_in(shares, keys, COUNTS, *net, neuron, N_STEPS, evidence, competition.EXIT_ENTROPY_MEAN, 0.9, *out)
        runs.append((*net, spikes, *out))
    for compiled, plain in zip(*runs, strict=True):
        np.testing.assert_array_equal(compiled, plain)
