"""The compiled event-driven kernels against the clock-driven NumPy oracle, bit for bit."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.dynamic import EntropyExit, normalized_entropy
from spikewise.learn.kernels import competition
from spikewise.learn.kernels.lanes import LANES, MAX_SPIKES
from spikewise.learn.rules import CompetingNeurons, LeanRule
from spikewise.spikes.encode import (
    content_keys,
    draw_step,
    event_counts,
    fill_slots,
    hashed_spikes,
    spike_shares,
    stream_key,
)

ORACLE = Path(__file__).parents[2] / "oracles" / "competition.py"
spec = importlib.util.spec_from_file_location("oracle_competition", ORACLE)
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)

N_INPUTS, N_NEURONS, N_STEPS, N_SLOTS = 20, 9, 60, 8192
SEED = np.uint64(12345)
COUNTS = event_counts(3.0)
RULE = LeanRule(eta=(0.3, 0.05), theta_plus=(0.05, 0.01))
PRECISIONS = st.sampled_from([8, 5, 1, None])
ROUNDINGS = st.sampled_from([competition.TRUNCATE, competition.NEAREST, competition.STOCHASTIC])


class Compiled:
    """The arrays of a network as the kernels take them; padding neurons never fire."""

    def __init__(self, seed, n_bits):
        rng = np.random.default_rng(seed)
        weights = np.zeros((N_INPUTS, LANES))
        weights[:, :N_NEURONS] = rng.random((N_INPUTS, N_NEURONS))
        if n_bits is None:
            self.weights, state = weights.astype(np.float32), np.float32
        else:
            grid = 2 ** (8 - n_bits)
            self.weights, state = (np.floor(weights * 256 / grid) * grid).astype(np.uint8), np.int16
        self.gain = np.zeros(LANES, np.float32 if n_bits is None else np.uint16)
        self.theta = np.zeros(LANES, np.float32)
        self.theta[:N_NEURONS] = rng.random(N_NEURONS) * 5
        self.threshold = np.full(LANES, competition.NEVER_REACHED, state)
        for j in range(N_NEURONS):
            competition.set_gain(self.weights, self.gain, j, RULE.gain)
            competition.set_threshold(self.threshold, self.theta, j, np.float32(30))

    def oracle(self, is_learning):
        neuron = CompetingNeurons().constants(is_learning)
        return oracle.Network(self.weights[:, :N_NEURONS], neuron, RULE.gain, self.theta[:N_NEURONS])


def samples(seed, n=6):
    return spike_shares(np.random.default_rng(seed).random((n, N_INPUTS)) ** 3)


def train_of(shares, key, n_steps=N_STEPS):
    """Inputs that fire at each step, as the compiled encoder draws them."""
    events = hashed_spikes(shares, np.uint64(key), COUNTS, N_SLOTS, n_steps, MAX_SPIKES)
    return [events[events[:, 0] == step, 1] for step in range(n_steps)]


def constants(n_bits=8, rounding=competition.STOCHASTIC, stops=False):
    rule = LeanRule(RULE.eta, RULE.theta_plus, stops_at_first_spike=stops)
    return rule.constants(1000, N_NEURONS, n_bits or 0, rounding)


def run_learn(function, shares, net, rule):
    eta, rise = RULE.schedule(0, len(shares), 1000)
    neuron = CompetingNeurons().constants(is_learning=True)
    return function(
        shares, 7, SEED, COUNTS, N_SLOTS, net.weights, net.gain, net.theta, net.threshold, neuron,
        eta, rise, rule, N_STEPS,
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), PRECISIONS, ROUNDINGS, st.booleans())
def test_learning_equals_the_clock_driven_oracle_bit_for_bit(seed, n_bits, rounding, stops):
    shares, net, rule = samples(seed), Compiled(seed, n_bits), constants(n_bits, rounding, stops)
    slow = net.oracle(is_learning=True)
    n_spikes, n_silent, n_computed = run_learn(competition.learn, shares, net, rule)
    eta, rise = RULE.schedule(0, len(shares), 1000)
    counts = []
    for i, row in enumerate(shares):
        key = int(stream_key(SEED, np.uint64(7 + i)))
        counts.append(slow.learn(train_of(row, key), eta[i], rise[i], rule, key))
    np.testing.assert_array_equal(net.weights[:, :N_NEURONS], slow.weights)
    np.testing.assert_array_equal(net.gain[:N_NEURONS], slow.gain)
    np.testing.assert_array_equal(net.theta[:N_NEURONS], slow.theta)
    np.testing.assert_array_equal(net.threshold[:N_NEURONS], slow.threshold)
    assert n_spikes == np.sum(counts) > 0
    assert n_silent == sum(c.sum() == 0 for c in counts)
    assert n_computed <= len(shares) * N_STEPS
    if stops:
        assert n_spikes + n_silent == len(shares)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 65535), min_size=1, max_size=12), st.integers(0, 2**64 - 1))
def test_spike_streams_equal_an_oracle_in_python_integers(shares, key):
    theirs = oracle.spikes(shares, key, COUNTS.tolist(), N_SLOTS, 20, MAX_SPIKES)
    ours = train_of(np.array(shares, np.uint16), key, 20)
    assert [row.tolist() for row in ours] == theirs


def test_stream_keys_equal_the_oracle():
    assert stream_key(SEED, np.uint64(3)) == oracle.stream_key(int(SEED), 3)


def respond(shares, net, evidence, kind=competition.EXIT_NEVER, bound=0.0, n_steps=N_STEPS, function=None):
    n = len(shares)
    out = {
        "fired": np.full((n, n_steps), -1, np.int32),
        "exit_step": np.empty(n, np.int32),
        "score": np.empty((n, len(evidence))),
        "in_spikes": np.zeros(n_steps, np.int64),
        "out_spikes": np.zeros(n_steps, np.int64),
    }
    neuron = CompetingNeurons().constants(is_learning=False)
    (function or competition.respond)(
        shares, content_keys(shares, SEED), COUNTS, N_SLOTS, net.weights, net.gain, net.threshold, neuron, n_steps,
        evidence, kind, bound, *out.values(),
    )  # fmt: skip
    return out


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), PRECISIONS)
def test_responses_equal_the_oracle(seed, n_bits):
    shares, net = samples(seed), Compiled(seed, n_bits)
    evidence = np.log(np.random.default_rng(seed).random((3, LANES)))
    out = respond(shares, net, evidence)
    slow = net.oracle(is_learning=False)
    for i, (row, key) in enumerate(zip(shares, content_keys(shares, SEED), strict=True)):
        fired = slow.respond(train_of(row, key))
        np.testing.assert_array_equal(out["fired"][i], fired)
        np.testing.assert_allclose(out["score"][i], evidence[:, fired[fired >= 0]].sum(1), atol=1e-9)
    assert out["out_spikes"].sum() == (out["fired"] >= 0).sum() > 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, N_STEPS - 1), PRECISIONS)
def test_a_truncated_run_is_a_prefix_of_the_full_one(seed, n_steps, n_bits):
    shares, net, evidence = samples(seed), Compiled(seed, n_bits), np.zeros((2, LANES))
    full, short = respond(shares, net, evidence), respond(shares, net, evidence, n_steps=n_steps)
    np.testing.assert_array_equal(short["fired"], full["fired"][:, :n_steps])
    np.testing.assert_array_equal(short["in_spikes"], full["in_spikes"][:n_steps])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 1.1), st.sampled_from(["sum", "mean"]), PRECISIONS)
def test_the_kernel_stops_where_the_rule_says(seed, bound, accumulate, n_bits):
    shares, net = samples(seed), Compiled(seed, n_bits)
    evidence = 2 * np.log(np.random.default_rng(seed).random((3, LANES)))
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


def test_drawing_gives_the_same_as_plain_python():
    # The python functions are the same source; run uncompiled they must give the same bits.
    row, drawn = samples(2)[0], []
    for fill, draw in ((fill_slots, draw_step), (fill_slots.py_func, draw_step.py_func)):
        slots, last_step = np.zeros(512, np.int32), np.full(N_INPUTS, -1, np.int32)
        fired = np.zeros(MAX_SPIKES, np.int32)
        with np.errstate(over="ignore"):  # hashes wrap around
            assert fill(row, slots)
            n_fired, _ = draw(np.uint64(5), 0, 0, COUNTS, slots, last_step, fired)
        drawn.append((slots, last_step, fired, n_fired))
    for compiled, plain in zip(*drawn, strict=True):
        np.testing.assert_array_equal(compiled, plain)


@pytest.mark.parametrize("n_bits", [8, None])
def test_whole_loops_give_the_same_as_plain_python(n_bits):
    shares, runs = samples(9, 2), []
    for learn, function in (
        (competition.learn, competition.respond),
        (competition.learn.py_func, competition.respond.py_func),
    ):
        net = Compiled(9, n_bits)
        evidence = np.log(np.random.default_rng(0).random((3, LANES)))
        with np.errstate(over="ignore"):  # hashes wrap around
            spikes = run_learn(learn, shares, net, constants(n_bits))
            out = respond(shares, net, evidence, competition.EXIT_ENTROPY_MEAN, 0.9, function=function)
        runs.append((net.weights, net.gain, net.theta, net.threshold, spikes, *out.values()))
    for compiled, plain in zip(*runs, strict=True):
        np.testing.assert_array_equal(compiled, plain)


@pytest.mark.parametrize("n_bits", [8, 3, None])
@pytest.mark.parametrize("rounding", [competition.TRUNCATE, competition.NEAREST, competition.STOCHASTIC])
def test_a_pull_gives_the_same_as_plain_python(n_bits, rounding):
    trace, pulled = np.linspace(0, 1, N_INPUTS, dtype=np.float32), []
    for attract, set_gain in (
        (competition.attract, competition.set_gain),
        (competition.attract.py_func, competition.set_gain.py_func),
    ):
        net = Compiled(1, n_bits)
        with np.errstate(over="ignore"):
            attract(net.weights, net.gain, 3, trace, np.float32(0.3), n_bits or 0, rounding, np.uint64(77), 6.0)
        gain = net.gain.copy()
        set_gain(net.weights, net.gain, 3, 6.0)
        pulled.append((net.weights, net.gain, gain))
        np.testing.assert_array_equal(gain, net.gain)
    for compiled, plain in zip(*pulled, strict=True):
        np.testing.assert_array_equal(compiled, plain)


def test_stochastic_rounding_of_a_small_pull_keeps_the_mean():
    # A pull of 1 % of a distance of 64 levels is 0.64 levels: truncation loses it, chance keeps it on average.
    weights = np.full((20_000, LANES), 128, np.uint8)
    trace = np.full(20_000, 192 / 256, np.float32)
    gain = np.zeros(LANES, np.uint16)
    competition.attract(weights, gain, 0, trace, np.float32(0.01), 8, competition.STOCHASTIC, np.uint64(3), 6.0)
    moved = weights[:, 0].astype(float) - 128
    assert set(moved) == {0, 1}
    # Standard error sqrt(0.64 * 0.36 / 20000) = 0.0034; four of them.
    assert moved.mean() == pytest.approx(0.64, abs=0.014)
    competition.attract(weights, gain, 1, trace, np.float32(0.01), 8, competition.TRUNCATE, np.uint64(3), 6.0)
    assert (weights[:, 1] == 128).all()


def test_at_most_one_neuron_fires_per_step_and_then_rests():
    out = respond(samples(3, 20), Compiled(3, 8), np.zeros((2, LANES)))
    n_refractory = CompetingNeurons().n_refractory
    for fired in out["fired"]:
        for neuron in range(N_NEURONS):
            assert (np.diff(np.flatnonzero(fired == neuron)) > n_refractory).all()


def test_a_silent_sample_moves_no_weight():
    net = Compiled(5, 8)
    before = net.weights.copy()
    assert run_learn(competition.learn, np.zeros((3, N_INPUTS), np.uint16), net, constants()) == (0, 3, 0)
    np.testing.assert_array_equal(net.weights, before)


@pytest.mark.parametrize("n_bits", [8, 4, 1])
def test_integer_weights_stay_on_their_grid(n_bits):
    net = Compiled(6, n_bits)
    run_learn(competition.learn, samples(6, 200), net, constants(n_bits))
    assert (net.weights % 2 ** (8 - n_bits) == 0).all()
    assert len(np.unique(net.weights)) <= 2**n_bits
