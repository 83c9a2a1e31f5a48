r"""Mean of each 2x2 square of a map, at every pixel: :math:`y_{ij} = \frac14 \sum_{a, b \le 1} x_{i + a, j + b}`.

With a border of zeros around the map it is what comes before a convolution with stride 2 (see
:mod:`spikewise.network.pooling`); its gradient is the same without the border.

Maps are flat and channels-last, so that a row of a map is a row of numbers whatever its channels: rows are added in
pairs, and then the sum to itself, one pixel further.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spikewise._compile import kernel
from spikewise._lanes import LANES, load, splat, store

_QUARTER = np.float32(0.25)


@kernel
def means_of_squares(
    x: Any, y: Any, height: int, width: int, n_channels: int, border: int, begin: int, end: int
) -> None:
    """Write the means of maps begin to end: of ``x`` (M, H, W, C) to ``y`` (M, H + 2 border - 1, W + ..., C).

    A row of a map, in and out, is no shorter than a vector.
    """
    n_in, n_margin = width * n_channels, border * n_channels
    n_out, n_rows = n_in + 2 * n_margin - n_channels, height + 2 * border - 1
    both = np.zeros(n_in + 2 * n_margin, np.float32)
    quarter = splat(_QUARTER)
    for number in range(begin, end):
        for row in range(n_rows):
            upper = (number * height + row - border) * n_in
            lower = upper + n_in
            has_upper, has_lower = row >= border, row - border + 1 < height
            # The last vector of a row ends with the row, so it may do again what was done before.
            for place in range(0, n_in, LANES):
                k = min(place, n_in - LANES)
                if has_upper and has_lower:
                    store(both, n_margin + k, load(x, upper + k) + load(x, lower + k))
                elif has_upper:
                    store(both, n_margin + k, load(x, upper + k))
                else:
                    store(both, n_margin + k, load(x, lower + k))
            out = (number * n_rows + row) * n_out
            for place in range(0, n_out, LANES):
                k = min(place, n_out - LANES)
                store(y, out + k, (load(both, k) + load(both, k + n_channels)) * quarter)
