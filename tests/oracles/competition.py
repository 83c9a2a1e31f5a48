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


def spikes(shares, key, counts, n_steps):
    """Inputs that fire at each step, drawn one Python integer at a time."""
    active = [i for i, share in enumerate(shares) if share]
    accept, alias = alias_table([int(shares[i]) for i in active])
    train, n_drawn = [], 0
    for step in range(n_steps):
        bits = mix(key ^ ((step + 1) * 0xD6E8FEB86659FD93 & MASK))
        n_events = sum(bits >= int(bound) for bound in counts[:-1]) if active else 0
        fired = []
        for event in range(n_drawn, n_drawn + n_events):
            word = mix((key + (event + 1) * 0x9E3779B97F4A7C15) & MASK)
            slot = (word >> 32) * len(active) >> 32
            index = active[slot] if (word & 0xFFFFFFFF) <= accept[slot] else active[alias[slot]]
            if index not in fired:
                fired.append(index)
        train.append(fired)
        n_drawn += n_events
    return train


def alias_table(weights):
    """Walker's table of positive integer weights: probability (of 2**32) to keep each slot, and its alias."""
    total, n = sum(weights), len(weights)
    left = [w * n for w in weights]
    accept, alias = [2**32 - 1] * n, list(range(n))
    small = [i for i in range(n) if left[i] < total]
    large = [i for i in range(n) if left[i] >= total]
    while small and large:
        low, high = small.pop(), large[-1]
        accept[low], alias[low] = int(left[low] / total * 4294967295.0), high
        left[high] -= total - left[low]
        if left[high] < total:
            small.append(large.pop())
    return accept, alias


def step_neurons(fired, weights, gain, theta, neuron, v, rests_until, step):
    """One step of all neurons; returns the winner or -1."""
    current = np.zeros_like(v)
    for i in fired:
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
    """Present a spike train (inputs that fire at each step) and learn from it, in place; returns spikes per neuron."""
    n_steps = len(train)
    v = np.zeros(weights.shape[1], np.float32)
    rests_until = np.zeros(weights.shape[1], int)
    n_out = np.zeros(weights.shape[1], int)
    for step in range(n_steps):
        winner = step_neurons(train[step], weights, gain, theta, neuron, v, rests_until, step)
        if winner >= 0:
            n_out[winner] += 1
            theta[winner] += theta_plus
    n_in = np.bincount(np.concatenate([*train, []]).astype(int), minlength=len(weights))
    x = np.minimum(1.0, n_in * 20.0 / n_steps).astype(np.float32)
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
