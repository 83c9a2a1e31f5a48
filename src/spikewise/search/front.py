r"""Designs that no other design beats, and how much they win together.

All objectives are to be small: an error, joules, bits. A design *dominates* another if it is nowhere worse and
somewhere better. The front holds those that nobody dominates; its hypervolume is what it dominates of the box below
a reference,

.. math:: H = \mathrm{volume} \bigcup_{x \in \text{front}} [x_1, r_1] \times \cdots \times [x_M, r_M] .
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise.errors import ParameterError, ShapeError


def is_on_front(objectives: ArrayLike) -> NDArray[np.bool_]:
    """Which designs are dominated by none; of equal ones, all are or none is.

    Parameters
    ----------
    objectives : array of shape (N, M)
        M numbers of each design, finite, the smaller the better.

    Examples
    --------
    >>> is_on_front([[0.10, 5.0], [0.05, 9.0], [0.10, 6.0]]).tolist()
    [True, True, False]
    """
    values = _checked(objectives)
    found = np.zeros(len(values), bool)
    best = np.empty((0, values.shape[1]))
    # In lexicographic order whoever dominates a design comes before it, and somebody on the front does if anybody does.
    for index in np.lexsort(values.T[::-1]):
        value = values[index]
        found[index] = not ((best <= value).all(1) & (best < value).any(1)).any()
        if found[index]:
            best = np.concatenate([best, value[None]])
    return found


def hypervolume(objectives: ArrayLike, reference: ArrayLike) -> float:
    """Volume that designs dominate below a reference point; what lies beyond the reference adds nothing.

    Parameters
    ----------
    objectives : array of shape (N, M)
        As for :func:`is_on_front`.
    reference : array of shape (M,)
        The worst that counts.

    Examples
    --------
    >>> hypervolume([[1.0, 2.0], [2.0, 1.0]], reference=[3.0, 3.0])
    3.0
    """
    values, worst = _checked(objectives), np.asarray(reference, np.float64)
    if worst.shape != values.shape[1:]:
        raise ShapeError(f"reference must have {values.shape[1]} numbers; got shape {worst.shape}.")
    return _volume(values[(values < worst).all(1)], worst)


def _volume(values: NDArray[np.float64], worst: NDArray[np.float64]) -> float:
    """Slices along the last objective: each is as deep as the way to the next design, and holds those before it."""
    if not len(values):
        return 0.0
    if values.shape[1] == 1:
        return float(worst[0] - values.min())
    values = values[np.argsort(values[:, -1], kind="stable")]
    depths = np.diff(np.append(values[:, -1], worst[-1]))
    return float(sum(
        depth * _volume(values[: n + 1, :-1], worst[:-1]) for n, depth in enumerate(depths) if depth > 0
    ))  # fmt: skip


def _checked(objectives: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(objectives, np.float64)
    if values.ndim != 2 or not values.shape[1]:
        raise ShapeError(f"objectives must have shape (N, M) with M at least 1; got {values.shape}.")
    if not np.isfinite(values).all():
        raise ParameterError("objectives must be finite; got NaN or infinity. Leave such designs out.")
    return values
