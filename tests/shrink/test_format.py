import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spikewise.errors import DataError, ParameterError
from spikewise.shrink.format import FixedFormat, choose_shifts, choose_steps, whole_numbers

WEIGHTS = arrays(np.float64, (3, 5), elements=st.floats(-4, 4, width=32))


@given(WEIGHTS, st.integers(2, 10), st.sampled_from(["channel", "power2"]))
def test_the_step_loses_no_more_than_the_one_that_holds_every_weight(weights, bits, scale):
    def error(steps):
        return ((weights - whole_numbers(weights, steps, bits) * steps[:, None]) ** 2).sum()

    longest = np.abs(weights).max(1)
    holding = np.where(longest > 0, longest, 1) / (2 ** (bits - 1) - 1)
    if scale == "power2":
        holding = np.full(3, 2.0 ** np.ceil(np.log2(holding.max())))
    assert error(choose_steps(weights, bits, scale)) <= error(holding) + 1e-12


@given(WEIGHTS, st.integers(2, 10))
def test_whole_numbers_fit_into_their_bits(weights, bits):
    found = whole_numbers(weights, choose_steps(weights, bits), bits)
    assert (found == np.rint(found)).all()
    assert found.min() >= -(2 ** (bits - 1))
    assert found.max() <= 2 ** (bits - 1) - 1


def test_truncated_weights_have_steps_of_their_own():
    weights = np.random.default_rng(0).normal(size=(3, 40))

    def error(steps):
        return ((weights - whole_numbers(weights, steps, 4, "truncate") * steps[:, None]) ** 2).sum()

    assert error(choose_steps(weights, 4, rounding="truncate")) < error(choose_steps(weights, 4))


def test_steps_of_power2_are_one_power_of_two():
    steps = choose_steps(np.random.default_rng(0).normal(size=(4, 9)), 6, "power2")
    assert len(set(steps)) == 1
    assert np.log2(steps[0]) == np.round(np.log2(steps[0]))


@given(st.floats(1e-4, 10), st.floats(1e-2, 100), st.integers(4, 16))
def test_the_largest_potential_fits_and_one_bit_more_would_not(step, largest, bits):
    (shift,) = choose_shifts(np.array([step]), np.array([largest]), bits)
    unit = step * 2.0**-shift
    assert largest / unit <= 2 ** (bits - 1) * (1 + 1e-9)
    assert largest / (unit / 2) > 2 ** (bits - 1) * (1 - 1e-9)


def test_a_format_travels_as_plain_values():
    form = FixedFormat({"conv1": 8, "readout": 4}, membrane_bits=12, scale="power2", rounding="stochastic", seed=3)
    assert FixedFormat.from_dict(form.to_dict()) == form
    with pytest.raises(DataError, match="seed"):
        FixedFormat.from_dict({key: value for key, value in form.to_dict().items() if key != "seed"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 1}, r"bits must lie in 2\.\.16, an integer; got 1"),
        ({"bits": {"conv1": 17}}, "bits of conv1"),
        ({"bits": 8.5}, "bits"),
        ({"bits": "8"}, "bits"),
        ({"bits": {}}, "must name every layer"),
        ({"membrane_bits": 3}, "membrane_bits"),
        ({"scale": "tensor"}, "scale"),
        ({"rounding": "up"}, "rounding"),
    ],
)
def test_impossible_formats_are_refused(options, message):
    with pytest.raises(ParameterError, match=message):
        FixedFormat(**options)


def test_a_layer_that_is_not_named_is_missed():
    with pytest.raises(ParameterError, match="conv2 is missing"):
        FixedFormat({"conv1": 8}).of("conv2")
