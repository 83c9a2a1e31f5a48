r"""From numbers to spike trains: direct and Poisson coding.

*Direct coding* presents the same analog value at every step (DT-SNN): a view, never T copies.
*Poisson coding* turns intensities into rates.

Learning draws Poisson spikes *lazily, in time order, at a cost per spike*. The inputs of a sample together
are one Poisson process of :math:`\Lambda` events per step; each event belongs to input *i* with probability
:math:`\lambda_i / \Lambda`. So a step draws its number of events from one table, and for each event an input
by Walker's alias method; an input that is drawn twice in a step fires once, with probability
:math:`1 - e^{-\lambda_i}` per step. All chance is a hash of (key, place in the stream), in integers: a
truncated run is a prefix of the full one, and neither sample order nor thread count nor machine changes a bit.

References
----------
.. [1] Heeger, "Poisson model of spike generation", 2000.
.. [2] Walker, "An efficient method for generating discrete random variables", 1977.
.. [3] Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (SplitMix64), 2014.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._compile import inlined, kernel
from spikewise.errors import ParameterError, ShapeError

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0xD6E8FEB86659FD93)
_LOW_32 = np.uint64(0xFFFFFFFF)


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
    """
    _check_steps(n_steps)
    probability = np.asarray(intensity, np.float64)
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ParameterError("intensity must lie in [0, 1] everywhere. Scale the images first.")
    return np.asarray(rng.random((n_steps, *probability.shape)) < probability)


def spike_shares(features: ArrayLike) -> NDArray[np.uint16]:
    """Share of each input in its sample's spikes, in 16 bits relative to the largest.

    Only proportions count, so dark and bright images give equally many spikes. A row of zeros is silent.

    Parameters
    ----------
    features : array of shape (B, n_inputs)
        Finite values of at least 0.

    Returns
    -------
    uint16 array of shape (B, n_inputs)

    Examples
    --------
    >>> spike_shares([[1, 3], [0, 0]]).tolist()
    [[21845, 65535], [0, 0]]
    """
    rows = np.asarray(features)
    if rows.ndim != 2:
        raise ShapeError(f"features must have shape (B, n_inputs); got {rows.shape}.")
    rows = rows.astype(np.float64)
    top = rows.max(1, keepdims=True, initial=0.0)
    # Divided by the largest first, so that neither huge nor tiny features overflow or vanish.
    # In C order whatever the input's, so that the kernels are compiled once.
    return np.asarray(np.rint(rows / np.where(top > 0, top, 1.0) * 65535), np.uint16, order="C")


def event_counts(events_per_step: float) -> NDArray[np.uint64]:
    """Cumulative distribution of a Poisson number of events, in units of 2**-64.

    A step has *n* events if its 64 random bits lie at or above entry ``n - 1`` and below entry ``n``.

    Parameters
    ----------
    events_per_step : float
        Mean, in (0, 200].
    """
    if not 0 < events_per_step <= 200:
        raise ParameterError(f"events_per_step must lie in (0, 200]; got {events_per_step}.")
    probability, total = float(np.exp(-events_per_step)), 0.0
    table: list[int] = []
    while total < 1 - 2**-50 and len(table) < 1000:
        total += probability
        table.append(min(int(total * 2**64), 2**64 - 1))
        probability *= events_per_step / len(table)
    table[-1] = 2**64 - 1
    return np.array(table, np.uint64)


@inlined
def mix(x: np.uint64) -> np.uint64:
    """Scramble 64 bits (the finaliser of SplitMix64)."""
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


@kernel
def stream_key(seed: np.uint64, stream: np.uint64) -> np.uint64:
    """Key of one sample's spike stream."""
    return mix(mix(seed + _GOLDEN) ^ (stream * _STEP + _GOLDEN))


@kernel
def content_keys(shares: NDArray[np.uint16], seed: np.uint64) -> NDArray[np.uint64]:
    """Key of each row's inference stream, a function of the seed and the row's content alone."""
    keys = np.empty(shares.shape[0], np.uint64)
    for sample in range(shares.shape[0]):
        digest = mix(seed ^ _STEP)
        for index in range(shares.shape[1]):
            share = shares[sample, index]
            if share > 0:
                # A sum over non-zero inputs: every term is scrambled with its place.
                digest += mix(np.uint64(index + 1) * _GOLDEN + np.uint64(share))
        keys[sample] = mix(digest)
    return keys


