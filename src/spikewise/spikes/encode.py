"""Encode numbers as spike trains: direct and Poisson coding.

*Direct coding* presents the same analog value at every step (DT-SNN), as a view without copies.
*Poisson coding* turns intensities into firing rates. The learning engines draw their spikes lazily, with
:mod:`spikewise.spikes.streams`.

References
----------
.. [1] Heeger, "Poisson model of spike generation", 2000.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._arguments import checks_arguments
from spikewise._gates import as_numbers
from spikewise.errors import ParameterError, whole_number

_MOST_STEPS = 2**24  # catches mistakes


@checks_arguments
def direct_encode(values: ArrayLike, n_steps: int) -> NDArray[np.generic]:
    """Present the same values at every step, as a read-only view of shape (T, ...).

    Examples
    --------
    >>> direct_encode(np.array([[1.0, 2.0]]), 3).shape
    (3, 1, 2)
    """
    shown = as_numbers(values, "values")
    return np.broadcast_to(shown, (whole_number("n_steps", n_steps, 1, _MOST_STEPS), *shown.shape))


@checks_arguments
def poisson_encode(intensity: ArrayLike, n_steps: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw spike trains whose firing probability per step equals the intensity.

    Parameters
    ----------
    intensity : array of shape (B, ...)
        Firing probability per step, in [0, 1].
    n_steps : int
        Length T of the train, at least 1.
    rng : numpy.random.Generator
        Random generator; equal generators give equal trains.

    Returns
    -------
    bool array of shape (T, B, ...)
        True where a neuron fires.

    Raises
    ------
    ParameterError
        If an intensity lies outside [0, 1].

    Examples
    --------
    >>> poisson_encode([[0.0, 1.0]], 2, np.random.default_rng(0)).tolist()
    [[[False, True]], [[False, True]]]
    """
    n_steps = whole_number("n_steps", n_steps, 1, _MOST_STEPS)
    probability = as_numbers(intensity, "intensity", 0)
    if probability.max(initial=0) > 1:
        raise ParameterError(f"intensity must lie in [0, 1]; got {probability.max():g}. Scale the images first.")
    return np.asarray(rng.random((n_steps, *probability.shape)) < probability)
