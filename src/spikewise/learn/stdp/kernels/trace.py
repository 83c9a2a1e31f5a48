"""Learning by the trace rules: present a sample, update weights at spikes or windows, normalise.

Synapses and traces are event-driven: a trace is looked up from the time of its last spike, in a table with the bits of
repeated decay, and weights are changed only where a trace is not zero. Weights are float32; with fixed point they stay
on the grid of their bits, to which each change is rounded. The caller has checked all arguments. The clock-driven
oracle of the tests computes the same equations in plain NumPy and must agree bit for bit.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikewise._compile import inlined, kernel
from spikewise.learn.stdp.counters import EVENT, count_sample
from spikewise.learn.stdp.rules.trace import TraceConstants, TraceNeuronConstants
from spikewise.spikes.streams import BURST, SpikeStream, begin, draw, mix

from .lean import NEAREST, STOCHASTIC
from .trace_layer import NOBODY, Floats, Layer, fire, integrate, start

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_NEVER = -1


class History(NamedTuple):
    """Times of spikes in the present sample, and table of decaying traces; a tuple so that it compiles."""

    last_in: NDArray[np.int32]  # step of each input's last spike
    last_out: NDArray[np.int32]
    n_out: NDArray[np.int64]  # spikes of each neuron
    awake: NDArray[np.int32]  # neurons that fired, in the order of their first spikes
    is_due: NDArray[np.bool_]  # neurons that fired in this window
    trace_after: Floats  # what is left of a trace after 0, 1, ... steps
    trace: Floats  # memory for the traces of all inputs


def new_history(n_inputs: int, trace_after: Floats, n_neurons: int) -> History:
    """Allocate memory for one sample at a time."""
    return History(
        np.empty(n_inputs, np.int32), np.empty(n_neurons, np.int32), np.empty(n_neurons, np.int64),
        np.empty(n_neurons, np.int32), np.empty(n_neurons, np.bool_), trace_after, np.empty(n_inputs, np.float32),
    )  # fmt: skip


@inlined
def on_grid(w: np.float32, rule: TraceConstants, place: np.uint64, pre: Any) -> np.float32:
    """Clip a weight to [0, w_max] and round it to its bits; 16 random bits are hashed from (place, input)."""
    if rule.n_levels == 0:
        return np.float32(min(max(w, np.float32(0)), rule.w_max))
    scaled = w * rule.n_levels
    if rule.rounding == STOCHASTIC:
        chance = mix(place + np.uint64(pre + 1) * _GOLDEN) >> np.uint64(48)
        scaled += np.float32(chance) * np.float32(2.0**-16)
    elif rule.rounding == NEAREST:
        scaled += np.float32(0.5)
    return np.float32(min(max(np.floor(scaled) / rule.n_levels, np.float32(0)), rule.w_max))


@inlined
def power(base: np.float32, mu: np.float32) -> np.float32:
    """Return a number in [0, 1] to the power of 0.25, 0.5 or 1, by square roots only."""
    if mu == np.float32(1):
        return base
    # A square root has the same bits on every machine; a power has not.
    root = np.float32(np.sqrt(base))
    return root if mu == np.float32(0.5) else np.float32(np.sqrt(root))


@inlined
def place_of(key: np.uint64, post: int, moment: int) -> np.uint64:
    """Return the place in the random stream for the update of a neuron at a moment."""
    return np.uint64(mix(mix(key + np.uint64(post)) + np.uint64(moment + 1)))


@kernel
def depress(
    weights: Floats,
    stream: SpikeStream,
    step: int,
    history: History,
    n_awake: int,
    rule: TraceConstants,
    key: np.uint64,
) -> None:
    """Weaken the synapses of the inputs that fire at this step onto the neurons that fired before."""
    for i in range(n_awake):
        post = np.uint64(history.awake[i])
        change = rule.nu_pre * history.trace_after[step - history.last_out[post]]
        # Even moments: depression, and after the last step normalisation. Odd ones: potentiation.
        place = place_of(key, history.awake[i], 2 * step)
        for at in range(stream.ends[step], stream.ends[step + 1]):
            pre = np.uint64(stream.spikes[np.uint64(at)])
            w = weights[pre, post]
            loss = change if rule.mu == 0 else change * power(w, rule.mu)
            weights[pre, post] = on_grid(w - loss, rule, place, pre)


@kernel
def set_traces(history: History, step: int) -> None:
    """Look up the traces of all inputs at this step."""
    for pre in range(history.last_in.shape[0]):
        last = history.last_in[pre]
        history.trace[pre] = np.float32(0) if last == _NEVER else history.trace_after[np.uint64(step - last)]


@kernel
def potentiate(
    weights: Floats, post: int, trace: Floats, strength: np.float32, rule: TraceConstants, place: np.uint64
) -> None:
    """Strengthen the synapses of one neuron in proportion to the traces of their inputs."""
    for pre in range(weights.shape[0]):
        w = weights[pre, post]
        gain = strength * trace[pre]
        if rule.mu != 0:
            gain *= power(rule.w_max - w, rule.mu)
        weights[pre, post] = on_grid(w + gain, rule, place, pre)


@kernel
def normalise(weights: Floats, post: int, rule: TraceConstants, place: np.uint64) -> None:
    """Scale the weights of one neuron to their fixed sum; none exceeds the highest weight."""
    total = 0.0
    for pre in range(weights.shape[0]):
        total += np.float64(weights[pre, post])
    if total > 0:
        factor = np.float32(rule.norm / total)
        for pre in range(weights.shape[0]):
            weights[pre, post] = on_grid(weights[pre, post] * factor, rule, place, pre)


@inlined
def strength_of(most: int, rule: TraceConstants) -> np.float32:
    """Return the learning rate times the factor k, from the spikes so far of the most active neuron."""
    if rule.spikes_per_strength == 0:
        return rule.nu_post
    k = (most + rule.spikes_per_strength - 1) // rule.spikes_per_strength
    return np.float32(k) * rule.nu_post


@kernel
def note_spike(history: History, winner: int, step: int, n_awake: int) -> int:
    """Record an output spike; returns the number of neurons that have fired."""
    if history.n_out[winner] == 0:
        history.awake[n_awake] = winner
        n_awake += 1
    history.n_out[winner] += 1
    history.last_out[winner] = step
    history.is_due[winner] = True
    return n_awake


@kernel
def update_due(
    weights: Floats, step: int, history: History, n_awake: int, most: int, rule: TraceConstants, key: np.uint64
) -> int:
    """Potentiate the neurons that fired since the last update; returns how many."""
    n_due = 0
    for i in range(n_awake):
        post = history.awake[i]
        if history.is_due[post]:
            # Traces are the same for all neurons, and needed only if one is due.
            if n_due == 0:
                set_traces(history, step)
            history.is_due[post] = False
            place = place_of(key, post, 2 * step + 1)
            potentiate(weights, post, history.trace, strength_of(most, rule), rule, place)
            n_due += 1
    return n_due


@kernel
def learn(
    shares: NDArray[np.uint16],
    keys: NDArray[np.uint64],
    stream: SpikeStream,
    layer: Layer,
    history: History,
    neuron: TraceNeuronConstants,
    rule: TraceConstants,
) -> NDArray[np.int64]:
    """Learn from samples in order, in place; a key determines the spikes of each. Returns events by ``EVENT``."""
    weights, events, n_steps = layer.weights, np.zeros(len(EVENT), np.int64), stream.ends.shape[0] - 1
    window = rule.window if rule.window > 0 else n_steps
    for sample in range(shares.shape[0]):
        key = keys[sample]
        start(layer, neuron.v_threshold)
        history.last_in[:] = _NEVER
        history.n_out[:] = 0
        history.is_due[:] = False
        n_awake, n_out, most, inhibitor = 0, 0, 0, NOBODY
        is_active = begin(stream, shares, sample)
        if is_active:
            for step in range(n_steps):
                if step % BURST == 0:
                    draw(stream, key, step, min(step + BURST, n_steps))
                # Input traces first: a spike of this step counts for the updates of this step.
                for at in range(stream.ends[step], stream.ends[step + 1]):
                    history.last_in[np.uint64(stream.spikes[np.uint64(at)])] = step
                crossed = integrate(layer, stream, step, neuron, inhibitor)
                inhibitor = NOBODY
                if rule.nu_pre > 0:
                    # Before the output spike: a neuron's own spike of this step has not set its trace yet.
                    depress(weights, stream, step, history, n_awake, rule, key)
                if crossed:
                    winner = fire(layer, step, neuron)
                    n_awake = note_spike(history, winner, step, n_awake)
                    most = max(most, history.n_out[winner])
                    layer.theta[winner] += rule.theta_plus
                    layer.threshold[winner] = neuron.v_threshold + layer.theta[winner]
                    layer.n_fired[winner] += 1
                    n_out += 1
                    inhibitor = winner if neuron.is_delayed else NOBODY
                is_over = step == n_steps - 1 or (step + 1) % window == 0
                if is_over if rule.window > 0 else crossed:
                    n_due = update_due(weights, step, history, n_awake, most, rule, key)
                    events[EVENT.n_potentiations] += n_due
                    events[EVENT.n_updates] += n_due > 0
        for i in range(n_awake):
            post = history.awake[i]
            normalise(weights, post, rule, place_of(key, post, 2 * n_steps))
        events[EVENT.n_normalisations] += n_awake
        count_sample(events, stream, is_active, n_steps if is_active else 0, n_out)
        for post in range(layer.theta.shape[0]):
            layer.theta[post] *= rule.theta_keep
    events[EVENT.inhibitory_spikes] = events[EVENT.out_spikes] if neuron.is_delayed else 0
    events[EVENT.n_depressions] = events[EVENT.in_spikes] if rule.nu_pre > 0 else 0
    return events
