"""Competing neurons with normalised weights: one step, selection of the neuron that fires, and early exit.

Everything is float32: weights ``[n_inputs, N]`` in [0, 1], potentials in mV above rest. Inhibition acts at once, or
with the currents of the next step as if it came from inhibitory neurons. These always fire after their excitatory
partner (see ``rules/trace.py``), so only their delay is simulated here; the oracle of the tests simulates them in full.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikewise._compile import kernel
from spikewise.learn.stdp.counters import EVENT, count_sample
from spikewise.learn.stdp.rules.trace import TraceNeuronConstants
from spikewise.spikes.streams import BURST, SpikeStream, begin, draw

from .respond import ExitConstants, Sheet, must_stop, note_spike

Floats = NDArray[np.float32]
NOBODY = -1


class Layer(NamedTuple):
    """Learned values of N neurons, and their state during one sample; a tuple so that it compiles."""

    weights: Floats
    theta: Floats
    n_fired: NDArray[np.int64]
    v: Floats
    current: Floats
    threshold: Floats
    rests_until: NDArray[np.int32]


def with_state(weights: Floats, theta: Floats, n_fired: NDArray[np.int64]) -> Layer:
    """Return neurons with memory for one sample at a time."""
    v, current, threshold = (np.zeros(len(theta), np.float32) for _ in range(3))
    return Layer(weights, theta, n_fired, v, current, threshold, np.zeros(len(theta), np.int32))


@kernel
def start(layer: Layer, v_threshold: np.float32) -> None:
    """Set all neurons to rest."""
    layer.v[:] = 0
    layer.rests_until[:] = 0
    for j in range(layer.theta.shape[0]):
        layer.threshold[j] = v_threshold + layer.theta[j]


@kernel
def integrate(layer: Layer, stream: SpikeStream, step: int, neuron: TraceNeuronConstants, inhibitor: int) -> bool:
    """Advance all neurons by one step; returns whether any reaches its threshold.

    ``inhibitor`` is the neuron whose inhibition arrives with the currents of this step, or ``NOBODY``.
    """
    weights, _, _, v, current, threshold, rests_until = layer
    place, end = np.uint64(stream.ends[step]), np.uint64(stream.ends[step + 1])
    current[:] = 0
    while place + np.uint64(4) <= end:  # four rows per pass, summed in the order of the spikes
        a, b = np.uint64(stream.spikes[place]), np.uint64(stream.spikes[place + np.uint64(1)])
        c, d = np.uint64(stream.spikes[place + np.uint64(2)]), np.uint64(stream.spikes[place + np.uint64(3)])
        for j in range(v.shape[0]):
            current[j] = (((current[j] + weights[a, j]) + weights[b, j]) + weights[c, j]) + weights[d, j]
        place += np.uint64(4)
    while place < end:
        a = np.uint64(stream.spikes[place])
        for j in range(v.shape[0]):
            current[j] += weights[a, j]
        place += np.uint64(1)
    if inhibitor != NOBODY:
        # An inhibitory neuron inhibits all neurons but its partner.
        own = current[inhibitor]
        for j in range(v.shape[0]):
            current[j] -= neuron.w_inhibit
        current[inhibitor] = own
    n_above = 0
    for j in range(v.shape[0]):
        # Both values are computed and one is chosen: without a branch the loop is vectorised.
        moved = v[j] * neuron.decay + current[j]
        v[j] = moved if rests_until[j] <= step else np.float32(0)
        n_above += v[j] >= threshold[j]
    return n_above > 0


@kernel
def fire(layer: Layer, step: int, neuron: TraceNeuronConstants) -> int:
    """Let the neuron furthest above its threshold fire, the first one of equals; returns it.

    It returns to rest; without inhibitory neurons it lowers the other potentials at once.
    """
    v, threshold = layer.v, layer.threshold
    winner, best = 0, v[0] - threshold[0]
    for j in range(1, v.shape[0]):
        if v[j] - threshold[j] > best:
            winner, best = j, v[j] - threshold[j]
    if not neuron.is_delayed:
        for j in range(v.shape[0]):
            v[j] -= neuron.w_inhibit
    v[winner] = 0
    layer.rests_until[winner] = step + neuron.n_refractory + 1
    return winner


@kernel
def respond(
    shares: NDArray[np.uint16],
    keys: NDArray[np.uint64],
    stream: SpikeStream,
    layer: Layer,
    neuron: TraceNeuronConstants,
    evidence: NDArray[np.float64],
    leaves: ExitConstants,
    sheet: Sheet,
) -> NDArray[np.int64]:
    """Run samples without learning, and stop each as soon as the exit rule is satisfied.

    Fills the sheet; scores are the summed evidence (K, N) of the output spikes. Returns events by ``EVENT``.
    """
    score, exit_step, n_steps, events = (
        sheet.score,
        sheet.exit_step,
        sheet.step.shape[1],
        np.zeros(len(EVENT), np.int64),
    )
    for sample in range(shares.shape[0]):
        start(layer, neuron.v_threshold)
        score[sample] = 0.0
        exit_step[sample] = n_steps
        n_out, inhibitor = 0, NOBODY
        is_active = begin(stream, shares, sample)
        # A sample without input is asked too: a rule may stop it at the first step.
        for step in range(n_steps):
            winner = NOBODY
            if is_active:
                if step % BURST == 0:
                    draw(stream, keys[sample], step, min(step + BURST, n_steps))
                sheet.in_spikes[step] += stream.ends[step + 1] - stream.ends[step]
                if integrate(layer, stream, step, neuron, inhibitor):
                    winner = fire(layer, step, neuron)
                    note_spike(sheet, sample, n_out, winner, step + 1, evidence)
                    n_out += 1
                inhibitor = winner if neuron.is_delayed else NOBODY
            if (step == 0 or winner != NOBODY) and must_stop(score, sample, step + 1, leaves):
                exit_step[sample] = step + 1
                break
        sheet.n_fired[sample] = n_out
        count_sample(events, stream, is_active, exit_step[sample], n_out)
    events[EVENT.inhibitory_spikes] = events[EVENT.out_spikes] if neuron.is_delayed else 0
    return events
