"""What the prices of digital platforms count: synaptic operations, fan-out and output bits of each layer."""

from __future__ import annotations

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
"""Pydantic check that a quantity is never zero, since something is divided by it."""


def per_layer(workload: Workload, name: str) -> FloatArray:
    """A number of each layer's shape, such as ``n_macs``; shape (L,)."""
    return np.array([getattr(layer, name) for layer in workload.layers], np.float64)


def measured(workload: Workload, name: str) -> FloatArray:
    """Measured counts such as ``out_spikes``, of running samples and of all; shape (2, T, L)."""
    both = (workload.alive_activity, workload.activity)
    return np.array([[getattr(row, name) for row in rows] for rows in both], np.float64).transpose(0, 2, 1)


def fan_out(workload: Workload) -> FloatArray:
    """Outputs that one application of the kernel feeds from one input; shape (L,)."""
    return per_layer(workload, "out_channels") / per_layer(workload, "groups")


def synaptic_operations(workload: Workload) -> FloatArray:
    """Weights that active inputs meet, exactly, from unfolded counts; shape (2, T, L)."""
    return measured(workload, "active_unfolded") * fan_out(workload)


def inhibitions(workload: Workload) -> FloatArray:
    """Pairs of a neuron that fires and another of its layer that it inhibits; shape (2, T, L)."""
    is_on = np.array([layer.lateral != "none" for layer in workload.layers])
    return np.asarray(measured(workload, "out_spikes") * np.maximum(per_layer(workload, "n_neurons") - 1, 0) * is_on)


def output_bits(layers: Sequence[LayerShape]) -> FloatArray:
    """Bits of one output value of each layer: what the next one reads, and a whole state at a read-out; shape (L,)."""
    last = 1 if layers[-1].has_neurons else layers[-1].state_bits
    return np.array([*(layer.input_bits for layer in layers[1:]), last], np.float64)


def by_corner(values: FloatArray) -> FloatArray:
    """Values (3,) at the low, nominal and high corner, to be multiplied with counts (2, T, L)."""
    return values[:, None, None, None]


def in_order(corners: FloatArray) -> FloatArray:
    """Reciprocals of low, nominal and high, so that the smallest comes first again: time per operation from a rate."""
    return np.asarray(1.0 / corners[::-1])
