r"""The largest number of each 2x2 square of a map, and where it was: what pooling keeps for its way back.

Of equals the first counts, row by row, and what is no number counts as larger than any, as in PyTorch. Where the
largest was, 0 to 3, takes two bytes (a bfloat16) for four numbers; neither these nor 64-bit positions are kept.

Maps are flat and channels-last. A last row or column that has no partner is left out, and gets no gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spikewise._compile import inlined, kernel
from spikewise._vector import LANES, load, splat, store, where_above, where_ge

_ZERO, _ONE, _TWO, _THREE = (np.float32(number) for number in range(4))


@inlined
def where_is(place: Any, number: Any, grad: Any) -> Any:
    """The gradient where the largest was at this place, elsewhere zero."""
    zero = splat(_ZERO)
    return where_ge(place, splat(number), where_ge(splat(number), place, grad, zero), zero)


@inlined
def top_of(row: int, height: int, n_line: int) -> int:
    """Where the upper line of a row of squares begins; rows are counted through all maps."""
    n_rows = height // 2
    return (row // n_rows * height + row % n_rows * 2) * n_line


@kernel
def largest_of_squares(
    x: Any, y: Any, places: Any, height: int, width: int, n_channels: int, begin: int, end: int
) -> None:
    """Write the largest of maps begin to end, of ``x`` (M, H, W, C) to ``y`` (M, H // 2, W // 2, C).

    Where they were goes to ``places``, of the shape of ``y``, unless that is empty. C is no less than a vector.
    """
    n_rows, n_columns, n_line = height // 2, width // 2, width * n_channels
    for row in range(begin * n_rows, end * n_rows):
        above, out = top_of(row, height, n_line), row * n_columns * n_channels
        for column in range(n_columns):
            for channel in range(0, n_channels, LANES):
                # The last vector of a pixel ends with it, so it may do again what was done before.
                k = min(channel, n_channels - LANES)
                here = above + 2 * column * n_channels + k
                best, other = load(x, here), load(x, here + n_channels)
                place = where_above(other, best, splat(_ONE), splat(_ZERO))
                best = where_above(other, best, other, best)
                other = load(x, here + n_line)
                place = where_above(other, best, splat(_TWO), place)
                best = where_above(other, best, other, best)
                other = load(x, here + n_line + n_channels)
                place = where_above(other, best, splat(_THREE), place)
                best = where_above(other, best, other, best)
                store(y, out + column * n_channels + k, best)
                if len(places):
                    store(places, out + column * n_channels + k, place)


@kernel
def gradient_of_largest(
    grads: Any, places: Any, x_grads: Any, height: int, width: int, n_channels: int, begin: int, end: int
) -> None:
    """The way back of maps begin to end: ``grads`` (M, H // 2, W // 2, C) into ``x_grads`` (M, H, W, C).

    What has no partner in ``x_grads`` is not written.
    """
    n_rows, n_columns, n_line = height // 2, width // 2, width * n_channels
    for row in range(begin * n_rows, end * n_rows):
        above, out = top_of(row, height, n_line), row * n_columns * n_channels
        for column in range(n_columns):
            for channel in range(0, n_channels, LANES):
                k = min(channel, n_channels - LANES)
                here, there = above + 2 * column * n_channels + k, out + column * n_channels + k
                grad, place = load(grads, there), load(places, there)
                store(x_grads, here, where_is(place, _ZERO, grad))
                store(x_grads, here + n_channels, where_is(place, _ONE, grad))
                store(x_grads, here + n_line, where_is(place, _TWO, grad))
                store(x_grads, here + n_line + n_channels, where_is(place, _THREE, grad))
