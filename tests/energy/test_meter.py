import sys
import time
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.energy.meter import EnergyMeter, _Counter
from spikewise.errors import ParameterError

PERIOD_UJ = 262_143_328_850


@pytest.fixture(autouse=True)
def no_graphics_card(monkeypatch):
    """Whatever this machine has, tests see a machine without NVML unless they bring one."""
    monkeypatch.setitem(sys.modules, "pynvml", None)


def zone(root, folder, name, energy_uj=1_000_000):
    path = root / folder
    path.mkdir(parents=True)
    (path / "name").write_text(name + "\n")
    (path / "max_energy_range_uj").write_text(f"{PERIOD_UJ}\n")
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    return path / "energy_uj"


def add(file, joules):
    """Count some joules; in one move, as a reader in another thread would see it."""
    new = file.with_suffix(".new")
    new.write_text(f"{(int(file.read_text()) + round(joules * 1e6)) % PERIOD_UJ}\n")
    new.replace(file)


def fake_nvml(readings_mj, names=(b"Card",)):
    """A pynvml whose counters give one reading after the other."""
    readings = iter(readings_mj)

    class NVMLError(Exception):
        pass

    def total(_):
        value = next(readings)
        if value is None:
            raise NVMLError("Not Supported")
        return value

    return types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: len(names),
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda handle: names[handle],
        nvmlDeviceGetTotalEnergyConsumption=total,
    )


