import numpy as np
import pytest

from spikewise.errors import ParameterError
from spikewise.price import load_platform
from spikewise.price.analysis.sensitivity import constants_of, replaced, sensitivity
from spikewise.workload import LayerShape, uniform_workload

LAYER = LayerShape("conv", "conv", 64, 64, kernel=(3, 3), out_height=8, out_width=8, weight_bits=4)
LOAD = uniform_workload("net", [LAYER, LAYER.__class__("head", "linear", 64, 10)], 4, [0.3, 0.2], [5, 3, 1, 1])
CHIP = load_platform("rram-64-32nm-physical")


def test_a_swing_is_the_estimate_with_one_constant_changed_by_hand():
    swings = {swing.constant: swing for swing in sensitivity(CHIP, LOAD, n_strongest=100)}
    swing = swings["components.adc.energy"]
    adc = CHIP.estimate(LOAD).breakdown()["adc"].energy_j
    assert swing.low == pytest.approx(swing.nominal - adc * (1 - 0.23 / 0.79))
    assert swing.high == pytest.approx(swing.nominal + adc * (0.92 / 0.79 - 1))
    assert swing.nominal == CHIP.estimate(LOAD).energy_j
    assert (swing.tag, "ISAAC" in swing.source) == ("derived", True)


@pytest.mark.parametrize("name", ["rram-64-32nm", "rram-64-32nm-physical", "sram-22nm"])
@pytest.mark.parametrize("figure", ["energy_j", "latency_s", "edp_js", "area_m2"])
def test_the_strongest_come_first_and_lie_within_the_band(name, figure):
    chip = load_platform(name)
    swings = sensitivity(chip, LOAD, figure)
    assert 0 < len(swings) <= 10
    assert all(np.diff([swing.width for swing in swings]) <= 0)
    low, _, high = chip.estimate(LOAD).band(figure)
    for swing in swings:
        assert low * (1 - 1e-12) <= min(swing.low, swing.high) <= max(swing.low, swing.high) <= high * (1 + 1e-12)


def test_every_constant_of_a_chip_is_found_once():
    keys = [key for key, _ in constants_of(CHIP)]
    assert len(keys) == len(set(keys)) == sum(1 for part in CHIP.components.values() for _ in part.rates())


def test_exchanging_a_constant_leaves_the_original_alone():
    before = CHIP.estimate(LOAD).energy_j
    constant = dict(constants_of(CHIP))["components.adc.energy"]
    same = replaced(CHIP, constant, constant)
    assert same is CHIP
    assert CHIP.estimate(LOAD).energy_j == before


def test_what_cannot_be_varied_is_refused():
    with pytest.raises(ParameterError, match="figure must be one of"):
        sensitivity(CHIP, LOAD, "energy")
    with pytest.raises(ParameterError, match="n_strongest"):
        sensitivity(CHIP, LOAD, n_strongest=0)
    with pytest.raises(ParameterError, match="platform must be"):
        sensitivity(object(), LOAD)
