r"""Pareto front of designs and its hypervolume.

All objectives are minimised: error, joules, bits. A design *dominates* another if it is not worse in any objective and
better in at least one. The front holds the designs that no other dominates; its hypervolume is the volume that it
dominates below a reference point,

.. math:: H = \mathrm{volume} \bigcup_{x \in \text{front}} [x_1, r_1] \times \cdots \times [x_M, r_M] .
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._gates import as_numbers
from spikewise.errors import ParameterError, ShapeError


def is_on_front(objectives: ArrayLike) -> NDArray[np.bool_]:
    """Return which designs no other design dominates; equal designs get the same answer.

    Parameters
    ----------
    objectives : array of shape (N, M)
        M finite numbers of each design; smaller is better.

    Examples
    --------
    >>> is_on_front([[0.10, 5.0], [0.05, 9.0], [0.10, 6.0]]).tolist()
    [True, True, False]
    """
    values = _checked(objectives)
    found = np.zeros(len(values), bool)
    best = np.empty((0, values.shape[1]))
    # In lexicographic order a design comes after all that dominate it, and a dominated design is dominated by one of
    # the front: comparing with the front so far is enough.
    for index in np.lexsort(values.T[::-1]):
        value = values[index]
        found[index] = not ((best <= value).all(1) & (best < value).any(1)).any()
        if found[index]:
            best = np.concatenate([best, value[None]])
    return found


def hypervolume(objectives: ArrayLike, reference: ArrayLike) -> float:
    """Return the volume that the designs dominate below a reference point; designs beyond it add nothing.

    Parameters
    ----------
    objectives : array of shape (N, M)
        As for :func:`is_on_front`.
    reference : array of shape (M,)
        Worst value of each objective that still counts.

    Examples
    --------
    >>> hypervolume([[1.0, 2.0], [2.0, 1.0]], reference=[3.0, 3.0])
    3.0
    """
    values, worst = _checked(objectives), as_numbers(reference, "reference").astype(np.float64)
    if worst.shape != values.shape[1:]:
        raise ShapeError(f"reference must have {values.shape[1]} numbers; got shape {worst.shape}.")
    return _volume(values[(values < worst).all(1)], worst)


def _volume(values: NDArray[np.float64], worst: NDArray[np.float64]) -> float:
    """Sum slices along the last objective, from one design to the next; each has the volume of the designs so far."""
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
    values = as_numbers(objectives, "objectives").astype(np.float64)
    if values.ndim != 2 or not values.shape[1]:
        raise ShapeError(f"objectives must have shape (N, M) with M at least 1; got {values.shape}.")
    if not np.isfinite(values).all():
        raise ParameterError("objectives must be finite; got NaN or infinity. Leave such designs out.")
    return values
