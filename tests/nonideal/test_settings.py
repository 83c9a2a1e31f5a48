import math
from dataclasses import fields

import pytest

from spikewise.errors import ParameterError
from spikewise.nonideal.settings import Nonideal
from spikewise.price import CrossbarArray, load_platform


@pytest.mark.parametrize("name", ["rram-64-32nm-physical", "rram-64-32nm", "sram-22nm"])
def test_a_design_takes_crossbars_and_converters_from_the_priced_chip(name):
    chip = load_platform(name)
    assert Nonideal.of(name) == Nonideal.of(chip)
    design = Nonideal.of(name, variation=0.1)
    assert (design.array, design.adc_bits, design.variation) == (chip.mapping, chip.mapping.adc_bits, 0.1)
    assert Nonideal.of(name, adc_bits=None).adc_bits is None


def test_the_default_is_the_physical_chip_with_exact_converters():
    own, priced = Nonideal().array, load_platform("rram-64-32nm-physical").mapping
    for key in ("n_rows", "n_cols", "cell_bits", "sign", "scheme", "tap_sum"):
        assert getattr(own, key) == getattr(priced, key)


def test_a_platform_without_crossbars_is_refused():
    with pytest.raises(ParameterError, match="platform must be an in-memory-computing chip"):
        Nonideal.of("loihi")
    with pytest.raises(ParameterError, match="array must come from the platform"):
        Nonideal.of("rram-64-32nm", array=CrossbarArray(n_rows=8, n_cols=8, cell_bits=1))


@pytest.mark.parametrize(
    "bad",
    [
        {"variation": -0.1}, {"variation": math.nan}, {"variation": 2}, {"variation": "much"}, {"read_noise": -1},
        {"adc_bits": 0}, {"adc_bits": 40}, {"adc_bits": 4.5}, {"on_off": 1}, {"on_off": 0.5}, {"on_off": math.nan},
        {"on_off": "10"}, {"on_off": None}, {"stuck_on": 1.5}, {"stuck_on": 0.6, "stuck_off": 0.6}, {"wire_ohm": -1},
        {"wire_ohm": math.inf}, {"r_on_ohm": 0}, {"weight_bits": 1}, {"weight_bits": 40}, {"input_bits": 0},
        {"clip": 0.9}, {"array": None}, {"array": "a"}, {"array": {"n_rows": 64}}, {"on_off": 10**400},
    ],
    ids=str,
)  # fmt: skip
def test_a_design_that_cannot_be_is_refused(bad):
    with pytest.raises(ParameterError, match=f"{next(iter(bad))}.* must .*; got"):
        Nonideal(**bad)


@pytest.mark.parametrize("key", [field.name for field in fields(Nonideal) if field.name != "adc_bits"])
@pytest.mark.parametrize("nonsense", [math.nan, "a", None, -1, [1], 1j, True], ids=str)
def test_no_setting_accepts_nonsense(key, nonsense):
    with pytest.raises(ParameterError, match=f"{key} must .*; got"):
        Nonideal(**{key: nonsense})


@pytest.mark.parametrize("nonsense", [math.nan, "a", -1, [1], 1j, True, 4.5], ids=str)
def test_bits_of_a_converter_are_a_whole_number_or_absent(nonsense):
    with pytest.raises(ParameterError, match=r"adc_bits must lie in 1\.\.16"):
        Nonideal(adc_bits=nonsense)
