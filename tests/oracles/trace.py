"""Clock-driven, plain NumPy version of the rules of traces: every neuron, trace and synapse row at every step.

Slow and obvious. The compiled event-driven kernels must agree with it bit for bit on the same spikes, and their counted
operations with what is counted here, beside the lines that do the work. Inhibitory neurons are simulated in full.
"""

import collections
import math

import numpy as np

from spikewise.learn.stdp.rules import trace as rules

MASK, GOLDEN = (1 << 64) - 1, 0x9E3779B97F4A7C15
F = np.float32


def mix(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def hashed_chance(key, neuron, moment, inputs):
    """Numbers in [0, 1) of 16 bits, one for each of these inputs."""
    place = mix((mix((key + neuron) & MASK) + moment + 1) & MASK)
    return np.array([(mix((place + (int(i) + 1) * GOLDEN) & MASK) >> 48) / 2**16 for i in inputs], F)


class Network:
    """Weights and adaptive thresholds of N neurons, their rule, and counters of what was computed."""

    def __init__(self, weights, theta, rule, settings, norm, lateral):
        self.weights, self.theta, self.rule, self.settings = weights.copy(), theta.copy(), rule, settings
        self.norm, self.lateral = norm, lateral
        self.n_inputs, self.n = weights.shape
        self.w_max = F(1) if settings.n_bits is None else F(1 - 2.0**-settings.n_bits)
        self.counts = collections.defaultdict(collections.Counter)
        self.events = collections.Counter()

    def count(self, component, **operations):
        self.counts[component].update(operations)

    def rest(self):
        """State at the start of a sample."""
        self.v, self.u = np.zeros(self.n, F), np.zeros(self.n)
        self.rests_until, self.u_rests_until = np.zeros(self.n, int), np.zeros(self.n, int)
        self.inhibitory_spikes = []
        self.x_in, self.x_out = np.zeros(self.n_inputs, F), np.zeros(self.n, F)
        self.n_out, self.fired_in_window = np.zeros(self.n, int), np.zeros(self.n, bool)

    def step(self, fired, n_events, step, is_learning):
        """One step of all neurons; returns the winner or -1."""
        neurons, n = self.rule.neurons, self.n
        self.events.update(in_spikes=len(fired), n_draws=1 + n_events, n_steps=1)
        self.count(
            "encoding", random_numbers=1 + n_events, comparisons=n_events, state_reads=n_events, state_writes=n_events
        )
        current = np.zeros(n, F)
        for i in fired:
            current = current + self.weights[i]
            self.count("integration", weight_reads=n, additions=n)
        strength = neurons.w_inhibit_learning if is_learning else neurons.w_inhibit
        if strength is None:  # the mean threshold
            strength = neurons.v_threshold + math.fsum(self.theta.tolist()) / n
        matrix = F(strength) * (1 - np.eye(n, dtype=F))
        for j in self.inhibitory_spikes:
            current = current - matrix[j]
        v = self.v * F(math.exp(-1 / neurons.tau_mem)) + current
        self.count("leak", state_reads=n, state_writes=n, multiplications=n, additions=n)
        self.v = np.where(self.rests_until <= step, v, F(0))
        self.count("refractory period", state_reads=n, comparisons=n)
        threshold = F(neurons.v_threshold) + self.theta
        self.count("threshold", state_reads=n, comparisons=n)
        winner = -1
        if (self.v >= threshold).any():
            winner = int(np.argmax(self.v - threshold))
            self.count("competition", state_reads=2 * n, additions=n, comparisons=n, state_writes=2)
            self.events.update(out_spikes=1)
            self.rests_until[winner] = step + neurons.n_refractory + 1
            if self.rule.inhibition == "direct":
                self.v = self.v - matrix[winner]
                self.count_inhibition()
                self.count("inhibition", state_reads=n - 1, state_writes=n - 1)
            self.v[winner] = 0
        if self.rule.inhibition == "neurons":
            self.step_inhibitory(winner, step)
        return winner

    def count_inhibition(self):
        self.count("inhibition", additions=self.n - 1, weight_reads=self.n - 1 if self.lateral == "matrix" else 0)

    def step_inhibitory(self, winner, step):
        """One step of the inhibitory neurons; their spikes arrive at the next step."""
        n, name = self.n, "inhibitory neurons"
        excitation = np.zeros(n)
        if winner >= 0:
            excitation[winner] = rules.INHIBITORY_EXCITATION
            self.count(name, weight_reads=1, additions=1)
        u = self.u * math.exp(-1 / rules.INHIBITORY_TAU) + excitation
        self.u = np.where(self.u_rests_until <= step, u, 0)
        self.inhibitory_spikes = np.flatnonzero(self.u >= rules.INHIBITORY_THRESHOLD)
        self.count(name, state_reads=2 * n, state_writes=n, multiplications=n, comparisons=2 * n)
        for j in self.inhibitory_spikes:
            self.u[j] = 0
            self.u_rests_until[j] = step + rules.INHIBITORY_REFRACTORY + 1
            self.count(name, state_writes=2)
            self.count_inhibition()  # where the spike is sent, even if the sample ends before it arrives
            self.events.update(inhibitory_spikes=1)

    def on_grid(self, w, moment, inputs, neurons, key, component):
        """Keep weights of these inputs and neurons, which broadcast, in their range and on their grid."""
        self.count(component, comparisons=2 * w.size)
        if self.settings.n_bits is None:
            return np.clip(w, F(0), self.w_max)
        n_levels, chance = F(2**self.settings.n_bits), F(0)
        if self.settings.rounding == "stochastic":
            chance = np.stack([hashed_chance(key, int(j), moment, inputs) for j in neurons], 1)
            self.count(component, additions=w.size, random_numbers=w.size)
        elif self.settings.rounding == "nearest":
            chance = F(0.5)
        return np.clip(np.floor(w * n_levels + chance) / n_levels, F(0), self.w_max)

    def powered(self, base, component):
        mu = self.rule.mu
        self.count(component, multiplications=base.size)
        if mu != 1:
            self.count(component, exponentials=base.size)
        return {1: base, 0.5: np.sqrt(base), 0.25: np.sqrt(np.sqrt(base))}[mu]

    def depress(self, fired, step, key):
        name = "pre-triggered update"
        everyone = np.arange(self.n)
        for i in fired:
            row = self.weights[[i]]
            loss = (F(self.rule.nu_pre) * self.x_out)[None]
            self.count(
                name, weight_reads=row.size, weight_writes=row.size, state_reads=row.size, multiplications=row.size
            )
            if self.rule.mu:
                loss = loss * self.powered(row, name)
            self.count(name, additions=row.size)
            self.weights[[i]] = self.on_grid(row - loss, 2 * step, [i], everyone, key, name)
            self.events.update(n_depressions=1)

    def potentiate(self, neurons, step, key):
        name, strength = "post-triggered update", F(self.rule.nu_post)
        if len(neurons) == 0:
            return
        self.events.update(n_updates=1)
        if self.rule.spikes_per_strength is not None:
            strength = F(math.ceil(self.n_out.max() / self.rule.spikes_per_strength)) * strength
            self.count("adaptive potentiation", multiplications=2)
        for j in neurons:
            column = self.weights[:, [j]]
            gain = (strength * self.x_in)[:, None]
            self.count(name, weight_reads=column.size, weight_writes=column.size)
            self.count(name, state_reads=column.size, multiplications=column.size, additions=column.size)
            if self.rule.mu:
                self.count(name, additions=column.size)
                gain = gain * self.powered(self.w_max - column, name)
            changed = self.on_grid(column + gain, 2 * step + 1, np.arange(self.n_inputs), [j], key, name)
            self.weights[:, [j]] = changed
            self.events.update(n_potentiations=1)

    def normalise(self, j, key):
        name, total = "normalisation", 0.0
        for w in self.weights[:, j]:
            total += float(w)
            self.count(name, weight_reads=1, additions=1)
        self.count(name, multiplications=1)
        if total > 0:
            column = self.weights[:, [j]] * F(self.norm / total)
            self.count(name, weight_reads=column.size, multiplications=column.size, weight_writes=column.size)
            everything = np.arange(self.n_inputs)
            self.weights[:, [j]] = self.on_grid(column, 2 * self.settings.n_steps, everything, [j], key, name)
        self.events.update(n_normalisations=1)

    def learn(self, train, n_events, key):
        """Present inputs that fire at each step, of so many events, and learn; an empty sample has no steps."""
        self.rest()
        rule, n_steps = self.rule, self.settings.n_steps
        self.events.update(n_samples=1)
        for step, fired in enumerate(train):
            self.decay_traces(fired)
            winner = self.step(fired, n_events[step], step, is_learning=True)
            if rule.nu_pre > 0:
                self.depress(fired, step, key)
            if winner >= 0:
                self.take_spike(winner)
            if rule.updates == "spike" and winner >= 0:
                self.potentiate([winner], step, key)
            if rule.updates == "window" and ((step + 1) % rule.window == 0 or step == n_steps - 1):
                self.count("update windows", state_reads=self.n, comparisons=self.n)
                self.potentiate(np.flatnonzero(self.fired_in_window), step, key)
                self.fired_in_window[:] = False
        for j in np.flatnonzero(self.n_out):
            self.normalise(j, key)
        self.count_silence(n_events, self.n_out.any())
        self.theta = self.theta * F(math.exp(-(n_steps + rule.n_rest) / rule.tau_theta))
        n = self.n
        self.count("threshold adaptation", state_reads=n, state_writes=2 * n, multiplications=n, additions=n)

    def decay_traces(self, fired):
        keep = F(math.exp(-1 / self.rule.tau_trace))
        self.x_in = self.x_in * keep
        self.x_in[fired] = 1
        n = self.n_inputs
        self.count("trace decay", state_reads=n, state_writes=n + len(fired), multiplications=n)
        if self.rule.nu_pre > 0:
            self.x_out = self.x_out * keep
            self.count("trace decay", state_reads=self.n, state_writes=self.n, multiplications=self.n)

    def take_spike(self, winner):
        """What an output spike changes besides weights."""
        self.theta[winner] += F(self.rule.theta_plus)
        self.count("threshold adaptation", state_reads=1, state_writes=2, additions=2)
        self.n_out[winner] += 1
        if self.rule.nu_pre > 0:
            self.x_out[winner] = 1
            self.count("trace decay", state_writes=1)
        if self.rule.spikes_per_strength is not None:
            self.count("adaptive potentiation", state_reads=2, state_writes=2, additions=1, comparisons=1)
        if self.rule.updates == "window":
            self.fired_in_window[winner] = True
            self.count("update windows", state_writes=1)

    def respond(self, train, n_events):
        """Neuron that fires at each step, -1 where none does; nothing is learned."""
        self.rest()
        winners = [self.step(fired, n_events[step], step, is_learning=False) for step, fired in enumerate(train)]
        self.events.update(n_samples=1)
        self.count_silence(n_events, max(winners) >= 0)
        return np.array(winners)

    def count_silence(self, n_events, has_spoken):
        """A sample without any input is empty; one with inputs but without an answer is silent."""
        is_empty = sum(n_events) == 0
        self.events.update(n_empty=int(is_empty), n_silent=int(not is_empty and not has_spoken))
