"""Many numbers as one value of a compiled loop: written like a scalar, kept in registers.

A compiler often cannot vectorise a loop over several arrays: it would have to prove that they do not overlap, and
sums that run over the loop stay in memory. :func:`vector` makes a new type with ``+ - *``, so that a kernel reads like
the formula for one element and computes all lanes. It is portable: a CPU without wide registers uses several narrow
ones. Operations are never fused or reordered, so the bits equal those of NumPy.

Lanes are float32 or int16. Floats are read from arrays of float32, or of bfloat16 as ``uint16``, which is rounded to
the nearest even. Integers wrap around, and have a sign only where an operation says so; bytes are widened.

The functions work in compiled code only; elsewhere they raise NotImplementedError.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from spikewise._compile import inlined

LANES = 16  # per vector in the loops of deep networks: float32 fills one 512-bit register

_I32, _I16 = ir.IntType(32), ir.IntType(16)
_ELEMENTS = {types.float32: ir.FloatType(), types.int16: _I16}
_BF16_SHIFT, _EXPONENT_SHIFT, _EXPONENT_BIAS = 16, 23, 127


class _Vector(types.Type):  # type: ignore[misc]
    def __init__(self, element: Any, lanes: int) -> None:
        super().__init__(name=f"{element}x{lanes}")
        self.element, self.lanes, self.is_float = element, lanes, element is types.float32

    def of(self, element: Any) -> Any:
        """Return the LLVM vector type with this element and as many lanes."""
        return ir.VectorType(element, self.lanes)

    def constant(self, value: int, element: Any = _I32) -> Any:
        return ir.Constant(self.of(element), [value] * self.lanes)


@register_model(_Vector)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, kind.of(_ELEMENTS[kind.element]))


def vector(element: Any, lanes: int) -> Any:
    """Return the type of a vector of float32 or int16."""
    return _Vector(element, lanes)


f32x16 = vector(types.float32, LANES)


def _kind(chosen: Any) -> Any:
    """Return the type that an argument of a compiled call refers to; a default is the type itself."""
    return getattr(chosen, "instance_type", chosen)


def _operator(symbol: Callable[[Any, Any], Any], of_floats: str, of_integers: str = "") -> None:
    @intrinsic
    def apply(context: Any, a: Any, b: Any) -> Any:
        instruction = of_floats if a.is_float else of_integers
        return a(a, b), lambda context, builder, signature, pair: getattr(builder, instruction)(*pair)

    @overload(symbol, inline="always", strict=False)
    def choose(a: Any, b: Any) -> Any:
        has_it = isinstance(a, _Vector) and a == b and (of_floats if a.is_float else of_integers)
        # With None, numba tries other overloads: scalars and arrays keep their own operators.
        return (lambda a, b: apply(a, b)) if has_it else None


_operator(operator.add, "fadd", "add")
_operator(operator.sub, "fsub", "sub")
_operator(operator.mul, "fmul", "mul")
_operator(operator.truediv, "fdiv")


@intrinsic
def splat(context: Any, value: Any, kind: Any = f32x16) -> Any:
    """Return a vector with the same number in all lanes."""
    found = _kind(kind)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        empty = ir.Constant(context.get_value_type(found), ir.Undefined)
        # LLVM recognises this pair of instructions and emits a single broadcast.
        one = builder.insert_element(empty, arguments[0], ir.Constant(_I32, 0))
        return builder.shuffle_vector(one, empty, found.constant(0))

    return found(found.element, types.TypeRef(found)), generate


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any, vector: Any) -> Any:
    data = cgutils.create_struct_proxy(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), ir.PointerType(vector))


@intrinsic
def load(context: Any, array: Any, index: Any, kind: Any = f32x16) -> Any:
    """Read a vector from a flat array, from an index on; nothing checks the bounds."""
    found = _kind(kind)
    is_half = found.is_float and array.dtype == types.uint16

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        stored = found.of(context.get_data_type(array.dtype))
        value = builder.load(_address(context, builder, array, *arguments[:2], stored), typ=stored)
        # NumPy promises the alignment of one element; by default LLVM would assume that of a whole vector.
        value.align = array.dtype.bitwidth // 8
        if is_half:
            # A bfloat16 is the upper half of a float32.
            value = builder.shl(builder.zext(value, found.of(_I32)), found.constant(_BF16_SHIFT))
        elif value.type != context.get_value_type(found):
            return builder.zext(value, context.get_value_type(found))
        return builder.bitcast(value, context.get_value_type(found))

    return found(array, types.intp, types.TypeRef(found)), generate


@intrinsic
def add_from(context: Any, sums: Any, array: Any, index: Any) -> Any:
    """Add neighbouring vectors of a flat float32 array, from an index on, to the vectors of a tuple."""
    kind = sums.dtype

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found, values, first = arguments
        floats = context.get_value_type(kind)
        # Unrolled here, since a tuple in registers cannot be indexed by a variable of the compiled loop.
        for part in range(sums.count):
            place = builder.add(first, context.get_constant(types.intp, part * kind.lanes))
            value = builder.load(_address(context, builder, array, values, place, floats), typ=floats)
            value.align = 4
            found = builder.insert_value(found, builder.fadd(builder.extract_value(found, part), value), part)
        return found

    return sums(sums, array, types.intp), generate


@intrinsic
def store(context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write a vector to a flat array, from an index on; nothing checks the bounds."""
    is_half = value.is_float and array.dtype == types.uint16

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *where, found = arguments
        if is_half:
            words, shift = value.of(_I32), value.constant(_BF16_SHIFT)
            # To the nearest, ties to even: adding 0x7FFF plus the lowest kept bit carries exactly when rounding up.
            bits = builder.bitcast(found, words)
            is_odd = builder.and_(builder.lshr(bits, shift), value.constant(1))
            rounded = builder.add(bits, builder.add(is_odd, value.constant(2 ** (_BF16_SHIFT - 1) - 1)))
            found = builder.trunc(builder.lshr(rounded, shift), value.of(_I16))
        place = _address(context, builder, array, *where, found.type)
        builder.store(found, place).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


