"""Prices that belong together: estimated together, and kept in one file."""

import json

import pytest

from spikewise.errors import DataError, ParameterError
from spikewise.price import load_platform
from spikewise.price.analysis.companions import (
    PriceFigures,
    companions_of,
    platforms_for,
    price_all,
    read_prices,
    write_prices,
)
from spikewise.price.cost import CostReport
from spikewise.price.platform import estimate
from spikewise.workload import LayerShape, uniform_workload

LOAD = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], 4, [0.2], [5, 2, 1, 2])


def test_a_calibrated_chip_brings_the_physical_one_and_others_stand_alone():
    assert [report.platform for report in price_all(LOAD, "rram-64-32nm")] == ["rram-64-32nm", "rram-64-32nm-physical"]
    assert [report.platform for report in price_all(LOAD, "digital-45nm")] == ["digital-45nm"]
    for report in price_all(LOAD, "rram-64-32nm"):
        assert report.energy_j == estimate(LOAD, report.platform).energy_j


def test_a_chip_of_ones_own_keeps_the_company_of_what_it_extends(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('extends = "rram-64-32nm"\nname = "mine"\n')
    assert [platform.name for platform in platforms_for(str(path))] == ["mine", "rram-64-32nm-physical"]
    path.write_text('extends = "rram-64-32nm"\nname = "mine"\nbeside = "nobody"\n')
    with pytest.raises((DataError, ParameterError), match="nobody"):
        platforms_for(str(path))


def test_one_file_keeps_them_together(tmp_path):
    path, prices = tmp_path / "cost.json", price_all(LOAD, "rram-64-32nm")
    write_prices(path, prices)
    again = read_prices(path)
    assert [report.to_dict() for report in again] == [report.to_dict() for report in prices]
    assert CostReport.read(path).to_dict() == prices[0].to_dict()  # a reader of one report finds the first
    assert list(map(PriceFigures.of, again)) == list(map(PriceFigures.of, prices))
    assert PriceFigures.of(prices[1]).band["energy_j"] == list(prices[1].band("energy_j"))


def test_a_file_from_before_there_were_companions_is_one_price(tmp_path):
    path = tmp_path / "cost.json"
    estimate(LOAD).write(path)
    assert [report.platform for report in read_prices(path)] == ["rram-64-32nm"]


@pytest.mark.parametrize("beside", [{"a": 1}, "rram-64-32nm-physical", [{}], [None]])
def test_damaged_companions_are_named(tmp_path, beside):
    path = tmp_path / "cost.json"
    path.write_text(json.dumps({**estimate(LOAD).to_dict(), "beside": beside}))
    with pytest.raises(DataError, match=r"cost\.json.*Delete it"):
        read_prices(path)


def test_a_calibrated_chip_brings_the_physical_one_once():
    chip = load_platform("rram-64-32nm")
    assert companions_of(chip, chip) == ["rram-64-32nm-physical"]


def test_a_platform_that_was_asked_for_is_no_companion():
    assert companions_of(load_platform("rram-64-32nm-physical"), load_platform("rram-64-32nm")) == []


def test_most_platforms_stand_alone():
    assert companions_of(load_platform("digital-45nm"), load_platform("sram-22nm"), load_platform("loihi")) == []
