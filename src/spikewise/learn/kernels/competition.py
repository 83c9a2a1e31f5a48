r"""The compiled event-driven loops of competing neurons: learning and inference, integer and float.

For each sample, step by step: draw the input spikes, add the weight rows of those that fired, leak and
integrate all neurons, let the one furthest above its threshold fire, and push all others down. Work is
proportional to spikes, not to inputs.

Arrays in, arrays out; the caller has checked everything. One source serves both precisions, chosen by the
type of the arrays: weights ``[n_inputs, N padded]`` are uint8 in units of 1/256 with 16-bit state, or float32.
Potentials are in units of 1/64 mV, thresholds whole multiples of it in both. Padding neurons have weight 0
and the highest threshold. The plain NumPy version of the same equations, which must agree bit for bit, is the
clock-driven oracle of the tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise._compile import inlined, kernel
from spikewise.learn.rules import LEVELS_PER_MV, NeuronConstants, RuleConstants
from spikewise.spikes.encode import draw_step, fill_slots, mix, stream_key

from .lanes import MAX_SPIKES, advance

Floats = NDArray[np.float32]
Numbers = NDArray[Any]  # uint8, uint16, int16 or float32, by precision

EXIT_NEVER, EXIT_ENTROPY_SUM, EXIT_ENTROPY_MEAN = 0, 1, 2
TRUNCATE, NEAREST, STOCHASTIC = 0, 1, 2
NEVER_REACHED = 32767  # threshold of padding; potentials saturate there, and no living neuron's is above 32766
GAIN_STEPS = 2048  # integer gain per unit of gain
SPIKES_PER_STRENGTH = 4  # potentiation factor k = ceil(output spikes / 4)
TRACE_STEPS = 20.0  # an input that fires every 20 steps or more often counts as fully active


@inlined
def step_neurons(
    weights: Numbers,
    gain: Numbers,
    threshold: Numbers,
    v: Numbers,
    rests_until: NDArray[np.int16],
    fired: NDArray[np.int32],
    n_fired: int,
    step: int,
    neuron: NeuronConstants,
) -> int:
    """Advance all neurons by one step; returns the one that fires, or -1.

    The neuron with the largest overshoot v - threshold >= 0 wins, the first of equals; it returns to rest and
    pushes all others down by ``w_inhibit``, at most to ``v_floor``.
    """
    decay = neuron.leak if weights.itemsize == 1 else neuron.decay
    if not advance(weights, gain, threshold, v, rests_until, fired, n_fired, np.int16(step), v.dtype.type(decay)):
        return -1
    winner, best = -1, np.float64(-1.0)
    for j in range(v.shape[0]):
        if v[j] >= threshold[j]:
            above = np.float64(v[j]) - np.float64(threshold[j])
            if above > best:
                winner, best = j, above
    for j in range(v.shape[0]):
        v[j] = max(v[j] - neuron.w_inhibit, neuron.v_floor)
    v[winner] = 0
    rests_until[winner] = step + neuron.n_refractory + 1
    return winner


@inlined
def set_threshold(threshold: Numbers, theta: Floats, j: int, v_threshold: np.float32) -> None:
    """Round a neuron's threshold, base plus adaptive part in mV, to whole levels."""
    threshold[j] = min(np.rint((v_threshold + theta[j]) * np.float32(LEVELS_PER_MV)), np.float32(NEVER_REACHED - 1))


@kernel
def gain_for(squares: float, gain_norm: float, is_integer: bool) -> float:
    """Gain of a neuron, gain_norm over the Euclidean norm of its weights, given the sum of their squares."""
    if squares == 0:
        return 0.0
    if is_integer:
        return float(min(65535.0, np.rint(gain_norm / (np.sqrt(squares) / 256.0) * GAIN_STEPS)))
    return float(gain_norm / np.sqrt(squares) * LEVELS_PER_MV)


@kernel
def set_gain(weights: Numbers, gain: Numbers, post: int, gain_norm: float) -> None:
    """Renew one neuron's gain."""
    squares = 0.0
    for pre in range(weights.shape[0]):
        w = np.float64(weights[pre, post])
        squares += w * w
    gain[post] = gain_for(squares, gain_norm, weights.itemsize == 1)