def _at_least(builder: Any, kind: Any, a: Any, b: Any) -> Any:
    return builder.fcmp_ordered(">=", a, b) if kind.is_float else builder.icmp_signed(">=", a, b)


@intrinsic
def where_ge(context: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """Lane by lane ``then`` where ``a >= b``, else ``otherwise``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(_at_least(builder, a, *arguments[:2]), *arguments[2:])

    return then(a, a, then, then), generate


@intrinsic
def any_ge(context: Any, a: Any, b: Any) -> Any:
    """Whether ``a >= b`` in at least one lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # All lanes of the comparison as one integer, so that one test is enough.
        bits = ir.IntType(a.lanes)
        above = builder.bitcast(_at_least(builder, a, *arguments), bits)
        return builder.icmp_unsigned("!=", above, ir.Constant(bits, 0))

    return types.boolean(a, a), generate


@intrinsic
def where_above(context: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """Lane by lane ``then`` where ``a > b`` or ``a`` is not a number, else ``otherwise``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, then, otherwise = arguments
        is_above = builder.or_(builder.fcmp_ordered(">", a, b), builder.fcmp_unordered("uno", a, a))
        return builder.select(is_above, then, otherwise)

    return then(a, a, then, then), generate


def _function(name: str, n_arguments: int, *fixed: Any) -> Any:
    """Return an intrinsic function of LLVM on this many vectors, followed by fixed constants."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        operands, kind = [*arguments, *fixed], signature.return_type
        values = context.get_value_type(kind)
        function = ir.FunctionType(values, [operand.type for operand in operands])
        suffix = f"v{kind.lanes}{'f32' if kind.is_float else 'i16'}"
        return builder.call(cgutils.get_or_insert_function(builder.module, function, f"llvm.{name}.{suffix}"), operands)

    if n_arguments == 1:
        return intrinsic(lambda context, a: (a(a), generate))
    return intrinsic(lambda context, a, b: (a(a, b), generate))


floor, absolute = _function("floor", 1), _function("fabs", 1)
min_unsigned, add_saturating = _function("umin", 2), _function("sadd.sat", 2)
# A fixed-point product of scale 16 is the high half: one instruction instead of widening to 32 bits.
mul_high_unsigned = _function("umul.fix", 2, ir.Constant(_I32, 16))


@intrinsic
def mul_high(context: Any, a: Any, b: Any) -> Any:
    """Return the high half of the product of signed integers, rounded down."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        product = builder.mul(*(builder.sext(each, a.of(_I32)) for each in arguments))
        return builder.trunc(builder.ashr(product, a.constant(16)), a.of(_I16))

    return a(a, a), generate


@intrinsic
def _two_to_the(context: Any, whole: Any) -> Any:
    """Return 2 to the power of whole numbers between -126 and 127."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # A float32 with a zero fraction: its exponent bits hold the power plus a bias.
        exponent = builder.add(builder.fptosi(arguments[0], whole.of(_I32)), whole.constant(_EXPONENT_BIAS))
        return builder.bitcast(builder.shl(exponent, whole.constant(_EXPONENT_SHIFT)), context.get_value_type(whole))

    return whole(whole), generate


# Range reduction and polynomial of the Cephes library's expf.
_F = np.float32
_LEAST, _LOG2_E, _HALF, _ONE = _F(-87.0), _F(1.44269504), _F(0.5), _F(1.0)
_LN2_HIGH, _LN2_LOW = _F(0.693359375), _F(-2.12194440e-4)  # their sum is ln 2; the first times a small whole is exact
_P5, _P4, _P3 = _F(1.9875691500e-4), _F(1.3981999507e-3), _F(8.3334519073e-3)
_P2, _P1, _P0 = _F(4.1665795894e-2), _F(1.6666665459e-1), _F(5.0000001201e-1)


@inlined
def exp_of_negative(z: Any) -> Any:
    """Return exp(z) for z up to 0, accurate to three units in the last place; below -87 it returns exp(-87)."""
    z = where_ge(z, splat(_LEAST), z, splat(_LEAST))
    # exp(z) = 2^n exp(r), where r lies within half of ln 2 around zero.
    n = floor(z * splat(_LOG2_E) + splat(_HALF))
    r = z - n * splat(_LN2_HIGH) - n * splat(_LN2_LOW)
    p = splat(_P5) * r + splat(_P4)
    p = p * r + splat(_P3)
    p = p * r + splat(_P2)
    p = p * r + splat(_P1)
    p = p * r + splat(_P0)
    return (p * r * r + r + splat(_ONE)) * _two_to_the(n)
