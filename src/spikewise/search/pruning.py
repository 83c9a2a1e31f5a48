r"""Decide after little training whether a design is worth complete training.

Its accuracy must then keep up with every trained design that needs no more memory and energy. With accuracies
:math:`p, q` on :math:`n` images each, it is hopeless if such a rival is better by more than two standard errors,

.. math:: q - p > 2 \sqrt{\frac{p(1-p) + q(1-q)}{n}} .
"""

import math
from collections.abc import Iterable, Mapping

_STANDARD_ERRORS = 2.0
_COSTS = ("memory_bits", "energy_j")


def is_hopeless(
    predicted: Mapping[str, float], look: float, rivals: Iterable[tuple[Mapping[str, float], float]], n_images: int
) -> bool:
    """Whether a design with no higher costs is significantly better after the same little training.

    Parameters
    ----------
    predicted : mapping
        Predicted memory (bits) and energy (joules) of the design.
    look : float
        Accuracy of the design after little training.
    rivals : iterable of (mapping, float)
        The same two values of the trained designs.
    n_images : int
        Number of images of each accuracy.

    Examples
    --------
    >>> small, large = {"memory_bits": 1e5, "energy_j": 1e-6}, {"memory_bits": 2e5, "energy_j": 2e-6}
    >>> is_hopeless(large, 0.80, [(small, 0.85)], n_images=5000)
    True
    >>> is_hopeless(small, 0.80, [(large, 0.85)], n_images=5000)
    False
    """
    for costs, theirs in rivals:
        chance = math.sqrt((look * (1 - look) + theirs * (1 - theirs)) / n_images)
        if theirs - look > _STANDARD_ERRORS * chance and all(costs[key] <= predicted[key] for key in _COSTS):
            return True
    return False
