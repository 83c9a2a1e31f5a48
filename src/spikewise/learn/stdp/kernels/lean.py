r"""Learning by the lean rule: present a sample, then move the weights of the neurons that fired towards it.

For each sample: draw the input spikes, run the neurons from one output spike to the next, and at the end of the sample
(or of each window) move the weights of the neurons that fired. Samples are learned one by one, or a batch of them is
presented to the same frozen network and applied afterwards in order; a batch can be shared between threads.

The caller has checked all arguments. The clock-driven oracle of the tests computes the same equations in plain NumPy
and must agree bit for bit.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikewise._compile import inlined, kernel
from spikewise.learn.stdp.counters import EVENT, count_sample
from spikewise.learn.stdp.rules.lean import NeuronConstants, RuleConstants, Schedule
from spikewise.spikes.streams import SpikeStream, begin, mix

from .advance import LANES
from .neurons import (
    Floats,
    Layer,
    Numbers,
    draw_ahead,
    fire,
    gain_for,
    run_until_spike,
    set_threshold,
    start,
)

TRUNCATE, NEAREST, STOCHASTIC = 0, 1, 2
SPIKES_PER_STRENGTH = 4  # potentiation factor k = ceil(output spikes / 4)
TRACE_STEPS = 20.0  # an input that fires every 20 steps or more often counts as fully active
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Batch(NamedTuple):
    """Activity of the frozen network for each of B samples; a tuple so that it compiles."""

    n_in: NDArray[np.uint16]  # (B, n_inputs), spikes of each input
    winners: NDArray[np.int32]  # (B, T), neurons that fired, in order
    n_out: NDArray[np.int32]  # (B,), output spikes
    n_steps: NDArray[np.int32]  # (B,), steps that were computed


@kernel
def fill_targets(n_in: NDArray[np.uint16], row: int, n_steps: int, targets: Numbers) -> None:
    """Compute the targets of the weights: the rates of the inputs over these steps, in units of the weights."""
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
    """Move the weights of one neuron towards its input, w += strength * (target - w), and compute its gain again.

    Integer weights stay on the grid of ``n_bits`` bits. The change is rounded down, to the nearest, or stochastically
    with 32 random bits hashed from (key, input). One pass over the column, since its cache misses dominate the time.
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
                # One hash of 64 bits serves two inputs.
                bits = (
                    np.uint64(mix(key + np.uint64(pre // 2 + 1) * _GOLDEN)) if pre % 2 == 0 else bits << np.uint64(32)
                )
                half = np.int64(bits >> np.uint64(64 - low))
            old = np.int64(weights[pre, post])
            change = (np.int64(targets[pre]) - old) * pull + half
            level: Any = min(max(old + ((change >> low) << (8 - rule.n_bits)), 0), highest)
            weights[pre, post] = level
            total += level * level
        squares = np.float64(total)  # whole numbers: exact in both types
    else:
        for pre in range(weights.shape[0]):
            w = weights[pre, post] + strength * (targets[pre] - weights[pre, post])
            weights[pre, post] = w
            squares += np.float64(w) * np.float64(w)
    gain[post] = gain_for(squares, rule.gain, weights.itemsize == 1)


@kernel
def present(
    layer: Layer,
    stream: SpikeStream,
    key: np.uint64,
    steps: tuple[int, int],
    neuron: NeuronConstants,
    rule: RuleConstants,
    theta_plus: np.float32,
    winners: NDArray[np.int32],
) -> tuple[int, int]:
    """Run the steps (first, stop) of a sample; list the neurons that fire, and raise their thresholds.

    Returns the next step and the number of output spikes.
    """
    step, stop = steps
    n_out, drawn_to, winner = 0, step, 0
    while step < stop:
        if step == drawn_to:
            drawn_to = draw_ahead(stream, key, step, stop, n_out > 0)
        step, low, high = run_until_spike(layer, stream, step, drawn_to, neuron, winner)
        if low < high:
            winner = fire(layer, step, neuron, low, high)
            winners[n_out] = winner
            n_out += 1
            layer.theta[winner] += theta_plus
            set_threshold(layer.threshold, layer.theta, winner, neuron.v_threshold)
            if rule.stops_at_first_spike:
                break
    return step, n_out


@inlined
def count_inputs(stream: SpikeStream, first: int, stop: int, n_in: NDArray[np.uint16], row: int) -> None:
    """Count the spikes of each input from step ``first`` to ``stop``."""
    n_in[row] = 0
    for place in range(stream.ends[first], stream.ends[stop]):
        n_in[row, np.uint64(stream.spikes[np.uint64(place)])] += np.uint16(1)


@kernel
def pull_winners(
    layer: Layer,
    targets: Numbers,
    winners: NDArray[np.int32],
    eta: np.float32,
    rule: RuleConstants,
    key: np.uint64,
    part: int,
    n_parts: int,
) -> int:
    """Move the weights of the neurons that fired, in this thread's part of them. Returns how many moved."""
    n_pulled, n_out = 0, len(winners)
    for i in range(n_out):
        post, n_spikes, is_first = winners[i], 0, True
        # Parts are whole vectors of neurons, so that threads rarely share a cache line.
        if (post // LANES) % n_parts != part:
            continue
        # A winner may be listed several times; it moves once, with the number of its spikes.
        for other in range(n_out):
            if winners[other] == post:
                n_spikes += 1
                is_first = is_first and other >= i
        if not is_first:
            continue
        layer.n_fired[post] += n_spikes
        k = (n_spikes + SPIKES_PER_STRENGTH - 1) // SPIKES_PER_STRENGTH
        strength = np.float32(min(np.float32(1.0), np.float32(k * eta)))
        attract(layer.weights, layer.gain, post, targets, strength, rule, np.uint64(mix(key + np.uint64(post))))
        n_pulled += 1
    return n_pulled


@inlined
def relax(layer: Layer, neuron: NeuronConstants, rule: RuleConstants, part: int, n_parts: int) -> None:
    """Let the adaptive thresholds decay between two samples, in this thread's part of the neurons."""
    for block in range(part * LANES, rule.n_unpadded, n_parts * LANES):
        for j in range(block, min(block + LANES, int(rule.n_unpadded))):
            layer.theta[j] *= rule.theta_keep
            set_threshold(layer.threshold, layer.theta, j, neuron.v_threshold)


@kernel
def learn(
    shares: NDArray[np.uint16],
    keys: NDArray[np.uint64],
    stream: SpikeStream,
    layer: Layer,
    neuron: NeuronConstants,
    rule: RuleConstants,
    schedule: Schedule,
) -> NDArray[np.int64]:
    """Learn from samples in order, in place; a key determines the spikes of each. Returns events by ``EVENT``.

    With ``rule.stops_at_first_spike`` a sample ends with its first output spike, and input rates are measured until
    then.
    """
    n_inputs, n_steps = shares.shape[1], stream.ends.shape[0] - 1
    n_in, winners = np.empty((1, n_inputs), np.uint16), np.empty(n_steps, np.int32)
    targets, events = np.empty(n_inputs, layer.v.dtype), np.zeros(len(EVENT), np.int64)
    for sample in range(shares.shape[0]):
        key = keys[sample]
        start(layer)
        n_spikes = step = 0
        is_active = begin(stream, shares, sample)
        # A sample without input is not presented, but its thresholds decay and it counts.
        is_over = not is_active
        while not is_over:
            first, stop = step, min(step + int(rule.window), n_steps)
            step, n_out = present(layer, stream, key, (first, stop), neuron, rule, schedule.theta_plus[sample], winners)
            if n_out > 0:
                count_inputs(stream, first, step, n_in, 0)
                fill_targets(n_in, 0, step - first, targets)
                # Each window rounds with random bits of its own.
                place = key if first == 0 else np.uint64(mix(key ^ np.uint64(first)))
                n_pulled = pull_winners(layer, targets, winners[:n_out], schedule.eta[sample], rule, place, 0, 1)
                events[EVENT.n_updates] += 1
                events[EVENT.n_potentiations] += n_pulled
            n_spikes += n_out
            is_over = step == n_steps or (n_out > 0 and bool(rule.stops_at_first_spike))
        relax(layer, neuron, rule, 0, 1)
        count_sample(events, stream, is_active, step, n_spikes)
    return events


@kernel
def present_batch(
    shares: NDArray[np.uint16],
    keys: NDArray[np.uint64],
    stream: SpikeStream,
    layer: Layer,
    neuron: NeuronConstants,
    rule: RuleConstants,
    theta_plus: Floats,
    batch: Batch,
) -> NDArray[np.int64]:
    """Present samples to the frozen network and record its activity; returns events by ``EVENT``."""
    # Copies: threads present their samples to the same network, and thresholds rise within a sample.
    theta, threshold = np.empty_like(layer.theta), np.empty_like(layer.threshold)
    v, v_next, rests_until = np.empty_like(layer.v), np.empty_like(layer.v), np.empty_like(layer.rests_until)
    own = Layer(layer.weights, layer.gain, theta, threshold, layer.n_fired, v, v_next, rests_until)
    events = np.zeros(len(EVENT), np.int64)
    for sample in range(shares.shape[0]):
        start(own)
        theta[:] = layer.theta
        threshold[:] = layer.threshold
        n_out = step = 0
        is_active = begin(stream, shares, sample)
        if is_active:
            steps = (0, stream.ends.shape[0] - 1)
            step, n_out = present(
                own, stream, keys[sample], steps, neuron, rule, theta_plus[sample], batch.winners[sample]
            )
            count_inputs(stream, 0, step, batch.n_in, sample)
        batch.n_out[sample], batch.n_steps[sample] = n_out, step
        events[EVENT.n_updates] += n_out > 0
        count_sample(events, stream, is_active, step, n_out)
    return events


@kernel
def apply_batch(
    keys: NDArray[np.uint64],
    layer: Layer,
    neuron: NeuronConstants,
    rule: RuleConstants,
    schedule: Schedule,
    batch: Batch,
    part: int,
    n_parts: int,
) -> int:
    """Learn from a batch in the order of its samples, for one part of the neurons; returns the number of updates."""
    n_pulled, targets = 0, np.empty(batch.n_in.shape[1], layer.v.dtype)
    for sample in range(len(keys)):
        winners = batch.winners[sample, : batch.n_out[sample]]
        if len(winners) > 0:
            for winner in winners:
                if (winner // LANES) % n_parts == part:
                    layer.theta[winner] += schedule.theta_plus[sample]
            fill_targets(batch.n_in, sample, batch.n_steps[sample], targets)
            n_pulled += pull_winners(layer, targets, winners, schedule.eta[sample], rule, keys[sample], part, n_parts)
        relax(layer, neuron, rule, part, n_parts)
    return n_pulled
