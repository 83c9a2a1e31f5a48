"""Compiled loop of integer networks: each non-zero input adds its weights to the outputs that it reaches."""

import numpy as np
from numpy.typing import NDArray

from spikewise._compile import kernel


@kernel
def add_events(
    x: NDArray[np.int32], weights: NDArray[np.int32], stride: int, padding: int, out: NDArray[np.int32]
) -> None:
    """Convolve maps (B, H, W, n_in) with weights (height, width, n_in, C), adding to out (B, h, w, C)."""
    n_samples, height, width, n_in = x.shape
    size_y, size_x = weights.shape[:2]
    n_out = out.shape[3]
    for sample in range(n_samples):
        for row in range(height):
            for col in range(width):
                for channel in range(n_in):
                    value = x[sample, row, col, channel]
                    if value == 0:
                        continue
                    # Output o reads row o * stride - padding + ky, so a tap ky reaches an output if y divides evenly.
                    for ky in range(size_y):
                        y = row + padding - ky
                        if y < 0 or y % stride or y // stride >= out.shape[1]:
                            continue
                        for kx in range(size_x):
                            z = col + padding - kx
                            if z < 0 or z % stride or z // stride >= out.shape[2]:
                                continue
                            for k in range(n_out):
                                out[sample, y // stride, z // stride, k] += value * weights[ky, kx, channel, k]
