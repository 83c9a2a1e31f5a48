from spikewise.price import load_platform
from spikewise.price.beside import companions_of


def test_a_calibrated_chip_brings_the_physical_one_once() -> None:
    chip = load_platform("rram-64-32nm")
    assert companions_of(chip, chip) == ["rram-64-32nm-physical"]


def test_a_platform_that_was_asked_for_is_no_companion() -> None:
    assert companions_of(load_platform("rram-64-32nm-physical"), load_platform("rram-64-32nm")) == []


def test_most_platforms_stand_alone() -> None:
    assert companions_of(load_platform("digital-45nm"), load_platform("sram-22nm"), load_platform("loihi")) == []
