"""LIF neurons one at a time, in plain floating point: slow and obvious."""

import numpy as np


def lif_by_hand(currents, decay, v_threshold, v_reset, reset):
    """Spikes (T, N) and last potentials (N,) of neurons driven by currents (T, N)."""
    kind = currents.dtype.type
    spikes, last = np.zeros_like(currents), np.zeros_like(currents[0])
    for neuron in range(currents.shape[1]):
        v = kind(0)
        for step in range(len(currents)):
            v = kind(decay) * v + currents[step, neuron]
            if v >= kind(v_threshold):
                spikes[step, neuron] = 1
                v = kind(v_reset) if reset == "hard" else v - kind(v_threshold)
        last[neuron] = v
    return spikes, last
