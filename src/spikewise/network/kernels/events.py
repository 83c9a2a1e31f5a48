r"""One timestep of one sample, event by event: only weights of inputs that spike are added.

For a batch, convolutions as matrix products are hard to beat. A single sample has few sums to share each weight with,
but most of its inputs are silent, and a spike is a one: no multiplication is needed.

.. math:: z_p = \sum_{c, k:\, s_{c, p + k} = 1} w_{c, k}

Input channel by input channel the pixels that spike are listed; then each vector of weights is held in a register while
it is added to the sums that these pixels reach. That goes band of rows by band of rows, whose sums stay in a near
cache. Maps are flat and channels-last, weights (C_in, 9, C_out); sums lie
in a map with a border of one pixel, so that no edge need be asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spikewise._compile import inlined, kernel
from spikewise._lanes import LANES, load, splat, store, where_above, where_ge

SIDE = 3
"""Side of the convolutions."""

_ZERO, _ONE, _QUARTER = np.float32(0), np.float32(1), np.float32(0.25)


@inlined
def list_spikes(x: Any, begin: int, end: int, width: int, n_in: int, n_out: int, places: Any, counts: Any) -> None:
    """For each channel of rows begin to end of ``x``: how many pixels spike, and where in the bordered map they lie."""
    counts[:] = 0
    n_pixels = len(places) // n_in
    for row in range(begin, end):
        for column in range(width):
            start, place = (row * width + column) * n_in, (row * (width + 2) + column) * n_out
            for channel in range(n_in):
                n = counts[channel]
                places[channel * n_pixels + n] = place  # the next overwrites it if this one is silent
                counts[channel] = n + (x[start + channel] != _ZERO)


@inlined
def add_weights(weights: Any, n_in: int, n_out: int, width: int, places: Any, counts: Any, sums: Any) -> None:
    """Add the weights of all listed spikes to the sums that they reach."""
    n_pixels = len(places) // n_in
    for channel in range(n_in):
        first = channel * n_pixels
        end = first + counts[channel]
        for tap in range(SIDE * SIDE):
            row = (channel * SIDE * SIDE + tap) * n_out
            offset = ((2 - tap // SIDE) * (width + 2) + 2 - tap % SIDE) * n_out
            for k in range(0, n_out - LANES, 2 * LANES):
                one, two, shifted = load(weights, row + k), load(weights, row + k + LANES), offset + k
                for entry in range(first, end):
                    place = places[entry] + shifted
                    store(sums, place, load(sums, place) + one)
                    store(sums, place + LANES, load(sums, place + LANES) + two)
            if n_out % (2 * LANES):
                one, shifted = load(weights, row + n_out - LANES), offset + n_out - LANES
                for entry in range(first, end):
                    store(sums, places[entry] + shifted, load(sums, places[entry] + shifted) + one)


@inlined
def fire(current: Any, place: int, v: Any, spikes: Any, neurons: Any) -> None:
    """Sixteen neurons, as in :mod:`spikewise.network.kernels.lif`."""
    decay, v_threshold, v_reset, is_soft = neurons
    threshold = splat(v_threshold)
    u = load(v, place) * splat(decay) + current
    store(spikes, place, where_ge(u, threshold, splat(_ONE), splat(_ZERO)))
    store(v, place, where_ge(u, threshold, u - threshold if is_soft else splat(v_reset), u))


@inlined
def of_square(sums: Any, here: int, line: int, n_channels: int, is_largest: bool) -> Any:
    """Largest or mean of a square of sums."""
    a, b = load(sums, here), load(sums, here + n_channels)
    c, d = load(sums, here + line), load(sums, here + line + n_channels)
    if is_largest:
        a, c = where_above(b, a, b, a), where_above(d, c, d, c)
        return where_above(c, a, c, a)
    return (a + b + c + d) * splat(_QUARTER)


@kernel
def conv_step(
    x: Any, height: int, width: int, n_in: int, weights: Any, n_out: int, side: int, is_largest: bool,
    scale: Any, shift: Any, neurons: Any, places: Any, counts: Any, sums: Any, v: Any, spikes: Any,
) -> None:  # fmt: skip
    """Spikes (H // side, W // side, C_out) of a 3x3 convolution of spikes, pooled over squares, and its potentials.

    It goes over bands of so many rows as ``places`` has room for.
    """
    sums[:] = _ZERO
    n_rows = len(places) // (n_in * width)
    for begin in range(0, height, n_rows):
        list_spikes(x, begin, min(begin + n_rows, height), width, n_in, n_out, places, counts)
        add_weights(weights, n_in, n_out, width, places, counts, sums)
    line, place = (width + 2) * n_out, 0
    for row in range(height // side):
        for column in range(width // side):
            here = (row * side + 1) * line + (column * side + 1) * n_out
            for k in range(0, n_out, LANES):
                value = load(sums, here + k) if side == 1 else of_square(sums, here + k, line, n_out, is_largest)
                fire(value * load(scale, k) + load(shift, k), place, v, spikes, neurons)
                place += LANES


@kernel
def linear_step(
    x: Any, weights: Any, n_out: int, scale: Any, shift: Any, neurons: Any, sums: Any, v: Any, spikes: Any
) -> None:
    """Spikes (C_out,) of fully connected neurons, and their potentials; weights (n_inputs, C_out)."""
    sums[:] = _ZERO
    for entry in range(len(x)):
        if x[entry] != _ZERO:
            for k in range(0, n_out, LANES):
                store(sums, k, load(sums, k) + load(weights, entry * n_out + k))
    for k in range(0, n_out, LANES):
        fire(load(sums, k) * load(scale, k) + load(shift, k), k, v, spikes, neurons)


@kernel
def static_step(drive: Any, n_out: int, scale: Any, shift: Any, neurons: Any, v: Any, spikes: Any) -> None:
    """Spikes of neurons whose sums ``drive`` (..., C_out) are there already, and their potentials."""
    for row in range(0, len(drive), n_out):
        for k in range(0, n_out, LANES):
            fire(load(drive, row + k) * load(scale, k) + load(shift, k), row + k, v, spikes, neurons)
