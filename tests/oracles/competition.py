"""Clock-driven, plain NumPy version of the competing neurons: every neuron and synapse at every step.

Slow and obvious. The compiled event-driven kernels must agree with it bit for bit on the same spikes, in both
precisions: 8-bit weights with 16-bit state, and floats. Potentials are in units of 1/64 mV.
"""

import math

import numpy as np

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def stream_key(seed, stream):
    return mix(mix((seed + GOLDEN) & MASK) ^ ((stream * 0xD6E8FEB86659FD93 + GOLDEN) & MASK))


def spikes(shares, key, counts, n_slots, n_steps, most):
    """Inputs that fire at each step, drawn one Python integer at a time."""
    total, so_far, slots = sum(shares), 0, []
    for i, share in enumerate(shares):
        so_far += share
        if share:
            slots += [i] * (int(so_far * (n_slots / total)) - len(slots))
            last = i
    slots += [last] * (n_slots - len(slots)) if total else []
    train, n_drawn = [], 0
    for step in range(n_steps):
        bits = mix(key ^ ((step + 1) * 0xD6E8FEB86659FD93 & MASK))
        n_events = sum(bits >= int(bound) for bound in counts[:-1]) if total else 0
        fired = []
        for event in range(n_drawn, n_drawn + n_events):
            index = slots[(mix((key + (event + 1) * GOLDEN) & MASK) >> 32) * n_slots >> 32]
            if index not in fired and len(fired) < most:
                fired.append(index)
        train.append(fired)
        n_drawn += n_events
    return train


class Network:
    """Weights, gains, adaptive thresholds and constants of N neurons."""

    def __init__(self, weights, neuron, gain_norm, theta):
        self.weights, self.neuron, self.gain_norm, self.theta = weights.copy(), neuron, gain_norm, theta.copy()
        self.is_integer = weights.dtype == np.uint8
        self.gain = np.array([self.gain_of(j) for j in range(weights.shape[1])])
        self.set_thresholds()

    def gain_of(self, j):
        squares = 0.0
        for w in self.weights[:, j]:
            squares += float(w) * float(w)
        if self.is_integer:
            return min(65535, round(self.gain_norm / (math.sqrt(squares) / 256) * 2048)) if squares else 0
        return np.float32(self.gain_norm / math.sqrt(squares) * 64) if squares else np.float32(0)

    def set_thresholds(self):
        level = np.rint((self.neuron.v_threshold + self.theta) * np.float32(64))
        self.threshold = np.minimum(level, 32766)

    def start(self):
        kind = np.int64 if self.is_integer else np.float32
        self.v = np.zeros(self.weights.shape[1], kind)
        self.rests_until = np.zeros(self.weights.shape[1], int)

    def step(self, fired, step):
        """One step of all neurons; returns the winner or -1."""
        neuron = self.neuron
        if self.is_integer:
            total = sum((self.weights[i].astype(np.int64) for i in fired), np.zeros(len(self.v), np.int64))
            current = np.minimum(32767, (8 * total * self.gain) >> 16)
            v = np.clip(self.v - ((self.v * int(neuron.leak)) >> 16) + current, -32768, 32767)
        else:
            total = np.zeros(len(self.v), np.float32)
            for i in fired:
                total = total + self.weights[i]
            v = self.v * neuron.decay + self.gain * total
        self.v = np.where(self.rests_until <= step, v, 0).astype(self.v.dtype)
        above = self.v - self.threshold
        if not (above >= 0).any():
            return -1
        winner = int(np.argmax(above))
        self.v = np.maximum(self.v - neuron.w_inhibit, neuron.v_floor).astype(self.v.dtype)
        self.v[winner] = 0
        self.rests_until[winner] = step + neuron.n_refractory + 1
        return winner

    def learn(self, train, eta, theta_plus, rule, key):
        """Present a spike train (inputs that fire at each step) and learn from it; returns spikes per neuron."""
        self.start()
        n_out, n_in, used = np.zeros(len(self.v), int), np.zeros(len(self.weights), int), 0
        for step, fired in enumerate(train):
            used = step + 1
            n_in[fired] += 1
            winner = self.step(fired, step)
            if winner >= 0:
                n_out[winner] += 1
                self.theta[winner] += theta_plus
                self.set_thresholds()
                if rule.stops_at_first_spike:
                    break
        x = np.minimum(1.0, n_in * 20.0 / used).astype(np.float32)
        for j in np.flatnonzero(n_out):
            strength = np.float32(min(1.0, math.ceil(n_out[j] / 4) * eta))
            self.attract(j, x, strength, rule, mix((key + int(j)) & MASK))
            self.gain[j] = self.gain_of(j)
        self.theta *= rule.theta_keep
        self.set_thresholds()
        return n_out

    def attract(self, j, x, strength, rule, key):
        if not self.is_integer:
            self.weights[:, j] += strength * (x - self.weights[:, j])
            return
        grid, pull = 2 ** (8 - int(rule.n_bits)), round(float(strength * np.float32(65536)))
        for i, trace in enumerate(x):
            w = int(self.weights[i, j])
            change = (round(float(trace * np.float32(256))) - w) * pull  # in 1/65536 of the last bit of 8
            cell = 65536 * grid
            extra = {0: 0, 1: cell // 2, 2: mix((key + (i + 1) * GOLDEN) & MASK) * cell >> 64}[int(rule.rounding)]
            self.weights[i, j] = min(max(w + (change + extra) // cell * grid, 0), 256 - grid)

    def respond(self, train):
        """Neuron that fires at each step (T,), -1 where none does; nothing is learned."""
        self.start()
        return np.array([self.step(fired, step) for step, fired in enumerate(train)])
