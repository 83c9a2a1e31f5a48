r"""Learning by the lean rule: present a sample, then pull the neurons that answered towards it.

For each sample: draw the input spikes, run the neurons from one output spike to the next, and at the end of the
sample (or of each window) move the weights of the neurons that fired. Samples either follow each other, or a batch
of them meets the same frozen network and is applied afterwards in order, which is what threads share.

Arrays in, arrays out; the caller has checked everything. The plain NumPy version of the same equations, which must
agree bit for bit, is the clock-driven oracle of the tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise._compile import inlined, kernel
from spikewise.learn.stdp.rules.lean import NeuronConstants, RuleConstants
from spikewise.spikes.streams import SpikeStream, begin, mix, stream_key

from .advance import LANES
from .neurons import Floats, Numbers, draw_ahead, fire, gain_for, run_until_spike, set_threshold

TRUNCATE, NEAREST, STOCHASTIC = 0, 1, 2
SPIKES_PER_STRENGTH = 4  # potentiation factor k = ceil(output spikes / 4)
TRACE_STEPS = 20.0  # an input that fires every 20 steps or more often counts as fully active
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@kernel
def fill_targets(n_in: NDArray[np.uint16], row: int, n_steps: int, targets: Numbers) -> None:
    """Where weights are pulled to: the rates of the inputs over these steps, in the units of the weights."""
    unit = 256.0 if targets.itemsize == 2 else 1.0
    for pre in range(n_in.shape[1]):
        trace = np.float32(min(1.0, n_in[row, pre] * TRACE_STEPS / n_steps))
        targets[pre] = np.rint(trace * np.float32(256.0)) if unit == 256.0 else trace


@kernel
def attract(
    weights: Numbers,
    gain: Numbers,
    post: int,
    targets: Numbers,
    strength: np.float32,
    rule: RuleConstants,
    key: np.uint64,
) -> None:
    """Pull the weights of one neuron towards the input it answered, w += strength * (target - w), and renew its gain.

    Integer weights stay on the grid of ``n_bits`` bits; the change is rounded down, to the nearest, or up with
    the probability of the distance, from 32 random bits hashed from (key, input). One pass over the column,
    since its cache misses are what a pull costs.
    """
    squares = 0.0
    if weights.itemsize == 1:
        low = np.int64(16 + 8 - rule.n_bits)  # binary places below the grid
        pull = np.int64(np.rint(strength * np.float32(65536.0)))
        highest = np.int64(256 - (1 << (8 - rule.n_bits)))
        half = np.int64(1) << (low - 1) if rule.rounding == NEAREST else np.int64(0)
        is_stochastic = rule.rounding == STOCHASTIC
        bits, total = np.uint64(0), np.int64(0)
        for pre in range(weights.shape[0]):
            if is_stochastic:
                bits = (
                    np.uint64(mix(key + np.uint64(pre // 2 + 1) * _GOLDEN)) if pre % 2 == 0 else bits << np.uint64(32)
                )
                half = np.int64(bits >> np.uint64(64 - low))
            old = np.int64(weights[pre, post])
            change = (np.int64(targets[pre]) - old) * pull + half
            level: Any = min(max(old + ((change >> low) << (8 - rule.n_bits)), 0), highest)
            weights[pre, post] = level
            total += level * level
        squares = np.float64(total)
    else:
        for pre in range(weights.shape[0]):
            w = weights[pre, post] + strength * (targets[pre] - weights[pre, post])
            weights[pre, post] = w
            squares += np.float64(w) * np.float64(w)
    gain[post] = gain_for(squares, rule.gain, weights.itemsize == 1)


@kernel
def present(
    weights: Numbers,
    gain: Numbers,
    theta: Floats,
    threshold: Numbers,
    v: Numbers,
    v_next: Numbers,
    rests_until: NDArray[np.int16],
    stream: SpikeStream,
    key: np.uint64,
    first: int,
    stop: int,
    neuron: NeuronConstants,
    rise: np.float32,
    stops_at_first_spike: np.bool_,
    winners: NDArray[np.int32],
    row: int,
) -> tuple[int, int]:
    """Run steps ``first`` to ``stop`` of a sample; list who fires, raise its threshold. Returns the next step and the
    number of output spikes.
    """
    n_out, step, drawn_to, winner = 0, first, first, 0
    while step < stop:
        if step == drawn_to:
            drawn_to = draw_ahead(stream, key, step, stop, n_out > 0)
        step, low, high = run_until_spike(
            weights, gain, threshold, v, v_next, rests_until, stream, step, drawn_to, neuron, winner
        )
        if low < high:
            winner = fire(threshold, v, rests_until, step, neuron, low, high)
            winners[row, n_out] = winner
            n_out += 1
            theta[winner] += rise
            set_threshold(threshold, theta, winner, neuron.v_threshold)
            if stops_at_first_spike:
                break
    return step, n_out


@inlined
def count_inputs(stream: SpikeStream, first: int, stop: int, n_in: NDArray[np.uint16], row: int) -> None:
    """Spikes of each input from step ``first`` to ``stop``."""
    n_in[row] = 0
    for place in range(stream.ends[first], stream.ends[stop]):
        n_in[row, np.uint64(stream.spikes[np.uint64(place)])] += np.uint16(1)


@kernel
def pull_winners(
    weights: Numbers,
    gain: Numbers,
    n_fired: NDArray[np.int64],
    targets: Numbers,
    winners: NDArray[np.int32],
    row: int,
    n_out: int,
    eta: np.float32,
    rule: RuleConstants,
    key: np.uint64,
    part: int,
    n_parts: int,
) -> int:
    """Move the weights of the neurons that fired; a part of the neurons for each thread. Returns how many moved."""
    n_pulled = 0
    for i in range(n_out):
        post, n_spikes, is_first = winners[row, i], 0, True
        if (post // LANES) % n_parts != part:
            continue
        for other in range(n_out):
            if winners[row, other] == post:
                n_spikes += 1
                is_first = is_first and other >= i
        if not is_first:
            continue
        n_fired[post] += n_spikes
        k = (n_spikes + SPIKES_PER_STRENGTH - 1) // SPIKES_PER_STRENGTH
        strength = np.float32(min(np.float32(1.0), np.float32(k * eta)))
        attract(weights, gain, post, targets, strength, rule, np.uint64(mix(key + np.uint64(post))))
        n_pulled += 1
    return n_pulled


@inlined
def relax(
    theta: Floats, threshold: Numbers, neuron: NeuronConstants, rule: RuleConstants, part: int, n_parts: int
) -> None:
    """Let the adaptive thresholds decay between two samples; a part of the neurons for each thread."""
    for block in range(part * LANES, rule.n_unpadded, n_parts * LANES):
        for j in range(block, min(block + LANES, int(rule.n_unpadded))):
            theta[j] *= rule.theta_keep
            set_threshold(threshold, theta, j, neuron.v_threshold)


@kernel
def learn(
    shares: NDArray[np.uint16],
    n_seen: int,
    seed: np.uint64,
    stream: SpikeStream,
    weights: Numbers,
    gain: Numbers,
    theta: Floats,
    threshold: Numbers,
    n_fired: NDArray[np.int64],
    targets: Numbers,
    neuron: NeuronConstants,
    eta: Floats,
    theta_plus: Floats,
    rule: RuleConstants,
    n_steps: int,
) -> NDArray[np.int64]:
    """Learn from samples in order, in place; returns events as :class:`~spikewise.learn.stdp.counters.EventCounts` has them.

    Sample i draws its spikes from the stream (seed, n_seen + i). With ``rule.stops_at_first_spike`` a sample ends
    with its first output spike, and its input rates are those seen until then.
    """
    n_samples, n_inputs = shares.shape
    v, v_next = np.empty_like(threshold), np.empty_like(threshold)
    rests_until = np.empty(weights.shape[1], np.int16)
    n_in, winners = np.empty((1, n_inputs), np.uint16), np.empty((1, n_steps), np.int32)
    events = np.zeros(11, np.int64)
    events[0] = n_samples
    for sample in range(n_samples):
        key = np.uint64(stream_key(seed, np.uint64(n_seen + sample)))
        v[:] = 0
        rests_until[:] = 0
        n_spikes = step = 0
        is_over = not begin(stream, shares, sample)
        while not is_over:
            first, stop = step, min(step + int(rule.window), n_steps)
            step, n_out = present(
                weights, gain, theta, threshold, v, v_next, rests_until, stream, key, first, stop, neuron,
                theta_plus[sample], rule.stops_at_first_spike, winners, 0,
            )  # fmt: skip
            if n_out > 0:
                count_inputs(stream, first, step, n_in, 0)
                fill_targets(n_in, 0, step - first, targets)
                place = key if first == 0 else np.uint64(mix(key ^ np.uint64(first)))
                events[10] += 1
                events[7] += pull_winners(
                    weights, gain, n_fired, targets, winners, 0, n_out, eta[sample], rule, place, 0, 1
                )
            n_spikes += n_out
            is_over = step == n_steps or (n_out > 0 and bool(rule.stops_at_first_spike))
        relax(theta, threshold, neuron, rule, 0, 1)
        if step > 0:
            events[3] += step + stream.drawn[step]
            events[4] += stream.ends[step]
        events[1] += step > 0 and n_spikes == 0
        events[2] += step
        events[5] += n_spikes
    return events


@kernel
def present_batch(
    shares: NDArray[np.uint16],
    rows: tuple[int, int],
    n_seen: int,
    seed: np.uint64,
    stream: SpikeStream,
    weights: Numbers,
    gain: Numbers,
    theta: Floats,
    threshold: Numbers,
    neuron: NeuronConstants,
    theta_plus: Floats,
    rule: RuleConstants,
    n_steps: int,
    n_in: NDArray[np.uint16],
    winners: NDArray[np.int32],
    n_out: NDArray[np.int32],
    used: NDArray[np.int32],
) -> NDArray[np.int64]:
    """Show these rows of a batch to the frozen network and write down what happened; returns events."""
    v, v_next = np.empty_like(threshold), np.empty_like(threshold)
    rests_until = np.empty(weights.shape[1], np.int16)
    own_theta, own_threshold = np.empty_like(theta), np.empty_like(threshold)
    events = np.zeros(11, np.int64)
    events[0] = rows[1] - rows[0]
    for sample in range(rows[0], rows[1]):
        v[:] = 0
        rests_until[:] = 0
        own_theta[:] = theta
        own_threshold[:] = threshold
        n_out[sample] = used[sample] = 0
        if begin(stream, shares, sample):
            step, n_out[sample] = present(
                weights, gain, own_theta, own_threshold, v, v_next, rests_until, stream,
                np.uint64(stream_key(seed, np.uint64(n_seen + sample))), 0, n_steps, neuron,
                theta_plus[sample], rule.stops_at_first_spike, winners, sample,
            )  # fmt: skip
            count_inputs(stream, 0, step, n_in, sample)
            used[sample] = step
            events[10] += n_out[sample] > 0
            events[3] += step + stream.drawn[step]
            events[4] += stream.ends[step]
        events[1] += used[sample] > 0 and n_out[sample] == 0
        events[2] += used[sample]
        events[5] += n_out[sample]
    return events


@kernel
def apply_batch(
    n_samples: int,
    n_seen: int,
    seed: np.uint64,
    weights: Numbers,
    gain: Numbers,
    theta: Floats,
    threshold: Numbers,
    n_fired: NDArray[np.int64],
    targets: Numbers,
    neuron: NeuronConstants,
    eta: Floats,
    theta_plus: Floats,
    rule: RuleConstants,
    n_in: NDArray[np.uint16],
    winners: NDArray[np.int32],
    n_out: NDArray[np.int32],
    used: NDArray[np.int32],
    part: int,
    n_parts: int,
) -> int:
    """Learn from a batch in the order of its samples, for one part of the neurons; returns the updates."""
    n_pulled = 0
    for sample in range(n_samples):
        if n_out[sample] > 0:
            for i in range(n_out[sample]):
                if (winners[sample, i] // LANES) % n_parts == part:
                    theta[winners[sample, i]] += theta_plus[sample]
            fill_targets(n_in, sample, used[sample], targets)
            key = np.uint64(stream_key(seed, np.uint64(n_seen + sample)))
            n_pulled += pull_winners(
                weights, gain, n_fired, targets, winners, sample, n_out[sample], eta[sample], rule, key, part, n_parts
            )
        relax(theta, threshold, neuron, rule, part, n_parts)
    return n_pulled
