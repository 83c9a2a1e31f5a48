"""The compiled engine against the clock-driven, instrumented NumPy oracle: bit for bit, and count for count."""

import importlib.util
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.dynamic import ConfidenceExit, EntropyExit, MarginExit
from spikewise.errors import ParameterError, ShapeError
from spikewise.learn.stdp.engines.base import ROUNDINGS, Settings
from spikewise.learn.stdp.engines.lean import LeanEngine
from spikewise.learn.stdp.kernels import lean, neurons, respond
from spikewise.learn.stdp.responses import compiled_rule
from spikewise.learn.stdp.rules.base import CompetingNeurons, LeanRule, spread_of
from spikewise.spikes.streams import (
    MAX_SPIKES,
    begin,
    content_keys,
    spike_shares,
    spike_stream,
    stream_key,
    stream_spikes,
)
from spikewise.workload.operations import Operations

ORACLE = Path(__file__).parents[3] / "oracles" / "competition.py"
spec = importlib.util.spec_from_file_location("oracle_competition", ORACLE)
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)

N_INPUTS, N_NEURONS, N_STEPS = 20, 9, 60
SEED = np.uint64(12345)
RULE = LeanRule(eta=(0.3, 0.05), theta_plus=(0.004, 0.001), events_per_step=3.0)
BASE = Settings(N_INPUTS, N_NEURONS, N_STEPS, seed=SEED)
N_TOTAL = 1000
PLACES = range(7, 13)
PRECISIONS = st.sampled_from([8, 5, 1, None])
NO_EVIDENCE = np.zeros((2, N_NEURONS))
EXIT_RULES = st.builds(
    lambda rule, *settings: rule.at(*settings),
    st.sampled_from([EntropyExit, ConfidenceExit, MarginExit]),
    st.floats(0.01, 1.1),
    st.sampled_from(["sum", "mean"]),
    st.sampled_from([1.0, 0.5, 2.0]),
)


def engine(seed=0, n_neurons=N_NEURONS, rule=RULE, **changes):
    """An engine with random weights and thresholds."""
    made = LeanEngine(rule, replace(BASE, n_neurons=n_neurons, **changes))
    rng = np.random.default_rng(seed)
    made._theta[:n_neurons] = rng.random(n_neurons) * 5
    made._put(rng.random((N_INPUTS, n_neurons)))
    return made


def samples(seed, n=6):
    return spike_shares(np.random.default_rng(seed).random((n, N_INPUTS)) ** 3)


def slow_network(fast, is_learning):
    n = fast.n_neurons
    slow = oracle.Network(fast._weights[:, :n], fast._neuron(is_learning), fast.gain, fast._theta[:n])
    if not is_learning:
        slow.threshold = np.maximum(np.rint(slow.threshold * fast.rule.neurons.threshold_share), 1)
    return slow


def train_of(row, key, n_steps=N_STEPS):
    stream = spike_stream(RULE.events_per_step, len(row), n_steps)
    n_slots = 2 ** int(np.log2(len(stream.slots)))
    return oracle.spikes(row.tolist(), int(key), stream.counts.tolist(), n_slots, n_steps, MAX_SPIKES)


def learn_slowly(slow, fast, shares, places):
    """Present the samples to the oracle; returns the spikes of each neuron per sample."""
    eta, rise = fast.rule.schedule(places, N_TOTAL)
    rounding = ROUNDINGS[fast.settings.rounding]
    rule = fast.rule.constants(N_TOTAL, fast.n_neurons, N_STEPS, fast.settings.n_bits or 0, rounding, fast.gain)
    counts = []
    for i, row in enumerate(shares):
        key = int(stream_key(SEED, np.uint64(places.start + i)))
        # A first pass tells after how many steps the sample ends, since only those are drawn.
        train, _ = train_of(row, key)
        used = N_STEPS
        if rule.stops_at_first_spike:
            silent = oracle.Network(slow.weights, slow.neuron, slow.gain_norm, slow.theta)
            silent.gain, silent.threshold = slow.gain.copy(), slow.threshold.copy()
            silent.start()
            used = next((t + 1 for t, fired in enumerate(train) if silent.step(fired, t) >= 0), N_STEPS)
        slow.count_encoding(used, train_of(row, key, used)[1])
        counts.append(slow.learn(train, eta[i], rise[i], rule, key))
    return counts


