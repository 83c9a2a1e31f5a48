r"""Mean of each 2x2 square of a map, at every pixel: :math:`y_{ij} = \frac14 \sum_{a, b \le 1} x_{i + a, j + b}`.

With a border of zeros around the map, the means are the input of a convolution with stride 2 (see
:mod:`spikewise.network.pooling`); their gradient is the same operation without the border.

Maps are flat and channels-last, so a row of a map is a row of numbers, whatever its channels: pairs of rows are added,
and then their sum to itself, shifted by one pixel.
"""

from typing import Any

import numpy as np

from spikewise._compile import inlined, kernel
from spikewise._vector import LANES, load, splat, store

_QUARTER = np.float32(0.25)


@inlined
def add_rows(x: Any, upper: int, lower: int, n: int, both: Any, start: int) -> None:
    """Add two rows of n numbers of ``x`` into ``both``, from ``start`` on; a negative place is a row of zeros."""
    # The last vector ends with the row: it may overlap the one before and write the same again.
    for place in range(0, n, LANES):
        k = min(place, n - LANES)
        if upper < 0:
            store(both, start + k, load(x, lower + k))
        elif lower < 0:
            store(both, start + k, load(x, upper + k))
        else:
            store(both, start + k, load(x, upper + k) + load(x, lower + k))


@inlined
def mean_of_neighbours(both: Any, n_channels: int, y: Any, start: int, n: int) -> None:
    """Write a quarter of ``both`` plus ``both`` shifted by one pixel to n numbers of ``y``, from ``start`` on."""
    quarter = splat(_QUARTER)
    for place in range(0, n, LANES):
        k = min(place, n - LANES)
        store(y, start + k, (load(both, k) + load(both, k + n_channels)) * quarter)


@kernel
def means_of_squares(
    x: Any, y: Any, height: int, width: int, n_channels: int, border: int, begin: int, end: int
) -> None:
    """Write the means of maps begin to end: of ``x`` (M, H, W, C) to ``y`` (M, H + 2 border - 1, W + ..., C).

    A row of a map must be at least one vector long, in ``x`` and in ``y``.
    """
    n_in, n_margin = width * n_channels, border * n_channels
    n_out, n_rows = n_in + 2 * n_margin - n_channels, height + 2 * border - 1
    # The margins stay zero: they are the left and right border of every row.
    both = np.zeros(n_in + 2 * n_margin, np.float32)
    for number in range(begin, end):
        for row in range(n_rows):
            here = (number * height + row - border) * n_in
            upper = here if row >= border else -1
            lower = here + n_in if row - border + 1 < height else -1
            add_rows(x, upper, lower, n_in, both, n_margin)
            mean_of_neighbours(both, n_channels, y, (number * n_rows + row) * n_out, n_out)
