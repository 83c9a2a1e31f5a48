r"""Poisson spikes drawn lazily, in time order, at a cost per spike, from stateless hashes.

The inputs of a sample together are one Poisson process of :math:`\Lambda` events per step; each event belongs
to input *i* with probability :math:`\lambda_i / \Lambda`. So a step draws its number of events from one table,
and for each event an input from a second one, in which every input has slots in proportion to its intensity. An
input that is drawn twice in a step fires once, with probability :math:`1 - e^{-\lambda_i}` per step.

All chance is a hash (the finaliser of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", 2014) of (key, place in the stream), in integers: a truncated run is a prefix of the full one,
and neither sample order nor thread count nor machine changes a bit. Steps are drawn in bursts, because branches
that depend on chance are what drawing costs.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._compile import inlined, kernel
from spikewise.errors import ParameterError, ShapeError

BURST = 16
"""Steps that are drawn at once, at most."""

MAX_SPIKES = 32
"""Inputs that fire in one step, at most: their 8-bit weights, times 8, fit in 16 bits."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0xD6E8FEB86659FD93)
_PADDING = 128  # slots behind the last, so that they can be filled this many at a time, mostly all of an input's
_GUIDE_BITS = np.uint64(8)


class SpikeStream(NamedTuple):
    """Tables and memory of one stream of spikes; a tuple so that it compiles. The spikes of step t are
    ``spikes[ends[t]:ends[t + 1]]``, and ``drawn[t + 1]`` events were drawn up to and including it.
    """

    counts: NDArray[np.uint64]
    guide: NDArray[np.uint8]  # first entry of counts that random bits can stand for, by their top 8
    slots: NDArray[Any]
    active: NDArray[Any]  # inputs with slots
    last_step: NDArray[np.int32]  # at which each input fired
    candidates: NDArray[np.int32]
    spikes: NDArray[np.int32]
    ends: NDArray[np.int32]
    drawn: NDArray[np.int32]


def spike_stream(events_per_step: float, n_inputs: int, n_steps: int) -> SpikeStream:
    """Memory for the stream of one sample at a time.

    Intensities are resolved by 8 slots per input, rounded up to a power of two and at least 8192.
    """
    counts = event_counts(events_per_step)
    edges = np.arange(2**8, dtype=np.uint64) << np.uint64(56)
    n_slots = 2 ** int(np.ceil(np.log2(max(8192, 8 * n_inputs))))
    index = np.uint16 if n_inputs <= 2**16 else np.uint32
    return SpikeStream(
        counts,
        np.searchsorted(counts, edges, side="right").astype(np.uint8),
        np.zeros(n_slots + _PADDING, index),
        np.zeros(n_inputs + 1, index),
        np.zeros(n_inputs, np.int32),
        np.zeros(BURST * len(counts) + 8, np.int32),
        np.zeros(n_steps * MAX_SPIKES + 1, np.int32),
        np.zeros(n_steps + 1, np.int32),
        np.zeros(n_steps + 1, np.int32),
    )


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
    return _shares(rows, rows.max(1, initial=0))


@kernel
def _shares(rows: NDArray[Any], highest: NDArray[Any]) -> NDArray[np.uint16]:
    shares = np.zeros(rows.shape, np.uint16)
    for sample in range(rows.shape[0]):
        row, top = rows[sample], np.float64(highest[sample])
        if top > 0:
            for index in range(row.shape[0]):
                # Divided by the largest first, so that neither huge nor tiny features overflow or vanish.
                shares[sample, index] = np.uint16(np.rint(np.float64(row[index]) / top * 65535.0))
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
    return np.array(_poisson_table(events_per_step), np.uint64)