def same_state(fast, slow):
    n = fast.n_neurons
    np.testing.assert_array_equal(fast._weights[:, :n], slow.weights)
    np.testing.assert_array_equal(fast._gain[:n], slow.gain)
    np.testing.assert_array_equal(fast._theta[:n], slow.theta)
    np.testing.assert_array_equal(fast._threshold[:n], slow.threshold)


def same_operations(counted, slow, n_samples):
    expected = {name: Operations(**{key: value / n_samples for key, value in part.items()})
                for name, part in slow.operations.items()}  # fmt: skip
    assert set(counted) == set(expected) | {name for name, part in counted.items() if part == Operations()}
    for name, part in expected.items():
        assert asdict(counted[name]) == pytest.approx(asdict(part)), name


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000), PRECISIONS, st.sampled_from(sorted(ROUNDINGS)), st.booleans(),
    st.sampled_from([None, 7, 32]),
)  # fmt: skip
def test_learning_equals_the_clock_driven_oracle_bit_for_bit_and_count_for_count(seed, n_bits, rounding, stops, window):
    rule = replace(RULE, stops_at_first_spike=stops, window=window)
    shares, fast = samples(seed), engine(seed, rule=rule, n_bits=n_bits, rounding=rounding)
    slow = slow_network(fast, is_learning=True)
    counts = learn_slowly(slow, fast, shares, PLACES)
    fast.learn(shares, PLACES, N_TOTAL)
    same_state(fast, slow)
    np.testing.assert_array_equal(fast.n_fired, np.sum(counts, 0))
    assert fast.events.out_spikes == np.sum(counts) > 0
    assert fast.events.n_silent == sum(c.sum() == 0 for c in counts)
    assert fast.events.n_samples == len(shares)
    same_operations(fast.operations(fast.events, is_learning=True), slow, len(shares))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000), PRECISIONS, st.booleans(), st.sampled_from([64, 65, 130, 200]), st.sampled_from([2.0, 8.0])
)  # fmt: skip
def test_learning_in_several_blocks_equals_the_oracle(seed, n_bits, stops, n_neurons, v_threshold):
    # Low thresholds let neurons of several blocks cross in the same step, and winners change.
    rule = replace(RULE, stops_at_first_spike=stops, neurons=replace(RULE.neurons, v_threshold=v_threshold))
    shares, fast = samples(seed, 2), engine(seed, n_neurons, rule=rule, n_bits=n_bits)
    slow = slow_network(fast, is_learning=True)
    counts = learn_slowly(slow, fast, shares, range(7, 9))
    fast.learn(shares, range(7, 9), N_TOTAL)
    same_state(fast, slow)
    np.testing.assert_array_equal(fast.n_fired, np.sum(counts, 0))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), PRECISIONS, st.sampled_from([65, 200]), st.sampled_from([0.0, 30.0]))
def test_responses_of_several_blocks_equal_the_oracle(seed, n_bits, n_neurons, w_inhibit):
    neurons = replace(RULE.neurons, v_threshold=3.0, w_inhibit=w_inhibit)
    shares, fast = samples(seed, 2), engine(seed, n_neurons, rule=replace(RULE, neurons=neurons), n_bits=n_bits)
    found = fast.respond(shares, np.zeros((2, n_neurons)), respond.NEVER_EXIT)
    slow = slow_network(fast, is_learning=False)
    for i, (row, key) in enumerate(zip(shares, content_keys(shares, SEED), strict=True)):
        fired = slow.respond(train_of(row, key)[0])
        there = found.samples == i
        np.testing.assert_array_equal(found.steps[there], np.flatnonzero(fired >= 0) + 1)
        np.testing.assert_array_equal(found.neurons[there], fired[fired >= 0])