@kernel
def attract(
    weights: Numbers,
    gain: Numbers,
    post: int,
    trace: Floats,
    strength: np.float32,
    n_bits: Any,
    rounding: Any,
    key: np.uint64,
    gain_norm: float,
) -> None:
    """Pull the weights of one neuron towards the input it answered, w += strength * (trace - w), and renew its gain.

    Integer weights stay on the grid of ``n_bits`` bits; the change is rounded down, to the nearest, or up with
    the probability of the distance, from random bits hashed from (key, input, neuron). One pass over the column,
    since its cache misses are what a pull costs.
    """
    squares = 0.0
    if weights.itemsize == 1:
        low = np.int64(16 + 8 - n_bits)  # binary places below the grid
        pull = np.int64(np.rint(strength * np.float32(65536.0)))
        highest = 256 - (1 << (8 - n_bits))
        for pre in range(weights.shape[0]):
            old = np.int64(weights[pre, post])
            change = (np.int64(np.rint(trace[pre] * np.float32(256.0))) - old) * pull
            if rounding == NEAREST:
                change += np.int64(1) << (low - 1)
            elif rounding == STOCHASTIC:
                bits = mix(key + np.uint64(pre + 1) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - 32)
                change += np.int64(bits >> np.uint64(32 - low))
            level = min(max(old + ((change >> low) << (8 - n_bits)), 0), highest)
            weights[pre, post] = level
            squares += np.float64(level) * np.float64(level)
    else:
        for pre in range(weights.shape[0]):
            w = weights[pre, post] + strength * (trace[pre] - weights[pre, post])
            weights[pre, post] = w
            squares += np.float64(w) * np.float64(w)
    gain[post] = gain_for(squares, gain_norm, weights.itemsize == 1)


@kernel
def learn(
    shares: NDArray[np.uint16],
    n_seen: int,
    seed: np.uint64,
    counts: NDArray[np.uint64],
    n_slots: int,
    weights: Numbers,
    gain: Numbers,
    theta: Floats,
    threshold: Numbers,
    neuron: NeuronConstants,
    eta: Floats,
    theta_plus: Floats,
    rule: RuleConstants,
    n_steps: int,
) -> tuple[int, int, int]:
    """Learn from samples in order, in place; returns output spikes, silent samples and computed steps.

    Sample i draws its spikes from the stream (seed, n_seen + i). With ``rule.stops_at_first_spike`` a sample ends
    with its first output spike, and its input rates are those seen until then.
    """
    n_samples, n_inputs = shares.shape
    n_padded = weights.shape[1]
    slots, last_step = np.empty(n_slots, np.int32), np.empty(n_inputs, np.int32)
    fired = np.empty(MAX_SPIKES, np.int32)
    v, rests_until = np.empty_like(threshold), np.empty(n_padded, np.int16)
    n_in, n_out = np.empty(n_inputs, np.int64), np.empty(n_padded, np.int64)
    trace = np.empty(n_inputs, np.float32)
    n_spikes = n_silent = n_computed = 0
    for sample in range(n_samples):
        key = stream_key(seed, np.uint64(n_seen + sample))
        n_drawn, n_before, used = 0, n_spikes, 0
        last_step[:] = -1
        v[:] = 0
        rests_until[:] = 0
        n_in[:] = 0
        n_out[:] = 0
        if fill_slots(shares[sample], slots):
            for step in range(n_steps):
                n_fired, n_drawn = draw_step(key, step, n_drawn, counts, slots, last_step, fired)
                for i in range(n_fired):
                    n_in[fired[i]] += 1
                winner = step_neurons(weights, gain, threshold, v, rests_until, fired, n_fired, step, neuron)
                used = step + 1
                if winner >= 0:
                    n_out[winner] += 1
                    n_spikes += 1
                    theta[winner] += theta_plus[sample]
                    set_threshold(threshold, theta, winner, neuron.v_threshold)
                    if rule.stops_at_first_spike:
                        break
        n_computed += used
        n_silent += n_spikes == n_before
        if n_spikes > n_before:
            for pre in range(n_inputs):
                trace[pre] = np.float32(min(1.0, n_in[pre] * TRACE_STEPS / used))
        for post in range(n_padded):
            if n_out[post]:
                k = (n_out[post] + SPIKES_PER_STRENGTH - 1) // SPIKES_PER_STRENGTH
                strength = np.float32(min(1.0, k * eta[sample]))
                place = mix(key + np.uint64(post))
                attract(weights, gain, post, trace, strength, rule.n_bits, rule.rounding, place, rule.gain)
        for post in range(rule.n_unpadded):
            theta[post] *= rule.theta_keep
            set_threshold(threshold, theta, post, neuron.v_threshold)
    return n_spikes, n_silent, n_computed


