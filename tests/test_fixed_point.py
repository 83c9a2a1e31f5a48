import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.errors import ParameterError
from spikewise.fixed_point import QFormat

formats = st.builds(QFormat, st.integers(0, 6), st.integers(0, 10), st.just(True))
numbers = st.floats(-1e3, 1e3)


@given(numbers, formats)
def test_rounding_error_is_at_most_half_a_step(x, q):
    x = np.clip(x, *q.limits)
    assert abs(q.quantize(x) - x) <= q.step / 2


@given(numbers, formats, st.sampled_from(["nearest", "truncate"]))
def test_quantizing_twice_changes_nothing(x, q, rounding):
    once = q.quantize(x, rounding)
    assert q.quantize(once, rounding) == once
    assert q.limits[0] <= once <= q.limits[1]


@given(numbers, formats)
def test_truncation_never_rounds_up(x, q):
    x = np.clip(x, *q.limits)
    assert 0 <= x - q.quantize(x, "truncate") <= q.step  # equal only if x - q rounds up


def test_stochastic_rounding_keeps_the_mean():
    q = QFormat(0, 2)
    values = q.quantize(np.full(40_000, 0.3), "stochastic", np.random.default_rng(0))
    assert set(values) == {0.25, 0.5}
    # Standard error: 0.25 * sqrt(0.2 * 0.8 / 40000) = 0.0005; four of them.
    assert values.mean() == pytest.approx(0.3, abs=0.002)


@given(st.integers(0, 6), st.integers(0, 10))
def test_a_format_has_two_to_its_bits_numbers(n_int, n_frac):
    for is_signed in (True, False):
        if n_int + n_frac + is_signed == 0:
            continue
        q = QFormat(n_int, n_frac, is_signed)
        low, high = q.limits
        assert (high - low) / q.step + 1 == 2**q.n_bits


def test_bad_settings_are_refused():
    with pytest.raises(ParameterError, match="1 to 32 bits"):
        QFormat(40, 0)
    with pytest.raises(ParameterError, match="rng"):
        QFormat(0, 4).quantize(0.1, "stochastic")
    with pytest.raises(ParameterError, match="rounding must be"):
        QFormat(0, 4).quantize(0.1, "up")
    with pytest.raises(ParameterError, match="finite"):
        QFormat(0, 4).quantize(float("nan"))
