r"""The compiled event-driven loop of competing neurons: learning and inference from one step.

For each sample, step by step: draw the input spikes, add the weight rows of those that fired, leak and
integrate all neurons, let the one furthest above its threshold fire, and push all others down. Work is
proportional to spikes, not to inputs.

Arrays in, arrays out; the caller has checked everything. Weights are ``[n_inputs, N padded]`` float32,
padding neurons have an infinite threshold. The plain NumPy version of the same equations, which must
agree bit for bit, is the clock-driven oracle of the tests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikewise._compile import kernel
from spikewise.learn.rules import NeuronConstants
from spikewise.spikes.encode import build_alias, draw_step, stream_key

Floats = NDArray[np.float32]

EXIT_NEVER, EXIT_ENTROPY_SUM, EXIT_ENTROPY_MEAN = 0, 1, 2
SPIKES_PER_STRENGTH = 4  # potentiation factor k = ceil(output spikes / 4)
TRACE_STEPS = 20.0  # an input that fires every 20 steps or more often counts as fully active


@kernel
def integrate(
    weights: Floats,
    gain: Floats,
    theta: Floats,
    neuron: NeuronConstants,
    fired: NDArray[np.int32],
    n_fired: int,
    v: Floats,
    rests_until: NDArray[np.int32],
    current: Floats,
    step: int,
) -> int:
    """Advance all neurons by one step; returns the one that fires, or -1.

    The neuron with the largest overshoot v - (v_threshold + theta) >= 0 wins, the first of equals.
    """
    n_padded = v.shape[0]
    current[:] = np.float32(0.0)
    n_fours = n_fired - n_fired % 4
    for i in range(0, n_fours, 4):  # four rows per pass; the order of the sums stays that of the spikes
        a, b, c, d = fired[i], fired[i + 1], fired[i + 2], fired[i + 3]
        for j in range(n_padded):
            current[j] = (((current[j] + weights[a, j]) + weights[b, j]) + weights[c, j]) + weights[d, j]
    for i in range(n_fours, n_fired):
        a = fired[i]
        for j in range(n_padded):
            current[j] += weights[a, j]
    n_above = 0
    for j in range(n_padded):
        moved = v[j] * neuron.decay + gain[j] * current[j]
        v[j] = moved if rests_until[j] <= step else np.float32(0.0)
        n_above += v[j] - (neuron.v_threshold + theta[j]) >= 0
    if n_above == 0:
        return -1
    winner, best = -1, np.float32(-1.0)
    for j in range(n_padded):
        above = v[j] - (neuron.v_threshold + theta[j])
        if above > best:
            winner, best = j, above
    for j in range(n_padded):
        v[j] = max(v[j] - neuron.w_inhibit, neuron.v_floor)
    v[winner] = np.float32(0.0)
    rests_until[winner] = step + neuron.n_refractory + 1
    return winner


@kernel
def attract(weights: Floats, gain: Floats, post: int, trace: Floats, strength: np.float32, gain_norm: float) -> None:
    """Pull the weights of one neuron towards the input it answered, and renew its gain."""
    squares = 0.0
    for pre in range(weights.shape[0]):
        w = weights[pre, post] + strength * (trace[pre] - weights[pre, post])
        weights[pre, post] = w
        squares += np.float64(w) * np.float64(w)
    gain[post] = np.float32(gain_norm / np.sqrt(squares)) if squares > 0 else np.float32(0.0)


@kernel
def learn(
    shares: NDArray[np.uint16],
    n_seen: int,
    seed: np.uint64,
    counts: NDArray[np.uint64],
    weights: Floats,
    gain: Floats,
    theta: Floats,
    neuron: NeuronConstants,
    eta: Floats,
    theta_plus: Floats,
    theta_keep: np.float32,
    gain_norm: float,
    n_steps: int,
) -> tuple[int, int]:
    """Learn from samples in order, in place; returns output spikes and silent samples.

    Sample i draws its spikes from the stream (seed, n_seen + i).
    """
    n_samples, n_inputs = shares.shape
    n_padded = weights.shape[1]
    active, alias = np.empty(n_inputs + 1, np.int32), np.empty(n_inputs, np.int32)
    accept, last_step = np.empty(n_inputs, np.uint32), np.empty(n_inputs, np.int32)
    fired = np.empty(counts.shape[0], np.int32)
    v, current = np.empty(n_padded, np.float32), np.empty(n_padded, np.float32)
    rests_until = np.empty(n_padded, np.int32)
    n_in, n_out = np.empty(n_inputs, np.int64), np.empty(n_padded, np.int64)
    trace = np.empty(n_inputs, np.float32)
    n_spikes = n_silent = 0
    for sample in range(n_samples):
        key = stream_key(seed, np.uint64(n_seen + sample))
        n_active, n_drawn = build_alias(shares[sample], active, accept, alias), 0
        last_step[:] = -1
        v[:] = np.float32(0.0)
        rests_until[:] = 0
        n_in[:] = 0
        n_out[:] = 0
        n_before = n_spikes
        for step in range(n_steps):
            n_fired, n_drawn = draw_step(key, step, n_drawn, counts, active, accept, alias, n_active, last_step, fired)
            for i in range(n_fired):
                n_in[fired[i]] += 1
            winner = integrate(weights, gain, theta, neuron, fired, n_fired, v, rests_until, current, step)
            if winner >= 0:
                n_out[winner] += 1
                n_spikes += 1
                theta[winner] += theta_plus[sample]
        for pre in range(n_inputs):
            trace[pre] = np.float32(min(1.0, n_in[pre] * TRACE_STEPS / n_steps))
        for post in range(n_padded):
            if n_out[post]:
                k = (n_out[post] + SPIKES_PER_STRENGTH - 1) // SPIKES_PER_STRENGTH
                attract(weights, gain, post, trace, np.float32(min(1.0, k * eta[sample])), gain_norm)
            theta[post] *= theta_keep
        n_silent += n_spikes == n_before
    return n_spikes, n_silent


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
    weights: Floats,
    gain: Floats,
    theta: Floats,
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
    n_padded = weights.shape[1]
    active, alias = np.empty(n_inputs + 1, np.int32), np.empty(n_inputs, np.int32)
    accept, last_step = np.empty(n_inputs, np.uint32), np.empty(n_inputs, np.int32)
    fired = np.empty(counts.shape[0], np.int32)
    v, current = np.empty(n_padded, np.float32), np.empty(n_padded, np.float32)
    rests_until = np.empty(n_padded, np.int32)
    for sample in range(n_samples):
        n_active, n_drawn = build_alias(shares[sample], active, accept, alias), 0
        last_step[:] = -1
        v[:] = np.float32(0.0)
        rests_until[:] = 0
        score[sample] = 0.0
        exit_step[sample] = n_steps
        for step in range(n_steps):
            n_fired, n_drawn = draw_step(
                keys[sample], step, n_drawn, counts, active, accept, alias, n_active, last_step, fired
            )
            winner = integrate(weights, gain, theta, neuron, fired, n_fired, v, rests_until, current, step)
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
