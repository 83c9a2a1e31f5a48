r"""From numbers to spike trains: direct and Poisson coding.

*Direct coding* presents the same analog value at every step (DT-SNN): a view, never T copies.
*Poisson coding* turns intensities into rates.

Learning draws Poisson spikes *lazily, in time order, at a cost per spike*. The inputs of a sample together
are one Poisson process of :math:`\Lambda` events per step; each event belongs to input *i* with probability
:math:`\lambda_i / \Lambda`. So a step draws its number of events from one table, and for each event an input
from a second one, in which every input has slots in proportion to its intensity. An input that is drawn twice
in a step fires once, with probability :math:`1 - e^{-\lambda_i}` per step. All chance is a hash of (key, place
in the stream), in integers: a truncated run is a prefix of the full one, and neither sample order nor thread
count nor machine changes a bit.

References
----------
.. [1] Heeger, "Poisson model of spike generation", 2000.
.. [2] Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (SplitMix64), 2014.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._compile import inlined, kernel
from spikewise.errors import ParameterError, ShapeError

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
    rows = np.ascontiguousarray(features)
    if rows.ndim != 2:
        raise ShapeError(f"features must have shape (B, n_inputs); got {rows.shape}.")
    if rows.dtype not in (np.uint8, np.float32, np.float64):
        rows = rows.astype(np.float64)
    return _shares(rows)


@kernel
def _shares(rows: NDArray[Any]) -> NDArray[np.uint16]:
    shares = np.zeros(rows.shape, np.uint16)
    for sample in range(rows.shape[0]):
        top = np.float64(0.0)
        for index in range(rows.shape[1]):
            top = max(top, np.float64(rows[sample, index]))
        if top > 0:
            for index in range(rows.shape[1]):
                # Divided by the largest first, so that neither huge nor tiny features overflow or vanish.
                shares[sample, index] = np.uint16(np.rint(np.float64(rows[sample, index]) / top * 65535.0))
    return shares


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
    mean = Decimal(events_per_step)  # decimal arithmetic is the same on every machine
    probability, total = (-mean).exp(), Decimal(0)
    table: list[int] = []
    while total < 1 - Decimal(2) ** -50:
        total += probability
        table.append(int(total * 2**64))
        probability *= mean / len(table)
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
def fill_slots(shares: NDArray[np.uint16], slots: NDArray[np.int32]) -> bool:
    """Give each input slots in proportion to its share; returns whether any input is active.

    Shares are rounded cumulatively to whole slots, so that all slots are filled and no error adds up.
    """
    total = np.int64(0)
    for index in range(shares.shape[0]):
        total += np.int64(shares[index])
    if total == 0:
        return False
    scale = slots.shape[0] / np.float64(total)
    so_far, filled, last = np.int64(0), np.int64(0), 0
    for index in range(shares.shape[0]):
        if shares[index] > 0:
            so_far += np.int64(shares[index])
            end = np.int64(np.float64(so_far) * scale)
            for slot in range(filled, end):
                slots[np.uint64(slot)] = index  # unsigned, or each access would first look for a negative index
            filled, last = end, index
    for slot in range(filled, slots.shape[0]):  # a rounded product may end one short
        slots[slot] = last
    return True


@inlined
def draw_step(
    key: np.uint64,
    step: int,
    n_drawn: int,
    counts: NDArray[np.uint64],
    slots: NDArray[np.int32],
    last_step: NDArray[np.int32],
    fired: NDArray[np.int32],
) -> tuple[int, int]:
    """List the inputs that fire at this step; returns how many, and the events drawn so far in this sample.

    ``last_step`` (n_inputs,) must hold -1 before the first step; ``fired`` bounds the spikes of a step.
    """
    bits = mix(key ^ (np.uint64(step + 1) * _STEP))
    n_events = 0
    while bits >= counts[n_events] and n_events < counts.shape[0] - 1:
        n_events += 1
    n_fired = 0
    for event in range(n_drawn, n_drawn + n_events):
        word = mix(key + np.uint64(event + 1) * _GOLDEN) >> np.uint64(32)
        index = slots[np.int64((word * np.uint64(slots.shape[0])) >> np.uint64(32))]
        if last_step[index] != step and n_fired < fired.shape[0]:
            last_step[index] = step
            fired[n_fired] = index
            n_fired += 1
    return n_fired, n_drawn + n_events


@kernel
def hashed_spikes(
    shares: NDArray[np.uint16], key: np.uint64, counts: NDArray[np.uint64], n_slots: int, n_steps: int, most: int
) -> NDArray[np.int32]:
    """Spikes of one sample as rows (step, input), in the order in which they are drawn, ``most`` per step."""
    slots, last_step = np.empty(n_slots, np.int32), np.full(shares.shape[0], -1, np.int32)
    fired = np.empty(most, np.int32)
    spikes = np.empty((n_steps * most, 2), np.int32)
    n_drawn = n_spikes = 0
    if fill_slots(shares, slots):
        for step in range(n_steps):
            n_fired, n_drawn = draw_step(key, step, n_drawn, counts, slots, last_step, fired)
            for i in range(n_fired):
                spikes[n_spikes, 0], spikes[n_spikes, 1] = step, fired[i]
                n_spikes += 1
    return spikes[:n_spikes]


def slot_count(n_inputs: int) -> int:
    """Slots that resolve the intensities of this many inputs: 8 per input and at least 8192.

    Examples
    --------
    >>> slot_count(784), slot_count(3072)
    (8192, 24576)
    """
    return max(8192, 8 * n_inputs)


def _check_steps(n_steps: int) -> None:
    if n_steps < 1:
        raise ParameterError(f"n_steps must be at least 1; got {n_steps}.")
