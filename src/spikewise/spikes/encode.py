r"""From numbers to spike trains: direct and Poisson coding.

*Direct coding* presents the same analog value at every step (DT-SNN): a view, never T copies.
*Poisson coding* fires with a probability per step proportional to the intensity. Learning uses a
stateless form of it: whether input *i* of a sample fires at step *t* is decided by comparing 16 hashed
bits of ``(key, i, t)`` with a 16-bit probability. So spikes can be drawn lazily in time order, a
truncated run is a prefix of the full one, and neither sample order nor thread count nor machine changes
a bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._compile import inlined, kernel
from spikewise.errors import ParameterError, ShapeError

STEPS_PER_WORD = 4  # one 64-bit hash decides four steps of 16 bits each

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0xD6E8FEB86659FD93)


def direct_encode(values: NDArray[np.generic], n_steps: int) -> NDArray[np.generic]:
    """Present the same values at every step, as a read-only view of shape (T, ...).

    Examples
    --------
    >>> direct_encode(np.array([[1.0, 2.0]]), 3).shape
    (3, 1, 2)
    """
    _check_steps(n_steps)
    return np.broadcast_to(values, (n_steps, *values.shape))


def poisson_encode(intensity: ArrayLike, n_steps: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw spike trains whose firing probability per step equals the intensity.

    Parameters
    ----------
    intensity : array of shape (B, ...)
        Firing probability per step, in [0, 1].
    n_steps : int
        Length T of the train, at least 1.
    rng : numpy.random.Generator
        Source of chance; equal generators give equal trains.

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

    References
    ----------
    .. [1] Heeger, "Poisson model of spike generation", 2000.
    """
    _check_steps(n_steps)
    probability = np.asarray(intensity, np.float64)
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ParameterError("intensity must lie in [0, 1] everywhere. Scale the images first.")
    return np.asarray(rng.random((n_steps, *probability.shape)) < probability)


def firing_thresholds(features: ArrayLike, spikes_per_step: float) -> NDArray[np.uint16]:
    """Firing probabilities in units of 2**-16 such that each row fires a given number of spikes per step.

    Rates are proportional to the features; only their proportions matter, so dark and bright images
    give equally many spikes. A row of zeros stays silent; no input fires more often than once per step.

    Parameters
    ----------
    features : array of shape (B, n_inputs)
        Finite values of at least 0.
    spikes_per_step : float
        Expected spikes of a whole row per step, above 0.

    Returns
    -------
    uint16 array of shape (B, n_inputs)

    Examples
    --------
    >>> firing_thresholds([[1, 3], [0, 0]], spikes_per_step=0.5).tolist()
    [[8192, 24576], [0, 0]]
    """
    rows = np.asarray(features)
    if rows.ndim != 2:
        raise ShapeError(f"features must have shape (B, n_inputs); got {rows.shape}.")
    # Scaled by the largest first, so that neither huge nor tiny features overflow or vanish.
    rows = rows.astype(np.float64)
    top = rows.max(1, keepdims=True, initial=0.0)
    rows = rows / np.where(top > 0, top, 1.0)
    total = rows.sum(1, keepdims=True)
    scaled = rows * (65536 * spikes_per_step / np.where(total > 0, total, 1.0))
    return np.minimum(np.rint(scaled), 65535).astype(np.uint16)


@inlined
def mix(x: np.uint64) -> np.uint64:
    """Scramble 64 bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


@inlined
def spike_word(key: np.uint64, index: int, step: int) -> np.uint64:
    """Random bits of one input for the four steps that start at ``step`` (a multiple of 4)."""
    return mix(key + np.uint64(index + 1) * _GOLDEN + np.uint64(step + 1) * _STEP)


@kernel
def stream_key(seed: np.uint64, stream: np.uint64) -> np.uint64:
    """Key of one sample's spike stream."""
    return mix(mix(seed + _GOLDEN) ^ (stream * _STEP + _GOLDEN))


@kernel
def content_keys(thresholds: NDArray[np.uint16], seed: np.uint64) -> NDArray[np.uint64]:
    """Key of each row's inference stream, a function of the seed and the row's content alone."""
    keys = np.empty(thresholds.shape[0], np.uint64)
    for sample in range(thresholds.shape[0]):
        digest = mix(seed ^ _STEP)
        for index in range(thresholds.shape[1]):
            value = thresholds[sample, index]
            if value > 0:
                # A sum over non-zero inputs: every term is scrambled with its place.
                digest += mix(np.uint64(index + 1) * _GOLDEN + np.uint64(value))
        keys[sample] = mix(digest)
    return keys


@kernel
def hashed_spikes(thresholds: NDArray[np.uint16], key: np.uint64, n_steps: int) -> NDArray[np.bool_]:
    """Spike train (T, n_inputs) of one sample with the given firing thresholds and key."""
    spikes = np.zeros((n_steps, thresholds.shape[0]), np.bool_)
    for step in range(n_steps):
        first = step - step % STEPS_PER_WORD
        shift = np.uint64(16 * (step - first))
        for index in range(thresholds.shape[0]):
            bits = (spike_word(key, index, first) >> shift) & np.uint64(0xFFFF)
            spikes[step, index] = bits < np.uint64(thresholds[index])
    return spikes


def _check_steps(n_steps: int) -> None:
    if n_steps < 1:
        raise ParameterError(f"n_steps must be at least 1; got {n_steps}.")
