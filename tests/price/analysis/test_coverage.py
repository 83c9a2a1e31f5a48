import pytest

from spikewise.price import load_platform, platform_names
from spikewise.price.analysis.coverage import TERMS, coverage_of, unnamed_parts


@pytest.mark.parametrize("name", platform_names())
def test_every_platform_is_said_in_the_same_terms(name):
    platform = load_platform(name)
    assert tuple(coverage_of(platform)) == TERMS
    assert unnamed_parts(platform) == ()
    assert coverage_of(platform)["weighted sums"] == "yes"


def test_the_periphery_of_one_chip_is_buffer_and_accumulation_of_another():
    calibrated, physical = (coverage_of(load_platform(name)) for name in ("rram-64-32nm", "rram-64-32nm-physical"))
    assert calibrated["buffers"] == physical["buffers"] == calibrated["accumulation"] == "yes"
    assert (calibrated["leakage"], physical["leakage"]) == ("no", "yes")
    assert (calibrated["drivers"], physical["drivers"]) == ("no", "yes")


def test_what_was_begun_in_vain_is_part_of_a_pipelined_price():
    chip = load_platform("rram-64-32nm-physical")
    pipelined = chip.model_copy(update={"schedule": chip.schedule.model_copy(update={"mode": "pipelined"})})
    assert (coverage_of(chip)["speculation"], coverage_of(pipelined)["speculation"]) == ("n/a", "yes")


def test_a_part_of_ones_own_stands_under_other_parts(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'extends = "sram-22nm"\nname = "mine"\n[new_components.radio]\n'
        'energy = { per = "out_spike", value = 3, unit = "pJ", source = "mine", tag = "run" }\n'
    )
    mine = load_platform(path)
    assert unnamed_parts(mine) == ("radio",)
    assert coverage_of(mine)["other parts"] == "yes"


def test_a_clock_alone_is_in_the_time_only():
    assert coverage_of(load_platform("spikesim-65nm"))["control and clock"] == "time only"
