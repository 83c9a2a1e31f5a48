import pytest

from spikewise.price import load_platform, platform_names
from spikewise.price.quantity import constants_of
from spikewise.report.tables.platform import constant_names, memory_rows, memory_table, settings_of


@pytest.mark.parametrize("name", platform_names())
def test_every_constant_has_a_name_of_its_own(name):
    platform = load_platform(name)
    names = constant_names(platform)
    assert list(names) == [key for key, _ in constants_of(platform)]
    assert len({title for title, _ in names.values()}) == len(names)


def test_entries_of_a_list_are_told_by_their_bits_or_events():
    digital, chip = (constant_names(load_platform(name)) for name in ("digital-45nm", "rram-64-32nm-physical"))
    titles = {title for title, _ in digital.values()}
    assert {"integer.add at 8 bits", "integer.add at 32 bits", "floating.multiply at 16 bits"} <= titles
    assert "htree.energy per input_read_bit" in {title for title, _ in chip.values()}


def test_mapping_schedule_and_modes_are_settings():
    found = settings_of(load_platform("rram-64-32nm"))
    for key in ("mapping.n_rows", "mapping.scheme", "schedule.mode", "fixed.mode", "beside", "pe_cycle.n_crossbars"):
        value, meaning = found[key]
        assert value
        assert meaning
    assert settings_of(load_platform("digital-45nm"))["memory.node_nm"][0] == 45
    assert settings_of(load_platform("embedded-cpu"))["skips_zeros"][0] is False


def test_the_memories_behind_a_price_are_shown():
    digital = load_platform("digital-45nm")
    row = next(row for row in memory_rows(digital) if row["size_bits"] == 8 * 8192)
    assert row["read_j"] == pytest.approx(3.16e-12)
    assert memory_table(digital).row_count == len(memory_rows(digital)) == 9
    assert memory_table(load_platform("rram-64-32nm")) is None
