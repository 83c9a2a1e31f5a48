"""Neurons whose spikes are wanted as means of 2x2 squares alone: row by row, so that spikes never leave the cache.

The sums of a layer that pools want the means of the spikes before it (:mod:`spikewise.network.pooling`). Forward makes
the spikes of one row of pixels at all steps, and from these and those of the row before a row of means; backward makes
the gradient of a row of spikes from those of two rows of means. The neurons are those of
:mod:`~spikewise.network.kernels.lif`, and so are the parameters; elements begin to end are those of whole images, of
``height`` rows with ``width`` pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spikewise._compile import kernel

from .lif import backward, forward
from .means import add_rows, mean_of_neighbours


@kernel
def forward_means(
    x: Any, stride: int, scale: Any, shift: Any, residual: Any, r_stride: int, before: Any, v_stride: int, v: Any,
    means: Any, height: int, width: int, n_channels: int, n_steps: int, n: int, begin: int, end: int, neurons: Any,
) -> None:  # fmt: skip
    """Means (T, B, H + 1, W + 1, C) of the spikes, and the potentials after the steps."""
    n_row, n_out = width * n_channels, (width + 1) * n_channels
    n_means = n // (height * n_row) * (height + 1) * n_out
    rows = np.empty(2 * n_steps * n_row, np.float32)
    both = np.zeros(n_row + 2 * n_channels, np.float32)
    for image in range(begin // (height * n_row), end // (height * n_row)):
        for row in range(height + 1):
            slot, other = row % 2 * n_steps * n_row, (row + 1) % 2 * n_steps * n_row
            if row < height:
                start = (image * height + row) * n_row
                forward(
                    x, stride, scale, shift, residual, r_stride, before, v_stride, v, rows, n_row, start - slot,
                    n_steps, n, start, start + n_row, neurons,
                )  # fmt: skip
            for step in range(n_steps):
                upper = other + step * n_row if row > 0 else -1
                lower = slot + step * n_row if row < height else -1
                add_rows(rows, upper, lower, n_row, both, n_channels)
                place = step * n_means + (image * (height + 1) + row) * n_out
                mean_of_neighbours(both, n_channels, means, place, n_out)


@kernel
def backward_means(
    x: Any, stride: int, scale: Any, shift: Any, mean: Any, residual: Any, r_stride: int, before: Any, v_stride: int,
    grad_means: Any, height: int, width: int, n_channels: int, grad_v: Any, g_stride: int, grad: Any,
    grad_residual: Any, grad_before: Any, sum_grad: Any, sum_product: Any, sum_decay: Any, n_steps: int, n: int,
    begin: int, end: int, neurons: Any, surrogate: Any,
) -> None:  # fmt: skip
    """The same as :func:`~spikewise.network.kernels.lif.backward` from gradients of the means."""
    n_row, n_out = width * n_channels, (width + 1) * n_channels
    n_means = n // (height * n_row) * (height + 1) * n_out
    row_grad = np.empty(n_steps * n_row, np.float32)
    both = np.empty(n_out, np.float32)
    for image in range(begin // (height * n_row), end // (height * n_row)):
        for row in range(height):
            for step in range(n_steps):
                upper = step * n_means + (image * (height + 1) + row) * n_out
                add_rows(grad_means, upper, upper + n_out, n_out, both, 0)
                mean_of_neighbours(both, n_channels, row_grad, step * n_row, n_row)
            start = (image * height + row) * n_row
            backward(
                x, stride, scale, shift, mean, residual, r_stride, before, v_stride, row_grad, n_row, start, grad_v,
                g_stride, grad, grad_residual, grad_before, sum_grad, sum_product, sum_decay, n_steps, n, start,
                start + n_row, neurons, surrogate,
            )  # fmt: skip
