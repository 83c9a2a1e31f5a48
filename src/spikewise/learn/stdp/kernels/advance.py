r"""Steps of all neurons in explicit vector code; one loop for 8-bit integers and for floats.

A compiler alone makes this loop two to four times slower: it keeps the sums in memory and widens 16-bit products to 32
bits. So it is written in explicit vectors (:mod:`spikewise._vector`), 64 neurons at a time: the
weight rows of all inputs that fired are summed in registers, then leak, integration, refractory period and the
comparison with the threshold follow in the same pass. Output spikes are rare, so many steps run in one pass, with
potentials kept in registers and weight rows in the nearest cache; blocks of neurons are independent. It is portable
(any CPU runs it, with the vectors that it has) and needs no C compiler.

Integers (weights in 1/256, potentials in 1/64 mV, 16 bits, saturating):

.. math:: I_j = \min\bigl(2^{15} - 1, \lfloor 8 \sum_i w_{ij} \cdot G_j / 2^{16} \rfloor\bigr), \qquad
          v_j \leftarrow v_j - \lfloor d\, v_j / 2^{16} \rfloor + I_j

Floats, in the same units: :math:`v_j \leftarrow \mathrm{decay} \cdot v_j + G_j \sum_i w_{ij}`. In both, a neuron in its
refractory period stays at 0. Sums run in the order of the spikes and are never fused, so the bits equal those of NumPy.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload
from numpy.typing import DTypeLike, NDArray

from spikewise._compile import inlined
from spikewise._vector import (
    add_saturating,
    any_ge,
    load,
    min_unsigned,
    mul_high,
    mul_high_unsigned,
    splat,
    store,
    vector,
    where_ge,
)

LANES = 64  # neurons per pass; the number of neurons is padded to a multiple
_CACHE_LINE = 64  # bytes

i16x64, f32x64 = vector(types.int16, LANES), vector(types.float32, LANES)


def aligned(values: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Copy an array to the start of a cache line: unaligned rows make floats a quarter slower.

    Examples
    --------
    >>> aligned(np.arange(3), np.uint8).ctypes.data % 64
    0
    """
    n_bytes = values.size * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + _CACHE_LINE, np.uint8)
    begin = -memory.ctypes.data % _CACHE_LINE
    copy: NDArray[Any] = memory[begin : begin + n_bytes].view(dtype).reshape(values.shape)
    copy[...] = values
    return copy


@intrinsic
def vectors_for(context: Any, v: Any) -> Any:
    """Return the type of vectors for potentials of this precision."""
    kind = types.TypeRef(i16x64 if isinstance(v.dtype, types.Integer) else f32x64)
    return kind(v), lambda context, *_: context.get_dummy_value()


def moved(v: Any, total: Any, gain: Any, keep: Any) -> Any:
    """Return the potentials after one step, from those before and the summed weights of active inputs."""
    raise NotImplementedError


def _integers(v: Any, total: Any, gain: Any, keep: Any) -> Any:
    # At most 32 weights of at most 255: times 8, their sum just fits into 16 unsigned bits.
    current = min_unsigned(mul_high_unsigned(total * splat(8, i16x64), gain), splat(32767, i16x64))
    return add_saturating(v - mul_high(v, keep), current)


def _floats(v: Any, total: Any, gain: Any, keep: Any) -> Any:
    return v * keep + gain * total


@overload(moved, inline="always")
def _choose(v: Any, total: Any, gain: Any, keep: Any) -> Any:
    return _integers if v == i16x64 else _floats


@inlined
def advance_block(layer: Any, stream: Any, place: Any, first: Any, stop: Any, decay: Any) -> Any:
    """Advance ``LANES`` neurons, from neuron ``place`` on, through step ``first`` and on, before ``stop``.

    Ends with the first step at which any of them should fire. Returns the next step, and whether any should. Reads v
    and writes v_next. The spikes of step t are ``spikes[ends[t]:ends[t + 1]]``, at most ``MAX_SPIKES``. Integers:
    weights uint8 (n_inputs, N), gain uint16, v and threshold int16, decay int16. Floats: all float32. In both, N
    is a multiple of ``LANES``, rests_until int16, spikes and ends int32.
    """
    weights, gain, _, threshold, _, v, v_next, rests_until = layer
    kind, n_neurons, spikes, ends = vectors_for(v), weights.shape[1], stream.spikes, stream.ends
    gains, limits, awake_from = load(gain, place, kind), load(threshold, place, kind), load(rests_until, place, i16x64)
    zero, keep, potential = splat(0, kind), splat(decay, kind), load(v, place, kind)
    step, has_crossed = first, False
    while step < stop and not has_crossed:
        total = zero
        entry, end = np.uint64(ends[np.uint64(step)]), np.uint64(ends[np.uint64(step + 1)])
        while entry < end:  # in float32 a range costs 5 % more with 100 neurons
            total = total + load(weights, spikes[entry] * n_neurons + place, kind)
            entry += np.uint64(1)
        # Before its refractory period is over, a neuron ignores its input.
        potential = where_ge(splat(step, i16x64), awake_from, moved(potential, total, gains, keep), zero)
        # Which neuron fires is decided outside, over all blocks: the loop only has to stop.
        has_crossed = any_ge(potential, limits)
        step += 1
    store(v_next, place, potential)
    return step, has_crossed
