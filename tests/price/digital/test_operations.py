from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.errors import ParameterError
from spikewise.price import load_platform
from spikewise.price.digital import DigitalAccelerator
from spikewise.price.digital.operations import estimate_operations, state_bits_of, weight_bits_of
from spikewise.price.digital.roofline import RooflineProcessor
from spikewise.price.quantity import read_settings
from spikewise.workload import LayerShape, Workload, uniform_workload
from spikewise.workload.operations import OperationCounts, Operations

PRESETS = files("spikewise.price") / "presets"
CHIP = read_settings(DigitalAccelerator, PRESETS / "digital-45nm.toml")
CPU = read_settings(RooflineProcessor, PRESETS / "embedded-cpu.toml")
LAYER = LayerShape("excitatory", "linear", 784, 400, lateral="broadcast")
both = pytest.mark.parametrize("platform", [CHIP, CPU], ids=["digital", "cpu"])
counts = st.builds(
    Operations, *[st.floats(0, 1e6) for _ in Operations.__slots__]
)  # one number for each kind of operation


def counted(parts, layer=LAYER, phase="inference"):
    activity = uniform_workload("net", [layer], 1, [0.1]).activity
    return Workload("net", (layer,), activity, counts=OperationCounts(**{phase: parts}))


def nanojoules(part, layer=LAYER, **operations):
    report = estimate_operations(counted({"work": Operations(**operations)}, layer), CHIP)
    return report.breakdown()[part].energy_j * 1e9


def test_each_operation_costs_what_the_hardware_says():
    weights = CHIP.memory.sram.read_j_per_bit(784 * 400 * 8)
    assert nanojoules("weight memory", weight_reads=1000) == pytest.approx(float(weights) * 8 * 1e12, rel=1e-12)
    states = CHIP.memory.sram.write_j_per_bit(400 * 4 * 16)
    assert nanojoules("state memory", state_writes=1000) == pytest.approx(float(states) * 16 * 1e12, rel=1e-12)
    assert nanojoules("arithmetic", additions=1000) == pytest.approx(0.05)
    assert nanojoules("arithmetic", comparisons=1000) == pytest.approx(0.05)
    assert nanojoules("random numbers", random_numbers=1000) == pytest.approx(0.3)
    floats = replace(LAYER, weight_bits=32, state_bits=32)
    assert nanojoules("arithmetic", floats, additions=1000) == pytest.approx(0.9)
    assert nanojoules("arithmetic", floats, multiplications=1000) == pytest.approx(3.7)
    assert nanojoules("arithmetic", floats, exponentials=1000) == pytest.approx(46)


def test_memory_holds_weights_states_and_stored_inhibition():
    matrix = replace(LAYER, weight_bits=32, state_bits=32, lateral="matrix")
    assert weight_bits_of(LAYER) == 784 * 400 * 8
    assert weight_bits_of(matrix) == (784 * 400 + 400**2) * 32
    assert state_bits_of(LAYER, "inference") == 4 * 400 * 16
    assert state_bits_of(matrix, "training") == (6 * 400 + 784) * 32
    report = estimate_operations(counted({"work": Operations(weight_reads=9)}, matrix), CHIP)
    assert report.memory_bits == weight_bits_of(matrix) + state_bits_of(matrix, "inference")
    assert not any("lies in DRAM, which" in line for line in report.assumptions)


def test_weights_that_do_not_fit_on_the_chip_are_read_from_dram():
    wide = replace(LAYER, out_channels=3000, weight_bits=32, lateral="matrix")
    report = estimate_operations(counted({"work": Operations(weight_reads=1000)}, wide), CHIP)
    assert report.breakdown()["weight memory"].energy_j == pytest.approx(1000 * 32 * 20.3125e-12, rel=1e-12)
    assert report.breakdown()["weight memory"].area_m2 == 0
    assert report.latency_s == pytest.approx(4000 / 25.6e9, rel=1e-12)
    assert any("lies in DRAM, which is in no area: weight memory" in line for line in report.assumptions)


@both
@settings(max_examples=15)
@given(one=counts, other=counts)
def test_the_breakdown_follows_the_engine_and_sums_to_the_total(platform, one, other):
    report = estimate_operations(counted({"leak": one, "learning": other}, phase="training"), platform, "training")
    assert report.layers == ("leak", "learning", "chip")
    for by in ("layer", "component"):
        assert sum(cost.energy_j for cost in report.breakdown(by).values()) == pytest.approx(report.energy_j, rel=1e-9)
    low, nominal, high = report.band("energy_j")
    assert low <= nominal <= high
    alone = estimate_operations(counted({"leak": one}, phase="training"), platform, "training")
    assert alone.energy_j <= report.energy_j * (1 + 1e-9)


def test_a_reader_is_told_what_wide_states_are_taken_for():
    load = counted({"work": Operations(additions=9)}, replace(LAYER, state_bits=32))
    assert any("priced in fixed point" in line for line in estimate_operations(load, CHIP).assumptions)


@both
def test_more_bits_cost_more_memory_and_energy(platform):
    work = {"work": Operations(weight_reads=1e5, state_reads=1e5, additions=1e5)}
    few, many = (
        estimate_operations(counted(work, replace(LAYER, weight_bits=bits, state_bits=2 * bits)), platform)
        for bits in (8, 16)
    )
    assert few.energy_j < many.energy_j
    assert many.memory_bits == 2 * few.memory_bits


def test_a_measured_processor_takes_the_measured_time():
    load = counted({"a": Operations(additions=1e5), "b": Operations(weight_reads=1e6)})
    report = estimate_operations(load, CPU.measured(power_w=2.0, time_s=1e-3))
    assert report.latency_s == pytest.approx(1e-3, rel=1e-9)
    assert report.energy_j == pytest.approx(2e-3, rel=1e-9)


def test_what_was_not_counted_cannot_be_priced():
    plain = uniform_workload("plain", [LAYER], 1, [0.1])
    with pytest.raises(ParameterError, match="must carry counted operations of inference; 'plain' has none"):
        estimate_operations(plain, CHIP)
    load = counted({"work": Operations(additions=1)})
    with pytest.raises(ParameterError, match="counted operations of training"):
        estimate_operations(load, CHIP, "training")
    with pytest.raises(ParameterError, match="phase must be one of inference, training; got 'learning'"):
        estimate_operations(load, CHIP, "learning")
    with pytest.raises(ParameterError, match="platform must be digital or an embedded processor"):
        estimate_operations(load, load_platform("rram-64-32nm"))
