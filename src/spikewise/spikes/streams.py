r"""Draw Poisson spikes lazily from stateless hashes: in time order, at a cost proportional to their number.

The inputs of a sample together are one Poisson process of :math:`\Lambda` events per step; each event belongs
to input *i* with probability :math:`\lambda_i / \Lambda`. A step draws its number of events from one table,
and for each event an input from a second table, in which every input has slots in proportion to its intensity. An
input that is drawn twice in a step fires once, with probability :math:`1 - e^{-\lambda_i}` per step.

All chance is a hash (the finaliser of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", 2014) of (key, place in the stream), in integers: a truncated run is a prefix of the full one,
and neither sample order nor thread count nor machine changes a bit. Steps are drawn in bursts, because branches
that depend on chance are what drawing costs.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._compile import inlined, kernel
from spikewise._gates import as_numbers
from spikewise.errors import ParameterError

BURST = 16
"""Largest number of steps that are drawn at once."""

MAX_SPIKES = 32
"""Largest number of inputs that fire in one step, so that the sum of their 8-bit weights, times 8, fits in 16 bits."""

# SplitMix64: the increment (2**64 over the golden ratio, odd) and the two multipliers of its finaliser.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0xD6E8FEB86659FD93)  # another odd number, so that steps and events get different hashes
_PADDING = 128  # slots after the last one, so that slots can be filled in blocks of this size


class SpikeStream(NamedTuple):
    """Tables and buffers of one stream of spikes, a tuple because numba compiles tuples.

    The spikes of step t are ``spikes[ends[t]:ends[t + 1]]``; up to and including it ``drawn[t + 1]`` events were drawn.
    """

    counts: NDArray[np.uint64]
    guide: NDArray[np.uint8]  # first entry of counts that random bits can mean, by their top 8 bits
    slots: NDArray[Any]
    active: NDArray[Any]  # inputs with slots
    last_step: NDArray[np.int32]  # last step at which each input fired
    candidates: NDArray[np.int32]
    spikes: NDArray[np.int32]
    ends: NDArray[np.int32]
    drawn: NDArray[np.int32]


def spike_stream(events_per_step: float, n_inputs: int, n_steps: int) -> SpikeStream:
    """Allocate tables and buffers for the stream of one sample at a time.

    Intensities have a resolution of 8 slots per input; slots are rounded up to a power of two, at least 8192.
    """
    counts = event_counts(events_per_step)
    edges = np.arange(2**8, dtype=np.uint64) << np.uint64(56)
    # A power of two, so that a mask turns random bits into a slot without a division or a bias.
    n_slots = 2 ** int(np.ceil(np.log2(max(8192, 8 * n_inputs))))
    index = np.uint16 if n_inputs <= 2**16 else np.uint32
    return SpikeStream(
        counts,
        np.searchsorted(counts, edges, side="right").astype(np.uint8),
        np.zeros(n_slots + _PADDING, index),
        np.zeros(n_inputs + 1, index),
        np.zeros(n_inputs, np.int32),
        np.zeros(BURST * len(counts) + 8, np.int32),  # 8: whole hashes begin before and end after a burst
        np.zeros(n_steps * MAX_SPIKES + 1, np.int32),
        np.zeros(n_steps + 1, np.int32),
        np.zeros(n_steps + 1, np.int32),
    )


def spike_shares(features: ArrayLike) -> NDArray[np.uint16]:
    """Scale each row of features to 16 bits by its largest value: relative firing rates of the inputs.

    Only proportions matter, so dark and bright images give equally many spikes. A row of zeros is silent.

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
    rows = np.ascontiguousarray(as_numbers(features, "features", 0, ndim=2))
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
                # Division before the product, so that huge features do not overflow and tiny ones do not vanish.
                shares[sample, index] = np.uint16(np.rint(np.float64(row[index]) / top * 65535.0))
    return shares


def event_counts(events_per_step: float) -> NDArray[np.uint64]:
    """Return the cumulative distribution of a Poisson number of events, in units of 2**-64.

    A step has *n* events if its 64 random bits lie at or above entry ``n - 1`` and below entry ``n``.

    Parameters
    ----------
    events_per_step : float
        Mean number of events, in (0, 200].
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
    table[-1] = 2**64 - 1  # the rest, at most 2**-50, goes to the last entry
    return table


@inlined
def mix(x: np.uint64) -> np.uint64:
    """Scramble 64 bits (the finaliser of SplitMix64)."""
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


@kernel
def stream_key(seed: np.uint64, stream: np.uint64) -> np.uint64:
    """Return the key of one sample's spike stream."""
    return mix(mix(seed + _GOLDEN) ^ (stream * _STEP + _GOLDEN))


