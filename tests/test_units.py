import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.units import format_area, format_memory, format_share, format_si

PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "µ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.2e-9, "1.20 nJ"), (12.34e-12, "12.3 pJ"), (123.4, "123 J"), (-5e-6, "-5.00 µJ"), (999.96e-9, "1.00 µJ")],
)
def test_three_digits_are_shown_with_the_fitting_prefix(value, text):
    assert format_si(value, "J") == text


@given(st.floats(1e-15, 1e14))
def test_the_shown_number_is_the_number_to_three_digits(value):
    number, unit = format_si(value, "J").split(" ")
    assert math.isclose(float(number) * PREFIXES[unit.removesuffix("J")], value, rel_tol=0.00501)
    assert 1 <= float(number) < 1000


def test_numbers_beyond_the_prefixes_carry_a_power_of_ten():
    assert format_si(1e-21, "J") == "1.00e-21 J"
    assert format_si(math.inf, "s") == "inf s"


def test_small_areas_are_shown_in_square_micrometres_and_large_ones_in_square_millimetres():
    assert format_area(9.6244e-6) == "9.62 mm²"
    assert format_area(2.6e-11) == "26.0 µm²"
    assert format_area(0.0) == "0 µm²"


def test_memory_is_shown_in_bits_below_a_kilobyte_and_in_bytes_above():
    assert format_memory(7999) == "7999 bit"
    assert format_memory(8000) == "1.00 kB"


def test_shares_are_shown_as_percentages():
    assert format_share(0.45) == "45.0 %"
