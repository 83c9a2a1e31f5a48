"""Many numbers at a time give the bits that NumPy gives one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numba import types
from numba.core.dispatcher import Dispatcher

from spikewise._compile import kernel
from spikewise._vector import (
    LANES,
    absolute,
    add_from,
    add_saturating,
    any_ge,
    exp_of_negative,
    floor,
    load,
    min_unsigned,
    mul_high,
    mul_high_unsigned,
    splat,
    store,
    vector,
    where_above,
    where_ge,
)

floats = st.floats(-1e6, 1e6, width=32)
rows = hnp.arrays(np.float32, LANES, elements=floats)


@pytest.fixture(scope="module", autouse=True)
def traced_compiler(untraced):
    """Let coverage watch what the compiler asks of this module, which is all that runs of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dispatcher, "compile", Dispatcher.compile.__wrapped__)
        yield


@kernel
def arithmetic(a, b, out):
    x, y = load(a, 0), load(b, 0)
    store(out, 0, x + y)
    store(out, LANES, x - y)
    store(out, 2 * LANES, x * y)
    store(out, 3 * LANES, x / y)
    store(out, 4 * LANES, where_ge(x, y, x, y))
    store(out, 5 * LANES, floor(x))
    store(out, 6 * LANES, absolute(y))


@kernel
def sum_rows(table, n_rows, out):
    total = (splat(np.float32(0)), splat(np.float32(0)))
    for row in range(n_rows):
        total = add_from(total, table, 2 * LANES * row)
    for part in range(len(total)):
        store(out, part * LANES, total[part])


@kernel
def spread(value, out):
    store(out, 0, splat(value))


@kernel
def exponential(z, out):
    for place in range(0, len(z), LANES):
        store(out, place, exp_of_negative(load(z, place)))


@kernel
def copy(source, out):
    store(out, 0, load(source, 0))


@settings(deadline=None)  # the first call compiles
@given(rows, rows)
def test_operations_give_the_bits_of_numpy(a, b):
    out = np.empty(7 * LANES, np.float32)
    arithmetic(a, b, out)
    with np.errstate(all="ignore"):
        expected = np.stack([a + b, a - b, a * b, a / b, np.where(a >= b, a, b), np.floor(a), np.abs(b)])
    np.testing.assert_array_equal(out.reshape(7, LANES), expected)


@kernel
def choice(a, b, out):
    x, y = load(a, 0), load(b, 0)
    store(out, 0, where_above(x, y, x, y))


@settings(deadline=None)
@given(*(hnp.arrays(np.float32, LANES, elements=st.floats(width=32)) for _ in range(2)))
def test_what_is_no_number_is_above_all(a, b):
    out = np.empty(LANES, np.float32)
    choice(a, b, out)
    np.testing.assert_array_equal(out, np.where((a > b) | np.isnan(a), a, b))


@settings(deadline=None)  # the first call compiles
@given(floats)
def test_a_scalar_fills_all_lanes(value):
    out = np.empty(LANES, np.float32)
    spread(np.float32(value), out)
    assert (out == np.float32(value)).all()


def test_rows_are_added_in_order():
    table = np.random.default_rng(0).standard_normal((7, 2 * LANES)).astype(np.float32)
    out = np.empty(2 * LANES, np.float32)
    sum_rows(table.ravel(), len(table), out)
    expected = np.zeros(2 * LANES, np.float32)
    for row in table:
        expected += row
    np.testing.assert_array_equal(out, expected)


def test_the_exponential_is_right_to_three_units_in_the_last_place():
    z = -np.linspace(0, 87, 16 * 20_000, dtype=np.float32)
    found = np.empty_like(z)
    exponential(z, found)
    exact = np.exp(z.astype(np.float64))
    assert np.abs(found - exact).max() < 1e-6
    assert (np.abs(found - exact) <= 3 * np.spacing(exact.astype(np.float32))).all()


def test_far_below_zero_the_exponential_stays_a_number():
    z, found = np.full(LANES, -1e30, np.float32), np.empty(LANES, np.float32)
    exponential(z, found)
    assert (found == found[0]).all()
    assert 0 < found[0] < 1e-37


@settings(deadline=None)  # the first call compiles
@given(rows)
def test_sixteen_bits_are_rounded_to_the_nearest_even(values):
    torch = pytest.importorskip("torch")
    out = np.empty(LANES, np.uint16)
    copy(values, out)
    expected = torch.from_numpy(values).to(torch.bfloat16)
    assert torch.equal(torch.from_numpy(out).view(torch.bfloat16), expected)
    again = np.empty(LANES, np.float32)
    copy(out, again)
    assert torch.equal(torch.from_numpy(again), expected.float())


i16x32 = vector(types.int16, 32)
integers = hnp.arrays(np.int16, 32)


@kernel
def integer_arithmetic(a, b, out):
    x, y = load(a, 0, i16x32), load(b, 0, i16x32)
    store(out, 0, x + y)
    store(out, 32, x - y)
    store(out, 64, x * y)
    store(out, 96, add_saturating(x, y))
    store(out, 128, min_unsigned(x, y))
    store(out, 160, mul_high(x, y))
    store(out, 192, mul_high_unsigned(x, y))
    store(out, 224, where_ge(x, y, x, splat(7, i16x32)))
    return any_ge(x, y)


@settings(deadline=None)  # the first call compiles
@given(integers, integers)
def test_integers_of_sixteen_bits_give_the_bits_of_numpy(a, b):
    out = np.empty(8 * 32, np.int16)
    has_any = integer_arithmetic(a, b, out)
    wide, other = a.astype(np.int64), b.astype(np.int64)
    unsigned, unsigned_other = a.view(np.uint16), b.view(np.uint16)
    expected = [
        a + b, a - b, a * b, np.clip(wide + other, -(2**15), 2**15 - 1), np.minimum(unsigned, unsigned_other),
        (wide * other) >> 16, (unsigned.astype(np.int64) * unsigned_other) >> 16, np.where(a >= b, a, 7),
    ]  # fmt: skip
    np.testing.assert_array_equal(out.reshape(8, 32), np.stack([each.astype(np.int16) for each in expected]))
    assert has_any == (a >= b).any()


@kernel
def widened(source, out):
    store(out, 0, load(source, 0, i16x32))


def test_bytes_are_widened():
    source, out = np.arange(200, 232).astype(np.uint8), np.empty(32, np.int16)
    widened(source, out)
    np.testing.assert_array_equal(out, source)
