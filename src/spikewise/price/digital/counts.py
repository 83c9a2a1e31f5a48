"""Counts for the prices of digital platforms: synaptic operations, fan-out and output bits of each layer."""

from collections.abc import Sequence

import numpy as np
from pydantic import AfterValidator

from spikewise.price.ledger import FloatArray
from spikewise.price.quantity import Quantity
from spikewise.workload.workload import LayerShape, Workload


def _above_zero(value: Quantity) -> Quantity:
    if value.low <= 0:
        raise ValueError(f"low must be above 0; got {value.low:g}")
    return value


above_zero = AfterValidator(_above_zero)
"""Pydantic check that a quantity is never zero, since a price divides by it."""


def per_layer(workload: Workload, name: str) -> FloatArray:
    """Return a number of each layer's shape, such as ``n_macs``; shape (L,)."""
    return np.array([getattr(layer, name) for layer in workload.layers], np.float64)


def measured(workload: Workload, name: str) -> FloatArray:
    """Return measured counts such as ``out_spikes``, of running samples and of all; shape (2, T, L)."""
    both = (workload.alive_activity, workload.activity)
    return np.array([[getattr(row, name) for row in rows] for rows in both], np.float64).transpose(0, 2, 1)


def fan_out(workload: Workload) -> FloatArray:
    """Return the number of outputs that one input reaches per position of the kernel; shape (L,)."""
    return per_layer(workload, "out_channels") / per_layer(workload, "groups")


def synaptic_operations(workload: Workload) -> FloatArray:
    """Count the weights of active inputs; shape (2, T, L)."""
    # Exact, because unfolded counts already count an input once per kernel position, with padding and strides.
    return measured(workload, "active_unfolded") * fan_out(workload)


def inhibitions(workload: Workload) -> FloatArray:
    """Count pairs of a neuron that fires and a neuron of its layer that it inhibits; shape (2, T, L)."""
    is_on = np.array([layer.lateral != "none" for layer in workload.layers])
    return np.asarray(measured(workload, "out_spikes") * np.maximum(per_layer(workload, "n_neurons") - 1, 0) * is_on)


def output_bits(layers: Sequence[LayerShape]) -> FloatArray:
    """Return the bits of an output value of each layer: as the next layer reads it; a whole state at a read-out."""
    last = 1 if layers[-1].has_neurons else layers[-1].state_bits
    return np.array([*(layer.input_bits for layer in layers[1:]), last], np.float64)


def by_corner(values: FloatArray) -> FloatArray:
    """Reshape values (3,) of the three corners, so that they multiply counts (2, T, L)."""
    return values[:, None, None, None]


def in_order(corners: FloatArray) -> FloatArray:
    """Return reciprocals of low, nominal and high, smallest first, such as times per operation from rates."""
    return np.asarray(1.0 / corners[::-1])
