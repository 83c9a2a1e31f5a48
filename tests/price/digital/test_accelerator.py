import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.price.analysis.ann_baseline import ann_workload
from spikewise.price.digital import DigitalAccelerator
from spikewise.price.digital.arithmetic import AtBits, at_bits
from spikewise.price.quantity import constants_of, read_settings
from spikewise.workload import LayerActivity, LayerShape, Workload, uniform_workload

CHIP = read_settings(DigitalAccelerator, files("spikewise.price") / "presets" / "digital-45nm.toml")
GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "horowitz_vgg9.json").read_text())


def golden(key):
    entry = GOLDEN["entries"][key]
    assert entry["unit"] == "uJ"
    return pytest.approx(entry["value"] * 1e-6, rel=1e-9)


def only_adder(pj):
    """The chip with one adder, for whatever width: the 8-bit one that much of the literature takes for all."""
    adder = AtBits(value=pj, low=pj, high=pj, unit="pJ", source="a legacy vector", tag="verified", bits=8)
    return CHIP.model_copy(update={"integer": CHIP.integer.model_copy(update={"add": (adder,)})})


def small(kib=1024):
    """The chip with less room for the memory of a layer."""
    capacity = CHIP.memory.capacity.model_dump() | {"value": kib, "low": kib, "high": kib}
    memory = CHIP.memory.model_dump() | {"capacity": capacity}
    return CHIP.model_copy(update={"memory": type(CHIP.memory)(**memory)})


def vgg9(weight_bits, once=True):
    layers = [
        LayerShape(
            f"conv{n}", "conv", n_in, n_out, kernel=(3, 3), out_height=side, out_width=side, weight_bits=weight_bits,
            input_bits=8 if n == 1 else 1, once_per_inference=once and n == 1,
        )
        for n, (n_in, n_out, side) in enumerate(GOLDEN["network"], start=1)
    ]  # fmt: skip
    return uniform_workload("vgg9", layers, GOLDEN["n_steps"], [1.0] + [GOLDEN["rate"]] * 6)


def compute(report):
    """Arithmetic of the weighted sums by layer: once, and over all steps."""
    column = report.components.index("compute")
    return report.ledger.once_energy_j[:, column], report.ledger.step_energy_j[..., column].sum(0)


FP32 = {"chip": CHIP, "weight_bits": 32}
INT8 = {"chip": only_adder(0.03), "weight_bits": 8}


@pytest.mark.parametrize(("name", "setting"), [("fp32", FP32), ("int8", INT8)])
def test_arithmetic_of_vgg9_is_what_horowitz_says(name, setting):
    load, chip = vgg9(setting["weight_bits"]), setting["chip"]
    assert chip.estimate(ann_workload(load, 8)).breakdown()["compute"].energy_j == golden(f"ann_{name}")
    assert compute(chip.estimate(load))[1][1:7].sum() == golden(f"snn_{name}_layers_2_to_7")


def test_the_first_layer_multiplies_once_or_at_each_step():
    once, step = compute(CHIP.estimate(vgg9(32)))
    assert once[0] == golden("layer_1_once")
    assert step[0] == 0
    once, step = compute(CHIP.estimate(vgg9(32, once=False)))
    assert not once.any()
    assert step[0] == golden("layer_1_each_step")


def compute_j_per_weight(layer, chip=CHIP):
    """Arithmetic of one dense step over the weights that it uses."""
    return chip.estimate(uniform_workload("net", [layer], 1, [1.0])).breakdown()["compute"].energy_j / layer.n_macs


def test_by_default_spikes_are_added_to_16_bits_and_products_to_as_many_as_they_need():
    spikes, values = (LayerShape("fc", "linear", 10, 10, input_bits=bits) for bits in (1, 8))
    assert compute_j_per_weight(spikes) == pytest.approx(0.05e-12, rel=1e-12)
    add_20 = float(at_bits(CHIP.integer.add, 8 + 8 + 4)[1])  # ten products need four bits more
    assert compute_j_per_weight(values) == pytest.approx(0.2e-12 + add_20, rel=1e-12)
    fixed = CHIP.model_copy(update={"sum_bits": 32})
    assert compute_j_per_weight(values, fixed) == pytest.approx(0.2e-12 + 0.1e-12, rel=1e-12)


