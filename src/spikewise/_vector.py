"""Sixteen floats as one value of a compiled loop: written like a scalar, kept in a register.

A compiler left alone with a loop over several arrays often gives up: it must prove that they do not overlap, and
sums that run over the loop stay in memory. :data:`f32x16` is a type of its own, with ``+ - * /``, so that a kernel
reads like the formula for one element and does sixteen. It is portable: a CPU without wide registers uses several.
Operations are never fused or reordered, so the bits equal those of NumPy. Arrays hold float32, or bfloat16 as
``uint16``, which is rounded to the nearest even.

Functions are for compiled code alone: they raise NotImplementedError elsewhere.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from spikewise._compile import inlined

LANES = 16

_F32, _I32, _I16 = ir.FloatType(), ir.IntType(32), ir.IntType(16)
_FLOATS, _WORDS, _HALVES = (ir.VectorType(kind, LANES) for kind in (_F32, _I32, _I16))
_BF16_SHIFT, _EXPONENT_SHIFT, _EXPONENT_BIAS = 16, 23, 127


class _Lanes(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="f32x16")


f32x16 = _Lanes()


@register_model(_Lanes)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _FLOATS)


def _words(value: int) -> Any:
    return ir.Constant(_WORDS, [value] * LANES)


def _operator(symbol: Callable[[Any, Any], Any], instruction: str) -> None:
    @intrinsic
    def apply(context: Any, a: Any, b: Any) -> Any:
        if a is f32x16 and b is f32x16:
            return f32x16(a, b), lambda context, builder, signature, pair: getattr(builder, instruction)(*pair)
        return None

    @overload(symbol, inline="always", strict=False)
    def choose(a: Any, b: Any) -> Any:
        return (lambda a, b: apply(a, b)) if a is f32x16 and b is f32x16 else None


for _symbol, _instruction in (
    (operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv"),
):  # fmt: skip
    _operator(_symbol, _instruction)


@intrinsic
def splat(context: Any, value: Any) -> Any:
    """The same float32 in all lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        empty = ir.Constant(_FLOATS, ir.Undefined)
        one = builder.insert_element(empty, arguments[0], ir.Constant(_I32, 0))
        return builder.shuffle_vector(one, empty, _words(0))

    return f32x16(types.float32), generate


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any, vector: Any) -> Any:
    data = cgutils.create_struct_proxy(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), ir.PointerType(vector))


@intrinsic
def load(context: Any, array: Any, index: Any) -> Any:
    """Sixteen neighbours of a flat array, from an index on; nothing checks that they are there."""
    is_half = array.dtype == types.uint16

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = _HALVES if is_half else _FLOATS
        found = builder.load(_address(context, builder, array, *arguments, vector), typ=vector)
        found.align = 2 if is_half else 4
        if not is_half:
            return found
        return builder.bitcast(builder.shl(builder.zext(found, _WORDS), _words(_BF16_SHIFT)), _FLOATS)

    return f32x16(array, types.intp), generate


@intrinsic
def add_from(context: Any, sums: Any, array: Any, index: Any) -> Any:
    """A tuple of values, each plus its sixteen of so many neighbours of a flat float32 array, from an index on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found, values, first = arguments
        for part in range(sums.count):
            place = builder.add(first, context.get_constant(types.intp, part * LANES))
            value = builder.load(_address(context, builder, array, values, place, _FLOATS), typ=_FLOATS)
            value.align = 4
            found = builder.insert_value(found, builder.fadd(builder.extract_value(found, part), value), part)
        return found

    return sums(sums, array, types.intp), generate


@intrinsic
def store(context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write sixteen neighbours of a flat array, from an index on."""
    is_half = array.dtype == types.uint16

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *where, found = arguments
        vector = _HALVES if is_half else _FLOATS
        if is_half:
            bits = builder.bitcast(found, _WORDS)
            is_odd = builder.and_(builder.lshr(bits, _words(_BF16_SHIFT)), _words(1))
            rounded = builder.add(bits, builder.add(is_odd, _words(2 ** (_BF16_SHIFT - 1) - 1)))
            found = builder.trunc(builder.lshr(rounded, _words(_BF16_SHIFT)), _HALVES)
        builder.store(found, _address(context, builder, array, *where, vector)).align = 2 if is_half else 4
        return context.get_dummy_value()

    return types.void(array, types.intp, f32x16), generate


@intrinsic
def where_ge(context: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """Lane by lane ``then`` where ``a >= b``, else ``otherwise``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, then, otherwise = arguments
        return builder.select(builder.fcmp_ordered(">=", a, b), then, otherwise)

    return f32x16(f32x16, f32x16, f32x16, f32x16), generate


@intrinsic
def where_above(context: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """Lane by lane ``then`` where ``a > b`` or ``a`` is not a number, else ``otherwise``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, then, otherwise = arguments
        is_above = builder.or_(builder.fcmp_ordered(">", a, b), builder.fcmp_unordered("uno", a, a))
        return builder.select(is_above, then, otherwise)

    return f32x16(f32x16, f32x16, f32x16, f32x16), generate


def _function(name: str) -> Any:
    @intrinsic
    def apply(context: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = ir.FunctionType(_FLOATS, [_FLOATS])
            return builder.call(
                cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f32"), arguments
            )

        return f32x16(f32x16), generate

    return apply


floor, absolute = _function("floor"), _function("fabs")


@intrinsic
def _two_to_the(context: Any, whole: Any) -> Any:
    """2 to the power of whole numbers between -126 and 127."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        exponent = builder.add(builder.fptosi(arguments[0], _WORDS), _words(_EXPONENT_BIAS))
        return builder.bitcast(builder.shl(exponent, _words(_EXPONENT_SHIFT)), _FLOATS)

    return f32x16(f32x16), generate


_F = np.float32
_LEAST, _LOG2_E, _HALF, _ONE = _F(-87.0), _F(1.44269504), _F(0.5), _F(1.0)
_LN2_HIGH, _LN2_LOW = _F(0.693359375), _F(-2.12194440e-4)  # their sum is ln 2; the first times a small whole is exact
_P5, _P4, _P3 = _F(1.9875691500e-4), _F(1.3981999507e-3), _F(8.3334519073e-3)
_P2, _P1, _P0 = _F(4.1665795894e-2), _F(1.6666665459e-1), _F(5.0000001201e-1)


@inlined
def exp_of_negative(z: Any) -> Any:
    """Exponential of numbers up to 0, to three units in the last place; below -87 it is that of -87."""
    z = where_ge(z, splat(_LEAST), z, splat(_LEAST))
    n = floor(z * splat(_LOG2_E) + splat(_HALF))
    r = z - n * splat(_LN2_HIGH) - n * splat(_LN2_LOW)
    p = splat(_P5) * r + splat(_P4)
    p = p * r + splat(_P3)
    p = p * r + splat(_P2)
    p = p * r + splat(_P1)
    p = p * r + splat(_P0)
    return (p * r * r + r + splat(_ONE)) * _two_to_the(n)
