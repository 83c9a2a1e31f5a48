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
    """Inputs that fire at each step, drawn one Python integer at a time, and the number of events drawn."""
    total, so_far, slots = sum(shares), 0, []
    for i, share in enumerate(shares):
        so_far += share
        if share:
            slots += [i] * (int(so_far * (n_slots / total)) - len(slots))
            last = i
    slots += [last] * (n_slots - len(slots)) if total else []
    places = 4 if n_slots <= 65536 else 2  # of a hash
    train, n_drawn = [], 0
    for step in range(n_steps):
        bits = mix(key ^ ((step + 1) * 0xD6E8FEB86659FD93 & MASK))
        n_events = sum(bits >= int(bound) for bound in counts[:-1]) if total else 0
        fired = []
        for event in range(n_drawn, n_drawn + n_events):
            word = mix((key + (event // places + 1) * GOLDEN) & MASK) >> (64 // places * (event % places))
            index = slots[word % n_slots]
            if index not in fired and len(fired) < most:
                fired.append(index)
        train.append(fired)
        n_drawn += n_events
    return train, n_drawn


class Network:
    """Weights, gains, adaptive thresholds and constants of N neurons; counts every operation where it is done."""

    def __init__(self, weights, neuron, gain_norm, theta):
        self.weights, self.neuron, self.gain_norm, self.theta = weights.copy(), neuron, gain_norm, theta.copy()
        self.is_integer = weights.dtype == np.uint8
        self.gain = np.array([self.gain_of(j) for j in range(weights.shape[1])])
        self.set_thresholds()
        self.operations = {}

    def count(self, component, **operations):
        """Note operations: names of ``spikewise.workload.operations.Operations`` and how many."""
        part = self.operations.setdefault(component, {})
        for name, number in operations.items():
            part[name] = part.get(name, 0) + number

    def count_encoding(self, n_steps, n_events):
        """What the drawing of input spikes took."""
        self.count("encoding", random_numbers=n_steps + n_events, comparisons=n_events)
        self.count("encoding", state_reads=n_events, state_writes=n_events)

    def gain_of(self, j):
        squares = 0.0
        for w in self.weights[:, j]:
            squares += float(w) * float(w)
        if self.is_integer:
            return min(65535, round(self.gain_norm / (math.sqrt(squares) / 256) * 2048)) if squares else 0
        return np.float32(self.gain_norm / math.sqrt(squares) * 64) if squares else np.float32(0)

    def set_thresholds(self):
        level = np.rint((self.neuron.v_threshold + self.theta) * np.float32(64))
        self.threshold = np.clip(level, 1, 32766)

    def start(self):
        kind = np.int64 if self.is_integer else np.float32
        self.v = np.zeros(self.weights.shape[1], kind)
        self.rests_until = np.zeros(self.weights.shape[1], int)

    def step(self, fired, step):
        """One step of all neurons; returns the winner or -1."""
        neuron, n = self.neuron, len(self.v)
        if self.is_integer:
            total = np.zeros(n, np.int64)
            for i in fired:
                total += self.weights[i]
                self.count("integration", weight_reads=n, additions=n)
            current = np.minimum(32767, (8 * total * self.gain) >> 16)
            leaked = (self.v * int(neuron.leak)) >> 16
            v = np.clip(self.v - leaked + current, -32768, 32767)
            self.count("leak", state_reads=n, state_writes=n, multiplications=n, additions=2 * n)
        else:
            total = np.zeros(n, np.float32)
            for i in fired:
                total = total + self.weights[i]
                self.count("integration", weight_reads=n, additions=n)
            v = self.v * neuron.decay + self.gain * total
            self.count("leak", state_reads=n, state_writes=n, multiplications=n, additions=n)
        self.count("integration", multiplications=n, state_reads=n)  # by the gain
        self.v = np.where(self.rests_until <= step, v, 0).astype(self.v.dtype)
        self.count("refractory period", state_reads=n, comparisons=n)
        above = self.v - self.threshold
        self.count("threshold", state_reads=n, comparisons=n)
        if not (above >= 0).any():
            return -1
        winner = int(np.argmax(above))
        self.count("competition", state_reads=2 * n, additions=n, comparisons=n)
        self.v = np.maximum(self.v - neuron.w_inhibit, neuron.v_floor).astype(self.v.dtype)
        self.count("inhibition", state_reads=n - 1, state_writes=n - 1, additions=n - 1, comparisons=n - 1)
        self.v[winner] = 0
        self.rests_until[winner] = step + neuron.n_refractory + 1
        self.count("competition", state_writes=2)
        return winner

    def learn(self, train, eta, theta_plus, rule, key, n_events=0):
        """Present a spike train (inputs that fire at each step) and learn from it; returns spikes per neuron."""
        self.start()
        n = len(self.v)
        n_out, n_in, first, all_out = np.zeros(n, int), np.zeros(len(self.weights), int), 0, np.zeros(n, int)
        for step, fired in enumerate(train):
            n_in[fired] += 1
            self.count("input rates", state_reads=len(fired), state_writes=len(fired), additions=len(fired))
            winner = self.step(fired, step)
            if winner >= 0:
                n_out[winner] += 1
                self.theta[winner] += theta_plus
                self.set_thresholds()
                self.count("threshold adaptation", state_reads=1, state_writes=2, additions=2)
            is_over = step == len(train) - 1 or (winner >= 0 and rule.stops_at_first_spike)
            if is_over or (step + 1) % int(rule.window) == 0:
                self.update(n_in, n_out, step + 1 - first, eta, rule, key if first == 0 else mix(key ^ first))
                all_out, first = all_out + n_out, step + 1
                n_in[:], n_out[:] = 0, 0
            if is_over:
                break
        self.relax(rule)
        return all_out

    def relax(self, rule):
        self.theta *= rule.theta_keep
        self.set_thresholds()
        n = len(self.theta)
        self.count("threshold adaptation", state_reads=n, state_writes=2 * n, additions=n, multiplications=n)

    def update(self, n_in, n_out, n_steps, eta, rule, key):
        """Pull the neurons that fired towards the input rates of these steps."""
        if not n_out.any():
            return
        x = np.minimum(1.0, n_in * 20.0 / n_steps).astype(np.float32)
        n = len(x)
        self.count("input rates", state_reads=n, state_writes=n, multiplications=n, comparisons=n)
        for j in np.flatnonzero(n_out):
            strength = np.float32(min(1.0, math.ceil(n_out[j] / 4) * eta))
            self.attract(j, x, strength, rule, mix((key + int(j)) & MASK))
            self.gain[j] = self.gain_of(j)
            self.count("gain", multiplications=n + 2, additions=n, state_writes=1)

    def attract(self, j, x, strength, rule, key):
        name, n = "post-triggered update", len(x)
        self.count(name, weight_reads=n, weight_writes=n, state_reads=n, additions=2 * n, multiplications=n)
        if not self.is_integer:
            self.weights[:, j] += strength * (x - self.weights[:, j])
            return
        grid, pull = 2 ** (8 - int(rule.n_bits)), round(float(strength * np.float32(65536)))
        for i, trace in enumerate(x):
            w = int(self.weights[i, j])
            change = (round(float(trace * np.float32(256))) - w) * pull  # in 1/65536 of the last bit of 8
            cell = 65536 * grid
            extra = 0
            if rule.rounding == 1:
                extra = cell // 2
            elif rule.rounding == 2:
                half = mix((key + (i // 2 + 1) * GOLDEN) & MASK) << 32 * (i % 2) & MASK
                extra = (half >> 32) * cell >> 32
                self.count(name, random_numbers=1, additions=1)
            self.weights[i, j] = min(max(w + (change + extra) // cell * grid, 0), 256 - grid)
            self.count(name, comparisons=2)

    def respond(self, train):
        """Neuron that fires at each step (T,), -1 where none does; nothing is learned."""
        self.start()
        return np.array([self.step(fired, step) for step, fired in enumerate(train)])