@pytest.mark.parametrize("n_inputs", [8192, 8193, 65_537])
def test_streams_of_many_inputs_equal_the_oracle(n_inputs):
    rng = np.random.default_rng(n_inputs)
    row = np.where(rng.random(n_inputs) < 0.01, rng.integers(1, 65_536, n_inputs), 0).astype(np.uint16)
    memory = spike_stream(4.0, n_inputs, 20)
    n_slots = 2 ** int(np.log2(len(memory.slots)))
    for stream in range(3):
        key = np.uint64(stream_key(SEED, np.uint64(stream)))
        stream_spikes(memory, row[None], 0, key)
        slow, n_drawn = oracle.spikes(row.tolist(), int(key), memory.counts.tolist(), n_slots, 20, MAX_SPIKES)
        fast = [memory.spikes[a:b].tolist() for a, b in pairwise(memory.ends)]
        assert (fast, memory.drawn[-1]) == (slow, n_drawn)


@given(st.lists(st.integers(0, 65_535), min_size=1, max_size=40).filter(any))
def test_every_slot_belongs_to_an_input_of_this_sample(shares):
    memory = spike_stream(4.0, len(shares), 5)
    n_slots = 2 ** int(np.log2(len(memory.slots)))
    memory.slots[:] = 60_000  # what an earlier sample may have left
    assert begin(memory, np.array([shares], np.uint16), 0)
    found, active = memory.slots[:n_slots], np.flatnonzero(shares)
    assert np.isin(found, active).all()
    assert (np.diff(found.astype(int)) >= 0).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), PRECISIONS)
def test_responses_equal_the_oracle(seed, n_bits):
    shares, fast = samples(seed), engine(seed, n_bits=n_bits)
    evidence = np.log(np.random.default_rng(seed).random((3, N_NEURONS)))
    found = fast.respond(shares, evidence, respond.NEVER_EXIT)
    slow = slow_network(fast, is_learning=False)
    for i, (row, key) in enumerate(zip(shares, content_keys(shares, SEED), strict=True)):
        train, n_events = train_of(row, key)
        slow.count_encoding(N_STEPS, n_events)
        fired = slow.respond(train)
        there = found.samples == i
        np.testing.assert_array_equal(found.steps[there], np.flatnonzero(fired >= 0) + 1)
        np.testing.assert_array_equal(found.neurons[there], fired[fired >= 0])
        np.testing.assert_allclose(found.scores[i], evidence[:, fired[fired >= 0]].sum(1), atol=1e-9)
    assert found.out_spikes.sum() == len(found.steps) > 0
    same_operations(fast.operations(found.events, is_learning=False), slow, len(shares))


def test_stored_inhibition_reads_a_weight_per_pair_and_broadcast_none():
    fast = engine(3)
    fast.learn(samples(3), PLACES, N_TOTAL)
    stored, shared = (fast.operations(fast.events, True, kind)["inhibition"] for kind in ("matrix", "broadcast"))
    assert stored.weight_reads == fast.events.per_sample("out_spikes") * (N_NEURONS - 1) > 0
    assert shared == replace(stored, weight_reads=0.0)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), PRECISIONS, st.booleans())
def test_a_batch_of_one_is_learning_in_order(seed, n_bits, stops):
    rule = replace(RULE, stops_at_first_spike=stops)
    shares, one, batch = samples(seed), *(engine(seed, rule=rule, n_bits=n_bits) for _ in range(2))
    one.learn(shares, PLACES, N_TOTAL)
    for i in range(len(shares)):
        object.__setattr__(batch.settings, "batch_size", 2)
        batch.learn(shares[i : i + 1], PLACES[i : i + 1], N_TOTAL)
    np.testing.assert_array_equal(batch._weights, one._weights)
    np.testing.assert_array_equal(batch._theta, one._theta)
    np.testing.assert_array_equal(batch._threshold, one._threshold)
    np.testing.assert_array_equal(batch.n_fired, one.n_fired)
    assert batch.events == one.events


@pytest.mark.parametrize("n_bits", [8, None])
def test_threads_do_not_change_a_batch(n_bits):
    shares, made = samples(1, 64), []
    for n_threads in (1, 2, 3):
        fast = engine(1, n_neurons=200, n_bits=n_bits, batch_size=32)
        fast.learn(shares, range(64), N_TOTAL, n_threads)
        made.append(fast)
    for other in made[1:]:
        np.testing.assert_array_equal(other._weights, made[0]._weights)
        np.testing.assert_array_equal(other._theta, made[0]._theta)
        assert other.events == made[0].events
    assert made[0].events.n_potentiations > 20


