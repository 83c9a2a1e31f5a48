"""Clock-driven, plain NumPy version of the competing neurons: every neuron and synapse at every step.

Slow and obvious. The compiled event-driven kernels must agree with it bit for bit on the same spikes.
"""

import numpy as np

MASK = (1 << 64) - 1


def mix(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def stream_key(seed, stream):
    return mix(mix((seed + 0x9E3779B97F4A7C15) & MASK) ^ ((stream * 0xD6E8FEB86659FD93 + 0x9E3779B97F4A7C15) & MASK))


def spikes(thresholds, key, n_steps):
    """Spike train (T, n_inputs), one Python integer at a time."""
    train = np.zeros((n_steps, len(thresholds)), bool)
    for step in range(n_steps):
        first = step - step % 4
        for i, threshold in enumerate(thresholds):
            word = mix((key + (i + 1) * 0x9E3779B97F4A7C15 + (first + 1) * 0xD6E8FEB86659FD93) & MASK)
            train[step, i] = ((word >> (16 * (step - first))) & 0xFFFF) < threshold
    return train


def step_neurons(train_row, weights, gain, theta, neuron, v, rests_until, step):
    """One step of all neurons; returns the winner or -1."""
    current = np.zeros_like(v)
    for i in np.flatnonzero(train_row):
        current = current + weights[i]
    v[:] = np.where(rests_until <= step, v * neuron.decay + gain * current, np.float32(0))
    above = v - (neuron.v_threshold + theta)
    if not (above >= 0).any():
        return -1
    winner = int(np.argmax(above))
    v[:] = np.maximum(v - neuron.w_inhibit, neuron.v_floor)
    v[winner] = 0
    rests_until[winner] = step + neuron.n_refractory + 1
    return winner


def learn_sample(train, weights, gain, theta, neuron, eta, theta_plus, theta_keep, gain_norm):
    """Present one spike train (T, n_inputs) and learn from it, in place; returns spikes per neuron."""
    n_steps = len(train)
    v = np.zeros(weights.shape[1], np.float32)
    rests_until = np.zeros(weights.shape[1], int)
    n_out = np.zeros(weights.shape[1], int)
    for step in range(n_steps):
        winner = step_neurons(train[step], weights, gain, theta, neuron, v, rests_until, step)
        if winner >= 0:
            n_out[winner] += 1
            theta[winner] += theta_plus
    x = np.minimum(1.0, train.sum(0) * 20.0 / n_steps).astype(np.float32)
    for j in np.flatnonzero(n_out):
        k = int(np.ceil(n_out[j] / 4))
        strength = np.float32(min(1.0, k * eta))
        weights[:, j] = weights[:, j] + strength * (x - weights[:, j])
        # A running sum, in the order of the inputs.
        norm = np.sqrt(np.cumsum(weights[:, j].astype(np.float64) ** 2)[-1])
        gain[j] = np.float32(gain_norm / norm) if norm > 0 else np.float32(0)
    theta *= theta_keep
    return n_out


def respond_sample(train, weights, gain, theta, neuron):
    """Neuron that fires at each step (T,), -1 where none does; nothing is learned."""
    v = np.zeros(weights.shape[1], np.float32)
    rests_until = np.zeros(weights.shape[1], int)
    return np.array(
        [step_neurons(row, weights, gain, theta, neuron, v, rests_until, step) for step, row in enumerate(train)]
    )
