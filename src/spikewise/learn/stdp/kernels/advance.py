r"""Steps of all neurons as explicit vector code, for 8-bit integers and for floats, from one builder.

A compiler left alone with this loop loses a factor of two to four: it keeps the sums in memory and widens
16-bit products to 32. So it is written in the compiler's own vector language, 64 neurons at a time: the
weight rows of all inputs that fired are summed in registers, then leak, integration, refractory period and the
comparison with the threshold follow in the same pass. Output spikes are rare, so many steps run in one pass, with
potentials kept in registers and weight rows in the nearest cache; one block does not wait for the others. It is
portable (any CPU runs it, with the vectors it has) and needs no C compiler.

Integers (weights in 1/256, potentials in 1/64 mV, 16 bits, saturating):

.. math:: I_j = \min\bigl(2^{15} - 1, \lfloor 8 \sum_i w_{ij} \cdot G_j / 2^{16} \rfloor\bigr), \qquad
          v_j \leftarrow v_j - \lfloor d\, v_j / 2^{16} \rfloor + I_j

Floats, in the same units: :math:`v_j \leftarrow \mathrm{decay} \cdot v_j + G_j \sum_i w_{ij}`. In both a neuron that
rests is held at 0. Sums run in the order of the spikes and are never fused, so the bits equal those of NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import DTypeLike, NDArray

LANES = 64  # neurons per pass; the number of neurons is padded to a multiple
_CACHE_LINE = 64  # bytes

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def aligned(values: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Copy of an array that begins at a cache line: rows that straddle lines cost floats a quarter of the time.

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


class _Lanes:
    """Small vocabulary of vector operations on ``LANES`` elements."""

    def __init__(self, builder: Any, element: Any) -> None:
        self.builder = builder
        self.vector = ir.VectorType(element, LANES)

    def constant(self, value: float) -> Any:
        return ir.Constant(self.vector, [value] * LANES)

    def splat(self, scalar: Any) -> Any:
        empty = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(empty, scalar, ir.Constant(_I32, 0))
        return self.builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))

    def address(self, data: Any, index: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(data, [index]), ir.PointerType(self.vector))

    def load(self, data: Any, index: Any) -> Any:
        loaded = self.builder.load(self.address(data, index), typ=self.vector)
        loaded.align = 1
        return loaded

    def store(self, value: Any, data: Any, index: Any) -> None:
        self.builder.store(value, self.address(data, index)).align = 1

    def call(self, name: str, *operands: Any) -> Any:
        kind = ir.FunctionType(self.vector, [operand.type for operand in operands])
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.v{LANES}i16")
        return self.builder.call(function, operands)


def _integer_potential(lanes: _Lanes, v: Any, total: Any, gain: Any, decay: Any) -> Any:
    b = lanes.builder
    # A fixed-point product of scale 16 is the high half: one instruction instead of widening to 32 bits.
    current = lanes.call("umul.fix", b.shl(total, lanes.constant(3)), gain, ir.Constant(_I32, 16))
    current = lanes.call("umin", current, lanes.constant(32767))
    wide = ir.VectorType(_I32, LANES)
    leak = b.mul(b.sext(v, wide), b.sext(lanes.splat(decay), wide))
    leak = b.trunc(b.ashr(leak, ir.Constant(wide, [16] * LANES)), lanes.vector)
    return lanes.call("sadd.sat", b.sub(v, leak), current)


def _float_potential(lanes: _Lanes, v: Any, total: Any, gain: Any, decay: Any) -> Any:
    b = lanes.builder
    return b.fadd(b.fmul(v, lanes.splat(decay)), b.fmul(gain, total))


@intrinsic
def advance_block(
    typing: Any, weights: Any, gain: Any, threshold: Any, v: Any, v_next: Any, rests_until: Any, spikes: Any, ends: Any,
    place: Any, first: Any, stop: Any, decay: Any,
) -> Any:  # fmt: skip
    """Advance ``LANES`` neurons, from neuron ``place`` on, through step ``first`` and on, before ``stop``.

    Ends with the first step at which any of them should fire. Returns the next step, and whether any should. Reads v
    and writes v_next. The spikes of step t are ``spikes[ends[t]:ends[t + 1]]``, at most ``MAX_SPIKES``. Integers:
    weights uint8 (n_inputs, N), gain uint16, v and threshold int16, decay int16. Floats: all float32. In both, N
    is a multiple of ``LANES``, rests_until int16, spikes and ends int32.
    """
    state = (weights, gain, threshold, v, v_next, rests_until, spikes, ends)
    signature = types.Tuple([types.intp, types.boolean])(*state, *[types.intp] * 3, v.dtype)
    is_integer = isinstance(weights.dtype, types.Integer)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = [
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args[:8], arguments[:8], strict=True)
        ]
        w, g, limit, potential, potential_next, rests, fired, bounds = (array.data for array in arrays)
        at, first_step, stop_step, leak = arguments[8:]
        n_neurons, one = builder.extract_value(arrays[0].shape, 1), ir.Constant(_I64, 1)
        lanes = _Lanes(builder, ir.IntType(16) if is_integer else ir.FloatType())
        clock = _Lanes(builder, ir.IntType(16))
        bytes_ = _Lanes(builder, ir.IntType(8))
        advance_one = _integer_potential if is_integer else _float_potential
        compare = builder.icmp_signed if is_integer else builder.fcmp_ordered
        total = cgutils.alloca_once(builder, lanes.vector)
        moving = cgutils.alloca_once_value(builder, lanes.load(potential, at))
        reached = cgutils.alloca_once_value(builder, stop_step)
        crossed = cgutils.alloca_once_value(builder, ir.Constant(ir.IntType(1), 0))
        gains, limits, awake_from = lanes.load(g, at), lanes.load(limit, at), clock.load(rests, at)
        with cgutils.for_range(builder, stop_step, first_step) as loop:
            step, next_step = loop.index, builder.add(loop.index, one)
            builder.store(lanes.constant(0), total)
            begin = builder.zext(builder.load(builder.gep(bounds, [step]), typ=_I32), _I64)
            end = builder.zext(builder.load(builder.gep(bounds, [next_step]), typ=_I32), _I64)
            with cgutils.for_range(builder, end, begin) as spike:
                index = builder.zext(builder.load(builder.gep(fired, [spike.index]), typ=_I32), _I64)
                cell = builder.add(builder.mul(index, n_neurons), at)
                so_far = builder.load(total, typ=lanes.vector)
                if is_integer:
                    builder.store(builder.add(so_far, builder.zext(bytes_.load(w, cell), lanes.vector)), total)
                else:
                    builder.store(builder.fadd(so_far, lanes.load(w, cell)), total)
            summed, before = builder.load(total, typ=lanes.vector), builder.load(moving, typ=lanes.vector)
            moved = advance_one(lanes, before, summed, gains, leak)
            is_awake = builder.icmp_signed("<=", awake_from, clock.splat(builder.trunc(step, ir.IntType(16))))
            moved = builder.select(is_awake, moved, lanes.constant(0))
            builder.store(moved, moving)
            above = builder.bitcast(compare(">=", moved, limits), ir.IntType(LANES))
            with builder.if_then(builder.icmp_unsigned("!=", above, ir.Constant(ir.IntType(LANES), 0)), likely=False):
                builder.store(next_step, reached)
                builder.store(ir.Constant(ir.IntType(1), 1), crossed)
                loop.do_break()
        lanes.store(builder.load(moving, typ=lanes.vector), potential_next, at)
        return context.make_tuple(builder, signature.return_type, [builder.load(reached), builder.load(crossed)])

    return signature, generate