@kernel
def build_alias(
    shares: NDArray[np.uint16], active: NDArray[np.int32], accept: NDArray[np.uint32], alias: NDArray[np.int32]
) -> int:
    """Prepare drawing inputs in proportion to their shares; returns how many are active.

    Slot *a* stands for input ``active[a]``; it is kept with probability ``accept[a]`` / 2**32, else its
    ``alias[a]`` is taken. Every slot then has the same weight (Walker 1977, in Vose's linear form).
    """
    n_active, total = 0, np.int64(0)
    for index in range(shares.shape[0]):
        active[n_active] = index
        n_active += shares[index] > 0
        total += np.int64(shares[index])
    weight = np.empty(n_active, np.int64)
    small, large = np.empty(n_active, np.int32), np.empty(n_active, np.int32)
    n_small = n_large = 0
    for a in range(n_active):
        weight[a] = np.int64(shares[active[a]]) * n_active  # mean weight: total
        alias[a] = active[a]
        if weight[a] < total:
            small[n_small] = a
            n_small += 1
        else:
            large[n_large] = a
            n_large += 1
    while n_small and n_large:
        n_small -= 1
        low, high = small[n_small], large[n_large - 1]
        accept[low] = np.uint32(np.float64(weight[low]) / np.float64(total) * 4294967295.0)
        alias[low] = active[high]
        weight[high] -= total - weight[low]
        if weight[high] < total:
            n_large -= 1
            small[n_small] = high
            n_small += 1
    for i in range(n_small):
        accept[small[i]] = np.uint32(_LOW_32)
    for i in range(n_large):
        accept[large[i]] = np.uint32(_LOW_32)
    return n_active


@inlined
def draw_step(
    key: np.uint64,
    step: int,
    n_drawn: int,
    counts: NDArray[np.uint64],
    active: NDArray[np.int32],
    accept: NDArray[np.uint32],
    alias: NDArray[np.int32],
    n_active: int,
    last_step: NDArray[np.int32],
    fired: NDArray[np.int32],
) -> tuple[int, int]:
    """List the inputs that fire at this step; returns how many, and the events drawn so far in this sample.

    ``last_step`` (n_inputs,) must hold -1 before the first step; ``fired`` takes up to ``len(counts)`` inputs.
    """
    if n_active == 0:
        return 0, n_drawn
    bits = mix(key ^ (np.uint64(step + 1) * _STEP))
    n_events = 0
    while bits >= counts[n_events] and n_events < counts.shape[0] - 1:
        n_events += 1
    n_fired = 0
    for event in range(n_drawn, n_drawn + n_events):
        word = mix(key + np.uint64(event + 1) * _GOLDEN)
        slot = np.int64(((word >> np.uint64(32)) * np.uint64(n_active)) >> np.uint64(32))
        is_kept = (word & _LOW_32) <= np.uint64(accept[slot])
        index = active[slot] if is_kept else alias[slot]
        if last_step[index] != step:
            last_step[index] = step
            fired[n_fired] = index
            n_fired += 1
    return n_fired, n_drawn + n_events


@kernel
def hashed_spikes(
    shares: NDArray[np.uint16], key: np.uint64, counts: NDArray[np.uint64], n_steps: int
) -> NDArray[np.int32]:
    """Spikes of one sample as rows (step, input), in the order in which they are drawn."""
    n_inputs = shares.shape[0]
    active, alias = np.empty(n_inputs + 1, np.int32), np.empty(n_inputs, np.int32)
    accept, last_step = np.empty(n_inputs, np.uint32), np.full(n_inputs, -1, np.int32)
    fired = np.empty(counts.shape[0], np.int32)
    spikes = np.empty((n_steps * min(n_inputs, counts.shape[0]), 2), np.int32)
    n_active = build_alias(shares, active, accept, alias)
    n_drawn = n_spikes = 0
    for step in range(n_steps):
        n_fired, n_drawn = draw_step(key, step, n_drawn, counts, active, accept, alias, n_active, last_step, fired)
        for i in range(n_fired):
            spikes[n_spikes, 0], spikes[n_spikes, 1] = step, fired[i]
            n_spikes += 1
    return spikes[:n_spikes]


def _check_steps(n_steps: int) -> None:
    if n_steps < 1:
        raise ParameterError(f"n_steps must be at least 1; got {n_steps}.")
