r"""One timestep of one sample, event by event: only the weights of inputs that spike are added.

For a batch, convolutions as matrix products are hard to beat. A single sample uses each weight for few sums, but most
of its inputs are silent, and a spike is a one: no multiplication is needed.

.. math:: z_p = \sum_{c, k:\, s_{c, p + k} = 1} w_{c, k}

First the spikes are listed, row by row and pixel by pixel. Then, for each output pixel, the sums stay in registers
while the weights of all spikes around the pixel are added. Maps are flat and channels-last, weights (3, 3, C_in,
C_out): in one row of the map, the spikes of three neighbouring pixels are neighbours in the list, and so are their
weights in the array, so one loop covers all three. Arrays should begin at a multiple of 64 bytes, as those of torch do:
otherwise every second load crosses a cache line, and a step takes half as long again. Arguments are grouped in tuples
as in :mod:`~spikewise.network.kernels.lif`.
"""

from typing import Any, NamedTuple

import numpy as np

from spikewise._compile import inlined, kernel
from spikewise._vector import LANES, add_from, load, splat, store, where_above, where_ge

SIDE = 3
"""Side of the kernels of all convolutions."""

_ZERO, _ONE, _QUARTER = np.float32(0), np.float32(1), np.float32(0.25)


class Conv(NamedTuple):
    """Weights of a convolution, size of its input map, and side and kind of the pooling after it."""

    weights: Any
    n_in: int
    n_out: int
    height: int
    width: int
    side: int
    is_largest: bool


class Neurons(NamedTuple):
    """Normalisation of each channel, and parameters of the neurons."""

    scale: Any
    shift: Any
    decay: Any
    v_threshold: Any
    v_reset: Any
    is_soft: bool


class Memory(NamedTuple):
    """Working memory: a place per input and one more, (H + 2) (W + 3) starts, and sums (side, W, C_out)."""

    places: Any
    starts: Any
    sums: Any


@inlined
def list_spikes(x: Any, height: int, width: int, n_in: int, n_out: int, places: Any, starts: Any) -> None:
    """List the offset of the weights of each spike of ``x`` within its row, and where the list of each pixel starts.

    Pixels (H + 2, W + 3) have a border without spikes, and one entry for the end of the row.
    """
    n_seen, line = 0, width + 3
    starts[:line] = 0
    for row in range(height):
        first = (row + 1) * line
        starts[first] = n_seen
        for column in range(width):
            starts[first + column + 1] = n_seen
            pixel, place = (row * width + column) * n_in, (column + 1) * n_in * n_out
            for channel in range(n_in):
                places[n_seen] = place  # overwritten by the next if this input is silent
                # No branch: most inputs are silent, but which ones cannot be predicted.
                n_seen += x[pixel + channel] != _ZERO
                place += n_out
        starts[first + width + 1] = n_seen
        starts[first + width + 2] = n_seen
    starts[(height + 1) * line :] = n_seen


@inlined
def add_some(
    zeros: Any, weights: Any, memory: Any, pixel: int, line: int, first: int, per_row: int, begin: int
) -> None:
    """Compute the sums of one pixel for as many vectors of channels as there are zeros."""
    places, starts, sums = memory
    total = zeros
    for _ in range(SIDE):
        # The spikes of three neighbouring pixels in one go.
        for entry in range(starts[pixel], starts[pixel + SIDE]):
            total = add_from(total, weights, places[entry] + first)
        pixel += line
        first += per_row
    for part in range(len(zeros)):
        store(sums, begin + part * LANES, total[part])


@inlined
def add_weights(conv: Any, memory: Any, row: int, column: int, begin: int) -> None:
    """Write the sums (C_out,) of one pixel, from ``begin`` on: add the weights of all spikes around it."""
    weights, n_in, n_out, _, width, _, _ = conv
    zero, line, per_row = splat(_ZERO), width + 3, SIDE * n_in * n_out
    pixel, first, k = row * line + column, -column * n_in * n_out, 0
    # Six vectors share each read of the list and still fit into registers; the rest goes in threes and ones.
    while k < n_out:
        left = (n_out - k) // LANES
        if left >= 6:
            zeros = (zero, zero, zero, zero, zero, zero)
            add_some(zeros, weights, memory, pixel, line, first + k, per_row, begin + k)
            k += 6 * LANES
        elif left >= 3:
            add_some((zero, zero, zero), weights, memory, pixel, line, first + k, per_row, begin + k)
            k += 3 * LANES
        else:
            add_some((zero,), weights, memory, pixel, line, first + k, per_row, begin + k)
            k += LANES


@inlined
def fire(total: Any, channel: int, place: int, v: Any, spikes: Any, neurons: Any) -> None:
    """Advance sixteen neurons from their sums, as in :mod:`spikewise.network.kernels.lif`."""
    scale, shift, decay, v_threshold, v_reset, is_soft = neurons
    threshold = splat(v_threshold)
    u = load(v, place) * splat(decay) + (total * load(scale, channel) + load(shift, channel))
    store(spikes, place, where_ge(u, threshold, splat(_ONE), splat(_ZERO)))
    store(v, place, where_ge(u, threshold, u - threshold if is_soft else splat(v_reset), u))


@inlined
def of_square(sums: Any, here: int, line: int, n_channels: int, is_largest: bool) -> Any:
    """Return maximum or mean of a square of sums."""
    a, b = load(sums, here), load(sums, here + n_channels)
    c, d = load(sums, here + line), load(sums, here + line + n_channels)
    if is_largest:
        a, c = where_above(b, a, b, a), where_above(d, c, d, c)
        return where_above(c, a, c, a)
    return (a + b + c + d) * splat(_QUARTER)


@kernel
def conv_step(x: Any, conv: Any, neurons: Any, memory: Any, v: Any, spikes: Any) -> None:
    """Write spikes (H // side, W // side, C_out) and potentials of a 3x3 convolution of spikes, with pooling."""
    _, n_in, n_out, height, width, side, is_largest = conv
    places, starts, sums = memory
    list_spikes(x, height, width, n_in, n_out, places, starts)
    line, place = width * n_out, 0
    for first in range(0, height - side + 1, side):
        # Only as many rows of sums as pooling needs at once, so that they stay in the cache.
        for row in range(side):
            for column in range(width):
                begin = row * line + column * n_out
                add_weights(conv, memory, first + row, column, begin)
        for column in range(width // side):
            here = column * side * n_out
            for k in range(0, n_out, LANES):
                value = load(sums, here + k) if side == 1 else of_square(sums, here + k, line, n_out, is_largest)
                fire(value, k, place, v, spikes, neurons)
                place += LANES


@kernel
def linear_step(x: Any, weights: Any, n_out: int, neurons: Any, sums: Any, v: Any, spikes: Any) -> None:
    """Write spikes (C_out,) and potentials of fully connected neurons; weights (n_inputs, C_out)."""
    sums[:] = _ZERO
    for entry in range(len(x)):
        if x[entry] != _ZERO:
            for k in range(0, n_out, LANES):
                store(sums, k, load(sums, k) + load(weights, entry * n_out + k))
    for k in range(0, n_out, LANES):
        fire(load(sums, k), k, k, v, spikes, neurons)


@kernel
def static_step(drive: Any, n_out: int, neurons: Any, v: Any, spikes: Any) -> None:
    """Write spikes and potentials of neurons from given sums ``drive`` (..., C_out)."""
    for row in range(0, len(drive), n_out):
        for k in range(0, n_out, LANES):
            fire(load(drive, row + k), k, row + k, v, spikes, neurons)
