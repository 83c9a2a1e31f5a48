r"""Maximum of each 2x2 square of a map, and its place in the square, which backward needs.

Of equal numbers the first one wins, row by row, and NaN counts as larger than any number, as in PyTorch. The place, 0
to 3, takes two bytes (a bfloat16) for four numbers; neither these nor 64-bit positions are kept.

Maps are flat and channels-last. A last row or column that belongs to no square is skipped, and gets no gradient.
"""

from typing import Any

import numpy as np

from spikewise._compile import inlined, kernel
from spikewise._vector import LANES, load, splat, store, where_above, where_ge

_ZERO, _ONE, _TWO, _THREE = (np.float32(number) for number in range(4))


@inlined
def where_is(place: Any, number: Any, grad: Any) -> Any:
    """Return the gradient in lanes whose maximum was at this place, zero in the others."""
    zero = splat(_ZERO)
    # Equal means not smaller and not larger: vectors have no other comparison.
    return where_ge(place, splat(number), where_ge(splat(number), place, grad, zero), zero)


@inlined
def top_of(row: int, height: int, n_line: int) -> int:
    """Return where the upper line of a row of squares begins; rows are counted over all maps."""
    n_rows = height // 2
    return (row // n_rows * height + row % n_rows * 2) * n_line


@kernel
def largest_of_squares(
    x: Any, y: Any, places: Any, height: int, width: int, n_channels: int, begin: int, end: int
) -> None:
    """Write the maxima of maps begin to end, of ``x`` (M, H, W, C), to ``y`` (M, H // 2, W // 2, C).

    Their places go to ``places``, of the shape of ``y``, unless that is empty. C is at least one vector.
    """
    n_rows, n_columns, n_line = height // 2, width // 2, width * n_channels
    for row in range(begin * n_rows, end * n_rows):
        above, out = top_of(row, height, n_line), row * n_columns * n_channels
        for column in range(n_columns):
            for channel in range(0, n_channels, LANES):
                # The last vector ends with the pixel: it may overlap the one before and write the same again.
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
    """Write the gradient of maps begin to end: from ``grads`` (M, H // 2, W // 2, C) to ``x_grads`` (M, H, W, C).

    Elements of ``x_grads`` that belong to no square are not written.
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