@pytest.mark.parametrize(("weight_bits", "input_bits"), [(3, 4), (4, 3), (2, 2), (1, 8)])
def test_a_narrow_product_takes_its_share_of_the_partial_products(weight_bits, input_bits):
    layer = LayerShape("fc", "linear", 16, 10, weight_bits=weight_bits, input_bits=input_bits)
    adds = float(at_bits(CHIP.integer.add, weight_bits + input_bits + 4)[1])
    products = 0.2e-12 * weight_bits * input_bits / 64
    assert compute_j_per_weight(layer) == pytest.approx(products + adds, rel=1e-12)


@given(st.integers(1, 16), st.integers(2, 16))
def test_wider_factors_never_cost_less(weight_bits, input_bits):
    wider = LayerShape("fc", "linear", 16, 10, weight_bits=weight_bits + 1, input_bits=input_bits)
    assert compute_j_per_weight(replace(wider, weight_bits=weight_bits)) <= compute_j_per_weight(wider) * (1 + 1e-12)


def test_guessed_constants_have_a_band_that_the_report_holds():
    guessed = [each for _, each in constants_of(CHIP) if each.source.startswith("assumption")]
    assert len(guessed) >= 8
    assert all(each.low < each.high and each.tag == "unverified" for each in guessed)
    report = CHIP.estimate(uniform_workload("net", [LayerShape("fc", "linear", 256, 256)], 3, [0.5]))
    low, nominal, high = report.band("latency_s")
    assert (high / nominal, nominal / low) == pytest.approx((4 * 2, 4 * 2.5), rel=1e-9)  # units and clock together
    assert report.at("low").breakdown()["compute"].area_m2 == pytest.approx(
        report.breakdown()["compute"].area_m2 / 4, rel=1e-12
    )


def test_accumulations_follow_the_unfolded_counts_exactly():
    layer = LayerShape("dw", "conv", 8, 8, kernel=(3, 3), groups=8, out_height=4, out_width=4)
    row = LayerActivity((70.5, 12.25), (9, 2), (0, 0))
    report = CHIP.estimate(Workload("net", [layer], [row]))
    assert compute(report)[1][0] == pytest.approx((70.5 + 12.25) * 0.05e-12, rel=1e-12)


def test_weights_are_fetched_at_most_once_per_use_and_once_per_step():
    layer = LayerShape("fc", "linear", 100, 50)
    # One spike in all: 50 weights of 8 bits, from a memory of 40,000 bits.
    row = LayerActivity((1,), (1,), (0,))
    report = CHIP.estimate(Workload("net", [layer], [row]))
    one = CHIP.memory.sram.read_j_per_bit(40_000) * 50 * 8
    assert report.breakdown()["weight memory"].energy_j == pytest.approx(float(one), rel=1e-12)
    conv = LayerShape("conv", "conv", 8, 8, kernel=(3, 3), out_height=16, out_width=16)
    report = CHIP.estimate(uniform_workload("net", [conv], 1, [1.0]))
    low, nominal, high = (report.at(c).breakdown()["weight memory"].energy_j for c in ("low", "nominal", "high"))
    assert nominal == pytest.approx(float(CHIP.memory.sram.read_j_per_bit(576 * 8)) * 576 * 8, rel=1e-12)
    assert low == nominal
    assert high == pytest.approx(nominal * 4 * CHIP.memory.energy_scale.high, rel=1e-12)


def test_weights_that_do_not_fit_on_the_chip_cost_dram_energy_and_time_but_no_area():
    inside, outside = (LayerShape("fc", "linear", 1024, n, weight_bits=8) for n in (1024, 1025))
    fits, spills = (small().estimate(uniform_workload("net", [layer], 1, [1.0])) for layer in (inside, outside))
    assert spills.breakdown()["weight memory"].energy_j == pytest.approx(1024 * 1025 * 8 * 20.3125e-12, rel=1e-12)
    assert spills.breakdown()["weight memory"].energy_j > 20 * fits.breakdown()["weight memory"].energy_j
    assert spills.breakdown()["weight memory"].area_m2 == 0 < fits.breakdown()["weight memory"].area_m2
    assert spills.breakdown()["weight memory"].memory_bits == 1024 * 1025 * 8
    # 1 MB at 25.6 GB/s is 41 us, a million additions on 1024 units take 5 us: memory is waited for.
    total = sum(spills.breakdown()[part].latency_s for part in ("compute", "weight memory"))
    assert total == pytest.approx(1024 * 1025 / 25.6e9, rel=1e-12)
    assert any("lies in DRAM" in line and "weight memory of fc" in line for line in spills.assumptions)
    assert not any("lies in DRAM, which" in line for line in fits.assumptions)