def test_samples_of_a_batch_meet_the_same_network():
    # The second of two equal streams sees what the first saw, so both have the same winner; in order it would not.
    fast = engine(2, batch_size=2)
    shares = samples(2, 2)
    before = engine(2, batch_size=2).respond(shares, NO_EVIDENCE, respond.NEVER_EXIT)
    fast.learn(shares, range(2), N_TOTAL)
    assert fast.events.n_samples == 2
    assert len(before.steps) > 0
    parts = [engine(2), engine(2)]
    for i, part in enumerate(parts):
        part.learn(shares[i : i + 1], range(i, i + 1), N_TOTAL)
    np.testing.assert_array_equal(fast.n_fired, parts[0].n_fired + parts[1].n_fired)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, N_STEPS - 1), PRECISIONS)
def test_a_truncated_run_is_a_prefix_of_the_full_one(seed, n_steps, n_bits):
    shares = samples(seed)
    full, short = (
        engine(seed, n_bits=n_bits, n_steps=steps).respond(shares, NO_EVIDENCE, respond.NEVER_EXIT)
        for steps in (N_STEPS, n_steps)
    )
    early = full.steps <= n_steps
    np.testing.assert_array_equal(short.steps, full.steps[early])
    np.testing.assert_array_equal(short.neurons, full.neurons[early])
    np.testing.assert_array_equal(short.in_spikes, full.in_spikes[:n_steps])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), EXIT_RULES, PRECISIONS)
def test_the_kernel_stops_where_the_rule_says(seed, rule, n_bits):
    shares, fast = samples(seed), engine(seed, n_bits=n_bits)
    evidence = 2 * np.log(np.random.default_rng(seed).random((3, N_NEURONS)))
    full = fast.respond(shares, evidence, respond.NEVER_EXIT)
    stopped = fast.respond(shares, evidence, compiled_rule(rule, len(evidence)))
    n_input_spikes = 0
    for i in range(len(shares)):
        fired = dict(zip(full.steps[full.samples == i], full.neurons[full.samples == i], strict=True))
        score, expected = np.zeros(3), N_STEPS
        for step in range(1, N_STEPS + 1):
            if step in fired:
                score += evidence[:, fired[step]]
            if rule.ready(score[None], step)[0]:
                expected = step
                break
        assert stopped.exit_steps[i] == expected
        assert [fired[step] for step in fired if step <= expected] == stopped.neurons[stopped.samples == i].tolist()
        n_input_spikes += sum(len(step) for step in train_of(shares[i], content_keys(shares, SEED)[i])[0][:expected])
    assert stopped.in_spikes.sum() == stopped.events.in_spikes == n_input_spikes


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6), EXIT_RULES, st.integers(1, 50))
@settings(max_examples=50, deadline=None)
def test_compiled_uncertainty_equals_that_of_the_rule(scores, rule, n_steps):
    array, leaves = np.array([scores]), compiled_rule(rule, len(scores))
    scale = leaves.sharpness / (n_steps if leaves.is_mean else 1)
    assert respond.uncertainty_of(array, 0, scale, leaves.kind) == pytest.approx(
        rule.uncertainty(array, n_steps)[0], abs=1e-12
    )


@pytest.mark.parametrize("n_bits", [8, None])
def test_loops_give_the_same_as_plain_python(n_bits, monkeypatch):
    shares, rule, runs = samples(9, 3), replace(RULE, window=25), []
    names = {
        lean: ("learn", "present", "present_batch", "apply_batch", "pull_winners", "attract", "fill_targets"),
        respond: ("respond", "must_stop", "uncertainty_of"), neurons: ("fire", "gain_for", "set_gain"),
    }  # fmt: skip
    for is_plain in (False, True):
        if is_plain:
            for module, functions in names.items():
                for name in functions:
                    if name != "present":  # calls vector code, which exists compiled alone
                        monkeypatch.setattr(module, name, getattr(module, name).py_func)
        one, batch = engine(9, rule=rule, n_bits=n_bits), engine(9, n_bits=n_bits, batch_size=2)
        with np.errstate(over="ignore"):  # hashes wrap around
            for fast in (one, batch):
                fast.learn(shares, PLACES[:3], N_TOTAL)
        runs.append([one._weights, one._theta, one._gain, batch._weights, batch._theta, batch._gain, batch.n_fired])
        assert one.events.n_updates > 0
    for compiled, plain in zip(*runs, strict=True):
        np.testing.assert_array_equal(compiled, plain)


