"""Neurons that output means of 2x2 squares of spikes, row by row, so that the spikes stay in the cache.

A layer with average pooling reads only the means of the spikes before it (:mod:`spikewise.network.pooling`). Forward
computes the spikes of one row of pixels at all steps, and a row of means from these and the row before. Backward
computes the gradient of a row of spikes from those of two rows of means. Neurons and parameters are those of
:mod:`~spikewise.network.kernels.lif`; elements begin to end are whole images of ``height`` rows with ``width``
pixels.
"""

from typing import Any, NamedTuple

import numpy as np

from spikewise._compile import kernel

from .lif import backward, forward
from .means import add_rows, mean_of_neighbours


class Means(NamedTuple):
    """Means (T, B, H + 1, W + 1, C) of spikes or their gradients, and the size of a map of spikes."""

    values: Any
    height: int
    width: int
    n_channels: int


@kernel
def forward_means(sums: Any, means: Any, v: Any, begin: int, end: int, neurons: Any) -> None:
    """Compute means of the spikes, and the potentials after the last step."""
    n_steps, n = sums[-2:]
    values, height, width, n_channels = means
    n_row, n_out = width * n_channels, (width + 1) * n_channels
    n_means = n // (height * n_row) * (height + 1) * n_out
    # The spikes of two rows of pixels: the present and the one before, which change places.
    rows = np.empty(2 * n_steps * n_row, np.float32)
    # With a pixel of zeros at each end, the border of the map.
    both = np.zeros(n_row + 2 * n_channels, np.float32)
    for image in range(begin // (height * n_row), end // (height * n_row)):
        for row in range(height + 1):
            slot, other = row % 2 * n_steps * n_row, (row + 1) % 2 * n_steps * n_row
            if row < height:
                start = (image * height + row) * n_row
                forward(sums, (rows, n_row, start - slot), v, start, start + n_row, neurons)
            for step in range(n_steps):
                # A negative place is the border above or below the map.
                upper = other + step * n_row if row > 0 else -1
                lower = slot + step * n_row if row < height else -1
                add_rows(rows, upper, lower, n_row, both, n_channels)
                place = step * n_means + (image * (height + 1) + row) * n_out
                mean_of_neighbours(both, n_channels, values, place, n_out)


@kernel
def backward_means(
    sums: Any, mean: Any, means: Any, grads: Any, begin: int, end: int, neurons: Any, surrogate: Any
) -> None:
    """Compute the same as :func:`~spikewise.network.kernels.lif.backward`, from gradients of the means."""
    n_steps, n = sums[-2:]
    values, height, width, n_channels = means
    n_row, n_out = width * n_channels, (width + 1) * n_channels
    n_means = n // (height * n_row) * (height + 1) * n_out
    row_grad = np.empty(n_steps * n_row, np.float32)
    both = np.empty(n_out, np.float32)
    for image in range(begin // (height * n_row), end // (height * n_row)):
        for row in range(height):
            for step in range(n_steps):
                upper = step * n_means + (image * (height + 1) + row) * n_out
                add_rows(values, upper, upper + n_out, n_out, both, 0)
                mean_of_neighbours(both, n_channels, row_grad, step * n_row, n_row)
            start = (image * height + row) * n_row
            backward(sums, mean, (row_grad, n_row, start), grads, start, start + n_row, neurons, surrogate)
