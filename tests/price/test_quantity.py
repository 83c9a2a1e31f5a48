from typing import Annotated

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from spikewise.errors import DataError
from spikewise.price.quantity import Quantity, of_dimension, parse_unit, read_settings, weakest

GOOD = 'adc = { value = 2.0, low = 1.0, high = 3.0, unit = "pJ", source = "a paper", tag = "run" }'


class Chip(BaseModel):
    adc: Annotated[Quantity, of_dimension("energy")]


def quantity(**changes):
    return Quantity(**{"value": 2.0, "unit": "pJ", "source": "a paper", "tag": "verified", **changes})


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("pJ", 1e-12), ("ns", 1e-9), ("um2", 1e-12), ("µm²", 1e-12), ("mm2", 1e-6), ("KiB", 8192), ("%", 0.01)],
)  # fmt: skip
def test_units_convert_to_si(unit, factor):
    assert parse_unit(unit)[0] == pytest.approx(factor, rel=1e-15)
    assert quantity(unit=unit).corners[1] == pytest.approx(2 * factor, rel=1e-15)


@given(st.lists(st.floats(0, 1e6), min_size=3, max_size=3))
def test_a_band_is_accepted_exactly_if_it_is_in_order(values):
    low, value, high = values
    if low <= value <= high:
        assert np.all(np.diff(quantity(low=low, value=value, high=high).corners) >= 0)
    else:
        with pytest.raises(ValidationError, match="low <= value <= high"):
            quantity(low=low, value=value, high=high)


def test_a_quantity_without_a_band_is_exact():
    assert len(set(quantity().corners)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("pJ", "ns"), "adc: unit must be an energy; got 'ns'"),
        (GOOD.replace("pJ", "parsec"), "adc: unit must be a known one such as .*; got 'parsec'"),
        (GOOD.replace("value = 2.0,", ""), "adc.value must be given; it is missing"),
        (GOOD.replace("low = 1.0", "low = 9.0"), "adc: low <= value <= high must hold; got 9.0, 2.0, 3.0"),
        (GOOD.replace("2.0", "nan"), "adc.value"),
        (GOOD.replace("run", "rumour"), "adc.tag"),
        ("adc = ", "must be a readable TOML file"),
        ("", "adc must be given; it is missing"),
    ],
)
def test_a_wrong_file_names_the_offending_key(tmp_path, text, message):
    path = tmp_path / "chip.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"chip.toml:? .*{message}|chip.toml: {message}"):
        read_settings(Chip, path)


def test_a_right_file_is_read(tmp_path):
    path = tmp_path / "chip.toml"
    path.write_text(GOOD)
    assert read_settings(Chip, path).adc.corners.tolist() == [1e-12, 2e-12, 3e-12]


def test_the_weakest_tag_is_the_least_certain():
    assert weakest(["run", "unverified", "verified"]) == "unverified"
    assert weakest([]) == "verified"