def test_stochastic_rounding_of_a_small_pull_keeps_the_mean():
    # A pull of 1 % of a distance of 64 levels is 0.64 levels: truncation loses it, chance keeps it on average.
    weights = np.full((20_000, 64), 128, np.uint8)
    targets, gain = np.full(20_000, 192, np.int16), np.zeros(64, np.uint16)
    made = RULE.constants(N_TOTAL, 64, N_STEPS, 8, lean.STOCHASTIC, 6.0)
    lean.attract(weights, gain, 0, targets, np.float32(0.01), made, np.uint64(3))
    moved = weights[:, 0].astype(float) - 128
    assert set(moved) == {0, 1}
    # Standard error sqrt(0.64 * 0.36 / 20000) = 0.0034; four of them.
    assert moved.mean() == pytest.approx(0.64, abs=0.014)
    truncated = made._replace(rounding=np.int64(lean.TRUNCATE))
    lean.attract(weights, gain, 1, targets, np.float32(0.01), truncated, np.uint64(3))
    assert (weights[:, 1] == 128).all()


def test_at_most_one_neuron_fires_per_step_and_then_rests():
    found = engine(3).respond(samples(3, 20), NO_EVIDENCE, respond.NEVER_EXIT)
    n_refractory = CompetingNeurons().n_refractory
    assert len(set(zip(found.samples, found.steps, strict=True))) == len(found.steps) > 20
    for sample in range(20):
        for neuron in range(N_NEURONS):
            own = found.steps[(found.samples == sample) & (found.neurons == neuron)]
            assert (np.diff(own) > n_refractory).all()


def test_a_silent_sample_moves_no_weight():
    fast = engine(5)
    before = fast._weights.copy()
    fast.learn(np.zeros((3, N_INPUTS), np.uint16), range(3), N_TOTAL)
    assert (fast.events.n_samples, fast.events.n_silent, fast.events.n_steps) == (3, 0, 0)
    np.testing.assert_array_equal(fast._weights, before)


@pytest.mark.parametrize("n_bits", [8, 4, 1])
def test_integer_weights_stay_on_their_grid(n_bits):
    fast = engine(6, n_bits=n_bits)
    fast.learn(samples(6, 200), range(200), N_TOTAL)
    assert (fast._weights % 2 ** (8 - n_bits) == 0).all()
    assert len(np.unique(fast._weights)) <= 2**n_bits


def test_arrays_bring_everything_back():
    shares, one, other = samples(8, 8), engine(8), engine(7)
    one.prepare(spread_of(shares))
    one.learn(shares[:4], range(4), N_TOTAL)
    other.restore(one.arrays())
    for fast in (one, other):
        fast.learn(shares[4:], range(4, 8), N_TOTAL)
    np.testing.assert_array_equal(one._weights, other._weights)
    np.testing.assert_array_equal(one._theta, other._theta)
    with pytest.raises(ShapeError, match="must have shape"):
        other.restore({**one.arrays(), "theta": np.zeros(3, np.float32)})


@pytest.mark.parametrize(
    "changes",
    [
        {"eta": (0.0, 0.1)},
        {"eta": (0.3,)},
        {"theta_plus": (1.0, np.nan)},
        {"gain": -1.0},
        {"window": 0},
        {"window": 2.5},
    ],
)
def test_impossible_rules_are_refused(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        replace(RULE, **changes)


def test_a_stream_lists_every_spike_once():
    stream, shares = spike_stream(3.0, N_INPUTS, N_STEPS), samples(4, 1)
    n = stream_spikes(stream, shares, 0, np.uint64(9))
    train, n_events = train_of(shares[0], 9)
    assert [stream.spikes[a:b].tolist() for a, b in zip(stream.ends[:-1], stream.ends[1:], strict=True)] == train
    assert (n, stream.drawn[-1]) == (sum(map(len, train)), n_events)