@kernel
def stream_keys(seed: np.uint64, first: int, n_samples: int) -> NDArray[np.uint64]:
    """Return the keys of the spike streams of consecutive samples."""
    keys = np.empty(n_samples, np.uint64)
    for sample in range(n_samples):
        keys[sample] = stream_key(seed, np.uint64(first + sample))
    return keys


@kernel
def content_keys(shares: NDArray[np.uint16], seed: np.uint64) -> NDArray[np.uint64]:
    """Return the key of each row's inference stream, which depends on the seed and the row's content alone."""
    keys = np.empty(shares.shape[0], np.uint64)
    for sample in range(shares.shape[0]):
        digest = mix(seed ^ _STEP)
        for index in range(shares.shape[1]):
            share = shares[sample, index]
            if share > 0:
                # A sum does not depend on the order of its terms, so each term is hashed together with its index.
                digest += mix(np.uint64(index + 1) * _GOLDEN + np.uint64(share))
        keys[sample] = mix(digest)
    return keys


@kernel
def begin(stream: SpikeStream, shares: NDArray[np.uint16], sample: int) -> bool:
    """Assign slots to each input of a sample in proportion to its share; return whether any input is active.

    The cumulative shares are rounded to whole slots, so that all slots are filled and rounding errors do not add up.
    """
    row, active = shares[sample], stream.active
    total, n_active = np.int64(0), np.uint64(0)
    for index in range(row.shape[0]):  # no branch: an inactive input is overwritten by the next one
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
            for slot in range(_PADDING):  # a fixed length gives vector stores; the next input overwrites the surplus
                slots[filled + np.uint64(slot)] = index
            filled += np.uint64(_PADDING)
        filled = end
    for slot in range(filled, n_slots):  # rounding may leave the last slot empty
        slots[slot] = active[n_active - np.uint64(1)]
    stream.last_step[:] = -1
    stream.ends[0] = 0
    stream.drawn[0] = 0
    return True


@inlined
def draw(stream: SpikeStream, key: np.uint64, first: int, stop: int) -> None:
    """Draw the spikes of steps first..stop-1, at most ``BURST`` of them; all earlier steps must have been drawn."""
    counts, slots, last_step, spikes = stream.counts, stream.slots, stream.last_step, stream.spikes
    event = np.uint64(stream.drawn[first])
    begun = event
    for step in range(first, stop):
        # Inverse transform: the number of events is the entry of the distribution in which 64 random bits fall.
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
            # Always written, counted only if new and below MAX_SPIKES: a branch would be mispredicted.
            n_spikes += np.uint64((last_step[index] != step) & (n_spikes < full))
            last_step[index] = step
            place += np.uint64(1)
        stream.ends[np.uint64(step + 1)] = n_spikes


@kernel
def find_inputs(
    key: np.uint64, first: np.uint64, stop: np.uint64, slots: NDArray[Any], candidates: NDArray[np.int32]
) -> np.uint64:
    """Write the inputs of these events to ``candidates``; return how many entries precede the first event.

    One hash gives the inputs of several events, so entries begin at the first event of a hash.
    """
    n_slots = np.uint64(slots.shape[0] - _PADDING)
    mask, place = n_slots - np.uint64(1), np.uint64(0)
    if n_slots <= np.uint64(65536):  # 16 bits choose a slot, so a hash serves four events
        begun = first >> np.uint64(2)
        for word in range(begun, (stop + np.uint64(3)) >> np.uint64(2)):
            bits = mix(key + (np.uint64(word) + np.uint64(1)) * _GOLDEN)
            candidates[place] = slots[bits & mask]
            candidates[place + np.uint64(1)] = slots[(bits >> np.uint64(16)) & mask]
            candidates[place + np.uint64(2)] = slots[(bits >> np.uint64(32)) & mask]
            candidates[place + np.uint64(3)] = slots[(bits >> np.uint64(48)) & mask]
            place += np.uint64(4)
        return first - (begun << np.uint64(2))
    begun = first >> np.uint64(1)  # more than 16 bits choose a slot, so a hash serves two events
    for word in range(begun, (stop + np.uint64(1)) >> np.uint64(1)):
        bits = mix(key + (np.uint64(word) + np.uint64(1)) * _GOLDEN)
        candidates[place] = slots[bits & mask]
        candidates[place + np.uint64(1)] = slots[(bits >> np.uint64(32)) & mask]
        place += np.uint64(2)
    return first - (begun << np.uint64(1))


@kernel
def stream_spikes(stream: SpikeStream, shares: NDArray[np.uint16], sample: int, key: np.uint64) -> int:
    """Draw all steps of a sample's stream; return the number of its spikes."""
    n_steps = stream.ends.shape[0] - 1
    if not begin(stream, shares, sample):
        stream.ends[:] = 0
        return 0
    for first in range(0, n_steps, BURST):
        draw(stream, key, first, min(first + BURST, n_steps))
    return int(stream.ends[n_steps])