def test_watts_of_the_user_go_before_every_counter(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0")
    with EnergyMeter(watts=12.5, root=tmp_path) as meter:
        assert meter.joules is None
    assert meter.joules == 12.5 * meter.seconds > 0
    assert meter.parts == {"watts": meter.joules}
    assert meter.source == "12.5 W given by the user, times the time"


@pytest.mark.parametrize("watts", [0, -3, float("nan"), float("inf"), "40"])
def test_impossible_watts_are_refused(watts):
    with pytest.raises(ParameterError, match="watts must be a number"):
        EnergyMeter(watts=watts)


def test_packages_and_memories_add_up_and_parts_of_them_do_not(tmp_path):
    first = zone(tmp_path, "intel-rapl:0", "package-0")
    core = zone(tmp_path, "intel-rapl:0:0", "core")
    memory = zone(tmp_path, "intel-rapl:0:1", "dram")
    second = zone(tmp_path, "intel-rapl:1", "package-1")
    system = zone(tmp_path, "intel-rapl:2", "psys")
    twin = zone(tmp_path, "intel-rapl-mmio:0", "package-0")
    (tmp_path / "intel-rapl").mkdir()  # the control type itself: no counter
    with EnergyMeter(root=tmp_path) as meter:
        for file, joules in [(first, 3), (core, 2), (memory, 0.5), (second, 1), (system, 9), (twin, 3)]:
            add(file, joules)
    assert meter.joules == pytest.approx(4.5)
    assert meter.parts == pytest.approx({"package-0": 3, "package-0 dram": 0.5, "package-1": 1})
    assert meter.source == "RAPL (package-0, package-0 dram, package-1)"


def test_a_counter_that_starts_again_is_seen(tmp_path):
    file = zone(tmp_path, "intel-rapl:0", "package-0", PERIOD_UJ - 2_000_000)
    with EnergyMeter(root=tmp_path) as meter:
        add(file, 5)
        assert int(file.read_text()) == 3_000_000
    assert meter.joules == pytest.approx(5)


@pytest.fixture
def any_power(monkeypatch):
    """Let minutes pass in no time: a counter may tell of any power."""
    monkeypatch.setattr("spikewise.energy.meter._MOST_W", float("inf"))


@pytest.mark.usefixtures("any_power")
def test_a_long_block_is_read_in_between(tmp_path):
    file = zone(tmp_path, "intel-rapl:0", "package-0")
    period = PERIOD_UJ / 1e6
    with EnergyMeter(root=tmp_path) as meter:
        for _ in range(4):
            add(file, 0.7 * period)
            meter.update()
    assert meter.joules == pytest.approx(2.8 * period)


def test_what_was_spent_so_far_is_told_inside_the_block(tmp_path):
    file = zone(tmp_path, "intel-rapl:0", "package-0")
    with EnergyMeter(root=tmp_path) as meter:
        add(file, 2)
        meter.update()
        so_far = meter.seconds
        assert meter.joules == pytest.approx(2)
        add(file, 3)
    assert meter.joules == pytest.approx(5)
    assert meter.seconds >= so_far > 0


@pytest.mark.parametrize(("start", "end", "period"), [(100, 50, 0), (500_000_000, 100, 1_000_000_000)])
def test_a_counter_that_runs_backwards_measures_nothing(tmp_path, start, end, period):
    """A driver was loaded again, or the machine slept: neither negative joules nor megawatts are told."""
    folder = tmp_path / "intel-rapl:0"
    folder.mkdir()
    for name, value in (("name", "package-0"), ("energy_uj", start), ("max_energy_range_uj", period)):
        (folder / name).write_text(str(value))
    with EnergyMeter(root=tmp_path) as meter:
        (folder / "energy_uj").write_text(str(end))
    assert meter.joules is None
    assert meter.source.startswith("not measured: package-0 ran backwards or leapt")


@pytest.mark.usefixtures("any_power")
def test_a_counter_that_starts_again_twice_is_seen_without_anybody_asking(tmp_path, monkeypatch):
    monkeypatch.setattr("spikewise.energy.meter._TICK_S", 1e-3)
    file = zone(tmp_path, "intel-rapl:0", "package-0")
    share = 0.7 * PERIOD_UJ / 1e6
    with EnergyMeter(root=tmp_path) as meter:
        for n in range(1, 4):
            add(file, share)
            deadline = time.monotonic() + 10
            while meter.parts["package-0"] < (n - 0.5) * share and time.monotonic() < deadline:
                time.sleep(1e-3)
    assert meter.joules == pytest.approx(3 * share)


def test_the_files_are_looked_for_where_linux_has_them(powercap):
    with EnergyMeter() as meter:
        powercap(1.5)
    assert meter.joules == pytest.approx(1.5)


@given(st.floats(0, 1), st.floats(0, 0.999))
def test_energy_between_two_readings_is_what_was_spent(start, share):
    counter = _Counter("x", float, period_j=100.0)
    before = 100.0 * start * 0.999
    assert counter.between(before, (before + 100 * share) % 100.0) == pytest.approx(100 * share, abs=1e-9)


def test_a_meter_measures_again_and_also_a_block_that_fails(tmp_path):
    file = zone(tmp_path, "intel-rapl:0", "package-0")
    meter = EnergyMeter(root=tmp_path)

    def block(joules):
        with meter:
            add(file, joules)
            raise ZeroDivisionError

    for joules in (2, 3):
        with pytest.raises(ZeroDivisionError):
            block(joules)
        assert meter.joules == pytest.approx(joules)
        assert meter.seconds > 0


def test_without_counters_there_is_no_number_but_a_reason(tmp_path):
    for root in (tmp_path / "absent", tmp_path):
        with EnergyMeter(root=root) as meter:
            meter.update()
        assert meter.joules is None
        assert meter.parts == {}
        assert meter.seconds > 0
        assert meter.source.startswith("not measured: the processor offers no energy counters")
        assert "pynvml is not installed" in meter.source
        assert "Give watts" in meter.source
    assert "not begun" in EnergyMeter().source


def test_a_counter_for_root_alone_is_explained(tmp_path, monkeypatch):
    file = zone(tmp_path, "intel-rapl:0", "package-0")
    read = type(file).read_text

    def denied(path, *args, **kwargs):  # a test run by root may read whatever its mode says
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read(path, *args, **kwargs)

    monkeypatch.setattr(type(file), "read_text", denied)
    with EnergyMeter(root=tmp_path) as meter:
        pass
    assert meter.joules is None
    assert "may be read by root alone" in meter.source
    assert f"chmod a+r {tmp_path}/intel-rapl:*/energy_uj" in meter.source
    assert "Give watts" in meter.source


@pytest.mark.parametrize("content", ["", "many", "1.5\n"])
def test_a_counter_that_is_no_number_is_not_trusted(tmp_path, content):
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:1", "package-1").write_text(content)
    with EnergyMeter(root=tmp_path) as meter:
        pass
    assert meter.joules is None  # half of the machine would not be its energy
    assert "cannot be read" in meter.source


def test_a_counter_that_vanishes_leaves_no_number(tmp_path):
    file = zone(tmp_path, "intel-rapl:0", "package-0")
    with EnergyMeter(root=tmp_path) as meter:
        file.unlink()
    assert meter.joules is None
    assert "could not be read" in meter.source


def test_graphics_cards_are_added_where_nvml_is_there(tmp_path, monkeypatch):
    file = zone(tmp_path, "intel-rapl:0", "package-0")
    # Two cards, each read when opened, at the beginning and at the end.
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml([1, 1, 1000, 5000, 3000, 5500], ("A100", b"T4")))
    with EnergyMeter(root=tmp_path) as meter:
        add(file, 1)
    assert meter.parts == pytest.approx({"package-0": 1, "A100 0": 2, "T4 1": 0.5})
    assert meter.joules == pytest.approx(3.5)
    assert meter.source == "RAPL (package-0) and NVML (A100 0, T4 1)"


def test_a_card_alone_says_that_the_processor_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml([0, 1000, 4000]))
    with EnergyMeter(root=tmp_path / "absent") as meter:
        pass
    assert meter.joules == pytest.approx(3)
    assert meter.source.startswith("NVML (Card 0), without the processor: the processor offers no energy counters")


@pytest.mark.parametrize(
    ("nvml", "reason"),
    [(fake_nvml([None]), "NVML counts no energy here (Not Supported)"), (fake_nvml([], ()), "finds no graphics card")],
)
def test_cards_that_count_nothing_are_explained(tmp_path, monkeypatch, nvml, reason):
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    with EnergyMeter(root=tmp_path) as meter:
        pass
    assert meter.joules is None
    assert reason in meter.source


def test_a_card_that_fails_in_the_middle_leaves_no_number(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml([0, 0, None]))
    with EnergyMeter(root=tmp_path) as meter:
        pass
    assert meter.joules is None
    assert "Not Supported" in meter.source
