"""Competing neurons: potentials over bursts of input spikes, selection of the neuron that fires, thresholds, gains.

The same code serves both precisions, by the type of the arrays: weights ``[n_inputs, N padded]`` are uint8 in units of
1/256 with 16-bit state, or float32. Potentials are in units of 1/64 mV, and thresholds are whole multiples of it in
both. Padding neurons have weight 0 and the highest threshold.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikewise._compile import inlined, kernel
from spikewise.learn.stdp.rules.lean import LEVELS_PER_MV, NeuronConstants
from spikewise.spikes.streams import BURST, SpikeStream, draw

from .advance import LANES, advance_block

Floats = NDArray[np.float32]
Numbers = NDArray[Any]  # uint8, uint16, int16 or float32, by precision

NEVER_REACHED = 32767  # threshold of padding; potentials saturate there, and no living neuron's is above 32766
AHEAD = 4  # bursts
GAIN_STEPS = 2048  # integer gain per unit of gain


class Layer(NamedTuple):
    """Learned values of N neurons, and their state during one sample; a tuple so that it compiles."""

    weights: Numbers
    gain: Numbers
    theta: Floats
    threshold: Numbers
    n_fired: NDArray[np.int64]
    v: Numbers
    v_next: Numbers
    rests_until: NDArray[np.int16]


def with_state(weights: Numbers, gain: Numbers, theta: Floats, threshold: Numbers, n_fired: NDArray[np.int64]) -> Layer:
    """Return neurons with memory for one sample at a time."""
    v, v_next = np.empty_like(threshold), np.empty_like(threshold)
    return Layer(weights, gain, theta, threshold, n_fired, v, v_next, np.empty(len(threshold), np.int16))


@inlined
def start(layer: Layer) -> None:
    """Set all neurons to rest."""
    layer.v[:] = 0
    layer.rests_until[:] = 0


@inlined
def draw_ahead(stream: SpikeStream, key: np.uint64, step: int, stop: int, is_settled: bool) -> int:
    """Draw the spikes of the next steps, at most to ``stop``; returns to where.

    One burst as long as the winner is unknown or the sample may end early; afterwards ``AHEAD`` of them, so that weight
    rows are used more often while they are in the nearest cache.
    """
    drawn_to = step
    for _ in range(AHEAD if is_settled else 1):
        start, drawn_to = drawn_to, min(drawn_to + BURST, stop)
        draw(stream, key, start, drawn_to)
    return drawn_to


@inlined
def run_until_spike(
    layer: Layer, stream: SpikeStream, step: int, stop: int, neuron: NeuronConstants, leader: int
) -> tuple[int, int, int]:
    """Advance to ``stop``, or through the step at which a neuron reaches its threshold.

    Returns the next step, and a range of neurons that contains all that reached their thresholds; it is empty if there
    are none.

    Blocks run one after the other, starting with that of neuron ``leader``. If a neuron fires, later blocks run only up
    to that step, and earlier blocks run again. A good guess of the next winner saves time and does not change results.
    """
    v, v_next = layer.v, layer.v_next
    decay = v.dtype.type(neuron.leak if layer.weights.itemsize == 1 else neuron.decay)
    n_neurons, block = v.shape[0], leader - leader % LANES
    low, high, done, todo = n_neurons, 0, 0, n_neurons // LANES
    while done < todo:
        ran: tuple[int, bool] = advance_block(layer, stream, block, step, stop, decay)
        reached, has_crossed = ran
        if reached < stop:
            # Earlier than any crossing so far: the blocks that are done run again, up to this step.
            stop, low, high, todo = reached, n_neurons, 0, n_neurons // LANES + done
        if has_crossed:
            low, high = min(low, block), max(high, block + LANES)
        done += 1
        block = block + LANES if block + LANES < n_neurons else 0
    for j in range(n_neurons):
        v[j] = v_next[j]
    return stop, low, high


@kernel
def fire(layer: Layer, next_step: int, neuron: NeuronConstants, low: int, high: int) -> int:
    """Let one neuron of this range fire at the step before ``next_step`` and return it.

    The neuron with the largest overshoot v - threshold >= 0 wins, the first one of equals. It returns to rest and
    lowers the potentials of all others by ``w_inhibit``, but not below ``v_floor``.
    """
    v, threshold = layer.v, layer.threshold
    winner, best = 0, np.float64(-1.0)
    for j in range(low, high):
        if v[j] >= threshold[j]:
            # In 64 bits: a difference of two 16-bit integers may overflow.
            above = np.float64(v[j]) - np.float64(threshold[j])
            if above > best:
                winner, best = j, above
    for j in range(v.shape[0]):
        v[j] = max(v[j] - neuron.w_inhibit, neuron.v_floor)
    v[winner] = 0
    layer.rests_until[winner] = next_step + neuron.n_refractory
    return winner


@inlined
def set_threshold(threshold: Numbers, theta: Floats, j: int, v_threshold: np.float32) -> None:
    """Round a neuron's threshold, base plus adaptive part in mV, to whole levels; at least one level."""
    level = np.rint((v_threshold + theta[j]) * np.float32(LEVELS_PER_MV))
    threshold[j] = max(min(level, np.float32(NEVER_REACHED - 1)), np.float32(1))


@kernel
def gain_for(squares: float, gain_norm: float, is_integer: bool) -> float:
    """Return the gain of a neuron: gain_norm over the norm of its weights, whose sum of squares is given."""
    if squares == 0:
        return 0.0
    if is_integer:
        return float(min(65535.0, np.rint(gain_norm / (np.sqrt(squares) / 256.0) * GAIN_STEPS)))
    return float(gain_norm / np.sqrt(squares) * LEVELS_PER_MV)


@kernel
def set_gain(weights: Numbers, gain: Numbers, post: int, gain_norm: float) -> None:
    """Compute one neuron's gain again."""
    squares = 0.0
    for pre in range(weights.shape[0]):
        w = np.float64(weights[pre, post])
        squares += w * w
    gain[post] = gain_for(squares, gain_norm, weights.itemsize == 1)