def test_time_is_operations_over_units():
    layer = LayerShape("fc", "linear", 256, 256)
    report = CHIP.estimate(uniform_workload("net", [layer], 3, [0.5]))
    assert report.latency_s == pytest.approx(3 * (256 * 128 + 2 * 256) / 1024 * 5e-9, rel=1e-12)


def test_what_is_computed_once_is_kept_and_added_at_each_step():
    layer = LayerShape("image", "conv", 3, 16, kernel=(3, 3), out_height=8, out_width=8, input_bits=8)
    each, once = (
        CHIP.estimate(uniform_workload("net", [replace(layer, once_per_inference=value)], 4, [1.0]))
        for value in (False, True)
    )
    assert once.breakdown()["state memory"].memory_bits == 2 * each.breakdown()["state memory"].memory_bits
    assert once.breakdown()["neuron update"].energy_j == pytest.approx(
        1.5 * each.breakdown()["neuron update"].energy_j, rel=1e-12
    )


def test_stored_inhibition_costs_memory_that_a_broadcast_does_not():
    broadcast, matrix = (
        CHIP.estimate(Workload("net", [layer], [LayerActivity((10,) * 2, (10,) * 2, (1,) * 2)]))
        for layer in (LayerShape("fc", "linear", 784, 400, lateral=kind) for kind in ("broadcast", "matrix"))
    )
    assert matrix.memory_bits - broadcast.memory_bits == 400**2 * 8
    assert matrix.breakdown()["lateral"].energy_j > broadcast.breakdown()["lateral"].energy_j > 0


def test_leakage_is_power_times_time():
    report = CHIP.estimate(uniform_workload("net", [LayerShape("fc", "linear", 256, 256)], 3, [0.5]))
    power = report.breakdown()["leakage"].energy_j / report.latency_s
    sizes = (256 * 256 * 8, 256 + 256, 256 * 16)  # weights, values in and out, states
    buffers = 128 * CHIP.memory.sram.leakage_w(8192)
    assert power == pytest.approx(float(sum(CHIP.memory.sram.leakage_w(size) for size in sizes) + buffers), rel=1e-9)


def test_a_reader_is_told_of_floats_and_narrow_products():
    layer = LayerShape("fc", "linear", 8, 8, weight_bits=32)
    assert any(
        "floating point: fc" in line for line in CHIP.estimate(uniform_workload("n", [layer], 1, [1])).assumptions
    )
    narrow = replace(layer, weight_bits=4, input_bits=4)
    lines = CHIP.estimate(uniform_workload("n", [narrow], 1, [1])).assumptions
    assert any("take b1 b2 / 64 of one of 8 bits (assumed): fc" in line for line in lines)


def test_units_are_as_large_as_the_most_demanding_layer_needs():
    add, mac = (LayerShape(name, "linear", 8, 8, input_bits=bits) for name, bits in (("add", 1), ("mac", 8)))
    adder = CHIP.estimate(uniform_workload("n", [add], 1, [1])).breakdown()["compute"].area_m2
    both = CHIP.estimate(uniform_workload("n", [mac, add], 1, [1, 1])).breakdown()["compute"].area_m2
    assert adder == pytest.approx(1024 * 67e-12, rel=1e-12)
    add_19 = float(at_bits(CHIP.integer.add_area, 8 + 8 + 3)[1])  # sums of eight products
    assert both == pytest.approx(1024 * (282e-12 + add_19), rel=1e-12)


def test_a_read_out_of_one_step_keeps_no_state():
    layer = LayerShape("head", "linear", 8, 8, has_neurons=False)
    one, two = (CHIP.estimate(uniform_workload("n", [layer], steps, [1])).breakdown() for steps in (1, 2))
    assert one["neuron update"].energy_j == one["state memory"].memory_bits == 0
    assert two["state memory"].memory_bits == 8 * 16
    assert np.isclose(two["neuron update"].energy_j, 2 * 8 * 0.05e-12)