@kernel
def entropy_of(score: NDArray[np.float64], scale: float) -> float:
    """Entropy of softmax(scale * score), scaled to [0, 1], as in dynamic.rule.normalized_entropy."""
    n_classes = score.shape[0]
    top = scale * score[0]
    for k in range(1, n_classes):
        top = max(top, scale * score[k])
    total = weighted = 0.0
    for k in range(n_classes):
        shifted = scale * score[k] - top
        weight = np.exp(shifted)
        total += weight
        weighted += weight * shifted
    return float(min(1.0, max(0.0, (np.log(total) - weighted / total) / np.log(n_classes))))


@kernel
def respond(
    shares: NDArray[np.uint16],
    keys: NDArray[np.uint64],
    counts: NDArray[np.uint64],
    n_slots: int,
    weights: Numbers,
    gain: Numbers,
    threshold: Numbers,
    neuron: NeuronConstants,
    n_steps: int,
    evidence: NDArray[np.float64],
    exit_kind: int,
    max_entropy: float,
    out_neuron: NDArray[np.int32],
    exit_step: NDArray[np.int32],
    score: NDArray[np.float64],
    in_spikes: NDArray[np.int64],
    out_spikes: NDArray[np.int64],
) -> None:
    """Run frozen neurons on samples, and stop each as soon as the exit rule is satisfied.

    Fills ``out_neuron`` (B, T) with the neuron that fired at each step or -1, ``exit_step`` (B,) with the
    steps that were computed, ``score`` (B, K) with the summed evidence (K, N) of the output spikes, and adds
    the spikes of each step to ``in_spikes`` and ``out_spikes`` (T,).
    """
    n_samples, n_inputs = shares.shape
    slots, last_step = np.empty(n_slots, np.int32), np.empty(n_inputs, np.int32)
    fired = np.empty(MAX_SPIKES, np.int32)
    v, rests_until = np.empty_like(threshold), np.empty(weights.shape[1], np.int16)
    for sample in range(n_samples):
        n_drawn, is_active = 0, fill_slots(shares[sample], slots)
        last_step[:] = -1
        v[:] = 0
        rests_until[:] = 0
        score[sample] = 0.0
        exit_step[sample] = n_steps
        for step in range(n_steps):
            n_fired = 0
            if is_active:
                n_fired, n_drawn = draw_step(keys[sample], step, n_drawn, counts, slots, last_step, fired)
            winner = step_neurons(weights, gain, threshold, v, rests_until, fired, n_fired, step, neuron)
            out_neuron[sample, step] = winner
            in_spikes[step] += n_fired
            if winner >= 0:
                out_spikes[step] += 1
                for k in range(evidence.shape[0]):
                    score[sample, k] += evidence[k, winner]
            if exit_kind == EXIT_NEVER or step == n_steps - 1:
                continue
            # The entropy of a sum moves only with a spike; that of a mean moves at every step.
            if winner >= 0 or step == 0 or exit_kind == EXIT_ENTROPY_MEAN:
                scale = 1.0 / (step + 1) if exit_kind == EXIT_ENTROPY_MEAN else 1.0
                if entropy_of(score[sample], scale) < max_entropy:
                    exit_step[sample] = step + 1
                    break