@lru_cache(maxsize=8)
def _poisson_table(events_per_step: float) -> list[int]:
    mean = Decimal(events_per_step)  # decimal arithmetic is the same on every machine
    probability, total = (-mean).exp(), Decimal(0)
    table: list[int] = []
    while total < 1 - Decimal(2) ** -50:
        total += probability
        table.append(int(total * 2**64))
        probability *= mean / len(table)
    table[-1] = 2**64 - 1
    return table


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
def stream_keys(seed: np.uint64, first: int, n_samples: int) -> NDArray[np.uint64]:
    """Keys of the spike streams of samples that follow each other."""
    keys = np.empty(n_samples, np.uint64)
    for sample in range(n_samples):
        keys[sample] = stream_key(seed, np.uint64(first + sample))
    return keys


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
def begin(stream: SpikeStream, shares: NDArray[np.uint16], sample: int) -> bool:
    """Give each input of a sample slots in proportion to its share; returns whether any input is active.

    Shares are rounded cumulatively to whole slots, so that all slots are filled and no error adds up.
    """
    row, active = shares[sample], stream.active
    total, n_active = np.int64(0), np.uint64(0)
    for index in range(row.shape[0]):  # without a branch that depends on the data
        total += np.int64(row[index])
        active[n_active] = index
        n_active += np.uint64(row[index] > 0)
    if total == 0:
        return False
    slots, n_slots = stream.slots, np.uint64(stream.slots.shape[0] - _PADDING)
    scale = np.float64(n_slots) / np.float64(total)
    so_far, filled = np.int64(0), np.uint64(0)
    for place in range(n_active):
        index = active[place]
        so_far += np.int64(row[index])
        end = np.uint64(np.float64(so_far) * scale)
        while filled < end:
            for slot in range(_PADDING):  # whole vectors; what lies beyond the end is overwritten by the next
                slots[filled + np.uint64(slot)] = index
            filled += np.uint64(_PADDING)
        filled = end
    for slot in range(filled, n_slots):  # a rounded product may end one short
        slots[slot] = active[n_active - np.uint64(1)]
    stream.last_step[:] = -1
    stream.ends[0] = 0
    stream.drawn[0] = 0
    return True


@inlined
def draw(stream: SpikeStream, key: np.uint64, first: int, stop: int) -> None:
    """Draw the spikes of steps ``first`` to ``stop``, at most ``BURST`` of them; those before must have been drawn."""
    counts, slots, last_step, spikes = stream.counts, stream.slots, stream.last_step, stream.spikes
    event = np.uint64(stream.drawn[first])
    begun = event
    for step in range(first, stop):
        bits = mix(key ^ (np.uint64(step + 1) * _STEP))
        n_events = np.uint64(stream.guide[bits >> np.uint64(56)])
        while bits >= counts[n_events] and n_events < counts.shape[0] - 1:
            n_events += np.uint64(1)
        event += n_events
        stream.drawn[np.uint64(step + 1)] = event
    skipped = find_inputs(key, begun, event, slots, stream.candidates)
    n_spikes, place = np.uint64(stream.ends[first]), skipped
    for step in range(first, stop):
        last = skipped + np.uint64(stream.drawn[np.uint64(step + 1)]) - begun
        full = n_spikes + np.uint64(MAX_SPIKES)
        while place < last:
            index = np.uint64(stream.candidates[place])
            spikes[n_spikes] = index
            n_spikes += np.uint64((last_step[index] != step) & (n_spikes < full))
            last_step[index] = step
            place += np.uint64(1)
        stream.ends[np.uint64(step + 1)] = n_spikes


@kernel
def find_inputs(
    key: np.uint64, first: np.uint64, stop: np.uint64, slots: NDArray[Any], candidates: NDArray[np.int32]
) -> np.uint64:
    """List the inputs of these events, by whole hashes; returns how many entries lie before the first event."""
    n_slots = np.uint64(slots.shape[0] - _PADDING)
    mask, place = n_slots - np.uint64(1), np.uint64(0)
    if n_slots <= np.uint64(65536):  # a hash has four places of 16 bits
        begun = first >> np.uint64(2)
        for word in range(begun, (stop + np.uint64(3)) >> np.uint64(2)):
            bits = mix(key + (np.uint64(word) + np.uint64(1)) * _GOLDEN)
            candidates[place] = slots[bits & mask]
            candidates[place + np.uint64(1)] = slots[(bits >> np.uint64(16)) & mask]
            candidates[place + np.uint64(2)] = slots[(bits >> np.uint64(32)) & mask]
            candidates[place + np.uint64(3)] = slots[(bits >> np.uint64(48)) & mask]
            place += np.uint64(4)
        return first - (begun << np.uint64(2))
    begun = first >> np.uint64(1)
    for word in range(begun, (stop + np.uint64(1)) >> np.uint64(1)):
        bits = mix(key + (np.uint64(word) + np.uint64(1)) * _GOLDEN)
        candidates[place] = slots[bits & mask]
        candidates[place + np.uint64(1)] = slots[(bits >> np.uint64(32)) & mask]
        place += np.uint64(2)
    return first - (begun << np.uint64(1))


@kernel
def stream_spikes(stream: SpikeStream, shares: NDArray[np.uint16], sample: int, key: np.uint64) -> int:
    """Draw the whole stream of a sample at once; returns the number of its spikes."""
    n_steps = stream.ends.shape[0] - 1
    if not begin(stream, shares, sample):
        stream.ends[:] = 0
        return 0
    for first in range(0, n_steps, BURST):
        draw(stream, key, first, min(first + BURST, n_steps))
    return int(stream.ends[n_steps])
