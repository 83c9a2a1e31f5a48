"""The shipped chips against published tools: exact where a chip replicates one, within a band where it does not."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.price import load_platform, platform_names
from spikewise.price.imc.mapping import CrossbarArray, place
from spikewise.price.preset import find_platform, read_platform_table
from spikewise.price.quantity import constants_of
from spikewise.workload import LayerShape, uniform_workload

GOLDEN = Path(__file__).parents[1] / "golden"
SPIKESIM = json.loads((GOLDEN / "spikesim_vgg9.json").read_text())
NEUROSIM = json.loads((GOLDEN / "neurosim_vgg9.json").read_text())
NEUROSIM_VGG8 = json.loads((GOLDEN / "neurosim_vgg8.json").read_text())
NETWORK = json.loads((GOLDEN / "vgg9_mapping.json").read_text())["network"]
VGG9 = [
    LayerShape(f"conv{n}", "conv", n_in, n_out, kernel=(3, 3), out_height=side, out_width=side, weight_bits=4)
    for n, (n_in, n_out, side) in enumerate(NETWORK, start=1)
]
POOLED = {2: 16, 4: 8, 7: 4}
IMC = [name for name in platform_names() if read_platform_table(find_platform(name))["kind"] == "imc"]


def vgg9(platform, n_steps=1, rate=1.0, layers=VGG9, histogram=()):
    return load_platform(platform).estimate(uniform_workload("vgg9", layers, n_steps, [rate] * len(layers), histogram))


# -- SpikeSim: the replica gives what the script printed ---------------------------------------------------


def test_the_replica_gives_energy_and_latency_of_the_script():
    report, golden = vgg9("spikesim-65nm", 8), SPIKESIM["pre_pool"]
    for step in range(1, 9):
        assert report.energy_at(step) == pytest.approx(step * golden["energy_per_step_pj"] * 1e-12, rel=1e-9)
        assert report.latency_at(step) == pytest.approx(step * golden["latency_per_step_ns"] * 1e-9, rel=1e-9)
    assert report.area_m2 * 1e6 == pytest.approx(golden["area_mm2_4_digits"], abs=5e-5)


def test_the_replica_gives_the_shipped_example_with_its_sizes_after_pooling():
    layers = [
        replace(layer, out_height=side, out_width=side) if (side := POOLED.get(n)) else layer
        for n, layer in enumerate(VGG9, start=1)
    ]
    report, golden = vgg9("spikesim-65nm", 5, layers=layers), SPIKESIM["as_shipped_t5"]
    assert report.energy_j == pytest.approx(golden["energy_pj"] * 1e-12, rel=1e-9)
    assert report.latency_s == pytest.approx(golden["latency_ns"] * 1e-9, rel=1e-9)
    assert report.area_m2 == pytest.approx(golden["area_um2"] * 1e-12, rel=1e-9)


def test_a_pe_cycle_of_the_replica_costs_what_the_script_charges():
    one = LayerShape("one", "conv", 64, 64, kernel=(3, 3), weight_bits=4)
    assert vgg9("spikesim-65nm", layers=[one]).energy_j == pytest.approx(SPIKESIM["pe_cycle_pj"] * 1e-12, rel=1e-12)


# -- NeuroSim: another model of the same network -----------------------------------------------------------


@pytest.fixture(scope="module")
def as_neurosim(tmp_path_factory):
    """The physical chip with weights placed as NeuroSim was told to: one cell each, a reference column."""
    path = tmp_path_factory.mktemp("platform") / "as_neurosim.toml"
    path.write_text(
        'extends = "rram-64-32nm-physical"\nname = "as-neurosim"\n[mapping]\nsign = "offset"\n',
        encoding="utf-8",
    )
    return path


def test_the_physical_chip_lies_within_2_5_times_of_neurosim(as_neurosim):
    reference = (NEUROSIM["dynamic_uj"] + NEUROSIM["leakage_uj"]) * 1e-6
    for platform in ("rram-64-32nm-physical", as_neurosim):
        report = vgg9(platform, rate=0.15)
        assert 1 / 2.5 < report.energy_j / reference < 2.5
        assert 286e-6 <= report.latency_s <= 639e-6


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("adc", "shift_add"), "adc"),
        (("accumulation",), "accumulation"),
        (("htree", "noc"), "interconnect"),
        (("buffer",), "buffer"),
    ],
)
def test_the_band_of_each_part_holds_what_neurosim_says(as_neurosim, parts, key):
    report = vgg9(as_neurosim, rate=0.15)
    low, high = (sum(report.at(corner).breakdown()[part].energy_j for part in parts) for corner in ("low", "high"))
    assert low <= NEUROSIM["components_uj"][key] * 1e-6 <= high


def test_the_band_of_the_area_holds_neurosims_sum_of_parts(as_neurosim):
    low, _, high = vgg9(as_neurosim).band("area_m2")
    copies = np.array([16, 16, 8, 4, 2, 1, 1])  # NeuroSim stores the first layers several times, to be faster
    pes = load_platform(as_neurosim).place(uniform_workload("vgg9", VGG9, 1, [1.0] * 7)).n_pes
    more = (copies * pes).sum() / pes.sum()
    assert low * more <= NEUROSIM["area_sum_of_parts_mm2"] * 1e-6 <= high * more


@pytest.mark.parametrize("density", [0.25, 0.5])
def test_the_band_of_the_sram_chip_holds_what_neurosim_says_of_vgg8(density):
    shapes = [(3, 128, 32), (128, 128, 32), (128, 256, 16), (256, 256, 16), (256, 512, 8), (512, 512, 8)]
    layers = [
        LayerShape(f"conv{n}", "conv", n_in, n_out, kernel=(3, 3), out_height=side, out_width=side, input_bits=8)
        for n, (n_in, n_out, side) in enumerate(shapes, start=1)
    ]
    dense = [(8192, 1024), (1024, 10)]
    layers += [LayerShape(f"fc{n_out}", "linear", n_in, n_out, input_bits=8) for n_in, n_out in dense]
    load = uniform_workload("vgg8", layers, 1, [density] * len(layers))
    low, nominal, high = load_platform("sram-22nm").estimate(load).band("energy_j")
    reference = (NEUROSIM_VGG8["dynamic_uj"] + NEUROSIM_VGG8["leakage_uj"]) * 1e-6
    assert low <= reference <= high
    assert 1 / 3 < nominal / reference < 3


def test_ten_times_the_activity_adds_less_than_half(as_neurosim):
    for platform in ("rram-64-32nm-physical", as_neurosim):
        sparse, busy = (vgg9(platform, rate=rate).energy_j for rate in (0.05, 0.5))
        assert 1 < busy / sparse < 1.5


def test_the_crossbar_constant_is_that_of_ohms_law():
    conductance = (1 / 20e3 + 1 / 200e3) / 2
    cell = 0.1**2 * conductance * 12.5e-9
    assert 512 * cell == pytest.approx(1.760e-12, rel=1e-3)
    idle = 0.1**2 / 200e3 * 12.5e-9
    chip = load_platform("rram-64-32nm-physical")
    found = [chip.constants[f"components.crossbar.energy.{place}"].corners[1] for place in (0, 1)]
    assert found == pytest.approx([cell, idle], rel=1e-3)


# -- other ways to place VGG-9: hardware reference counts ---------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "crossbars", "conversions", "micro_s", "utilisation"),
    [
        ({}, 432, 393_216, 286.2, 0.9801),
        ({"tap_sum": "digital"}, 432, 3_538_944, 286.2, 0.9801),
        ({"scheme": "im2col"}, 424, 3_014_656, 286.2, 0.9986),
        ({"parallel": "rows"}, 432, 393_216, 399.4, 0.9801),
        ({"parallel": "none"}, 432, 393_216, 639.0, 0.9801),
    ],
)
def test_vgg9_is_placed_as_counted_by_hand(settings, crossbars, conversions, micro_s, utilisation):
    placed = place(VGG9, CrossbarArray(n_rows=64, n_cols=64, cell_bits=4, **settings))
    assert placed.n_crossbars.sum() == crossbars
    assert placed.n_conversions.sum() == conversions
    assert placed.n_serial_cycles.sum() * 0.104 == pytest.approx(micro_s, abs=0.05)
    used = (placed.utilisation * placed.n_crossbars).sum() / crossbars
    assert used == pytest.approx(utilisation, abs=5e-5)


# -- laws of every chip -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", IMC)
@settings(max_examples=8)
@given(st.floats(0, 0.9), st.integers(1, 5), st.sampled_from([2, 4, 8]))
def test_energy_rises_with_steps_activity_and_bits(name, rate, n_steps, bits):
    layers = [replace(layer, weight_bits=bits) for layer in VGG9]
    report = vgg9(name, n_steps, rate, layers)
    more_bits = vgg9(name, n_steps, rate, [replace(layer, weight_bits=2 * bits) for layer in layers])
    assert vgg9(name, n_steps + 1, rate, layers).energy_j > report.energy_j
    assert vgg9(name, n_steps, rate + 0.1, layers).energy_j >= report.energy_j * (1 - 1e-12)
    assert more_bits.energy_j >= report.energy_j
    assert more_bits.area_m2 >= report.area_m2


@pytest.mark.parametrize("name", IMC)
def test_every_constant_has_a_source_and_every_chip_a_label(name):
    chip = load_platform(name)
    assert all(quantity.source and quantity.tag for quantity in chip.constants.values())
    report = vgg9(name, 4, 0.2, histogram=[5, 3, 1, 1])
    assert chip.label in report.assumptions
    assert 0 < report.edp_saving < 1
    assert report.band("energy_j")[0] <= report.energy_j <= report.band("energy_j")[2]


def test_a_layer_computed_once_is_charged_once_by_the_physical_chip():
    image = replace(VGG9[0], input_bits=8)
    once = replace(image, once_per_inference=True)
    each, single = (vgg9("rram-64-32nm-physical", 4, 0.2, [layer, *VGG9[1:]]) for layer in (image, once))
    parts, at_once = each.at("nominal").static.breakdown(), single.static.breakdown()
    for name in ("adc", "row_driver", "crossbar", "htree"):
        first = each.ledger.step_energy_j[0, 0, each.components.index(name)]
        assert parts[name].energy_j - at_once[name].energy_j == pytest.approx(3 * first, rel=1e-9)
    assert at_once["input_load"].energy_j == parts["input_load"].energy_j
    assert at_once["kept_sums"].energy_j > 0 == parts["kept_sums"].energy_j
    assert single.memory_bits - each.memory_bits == 16 * 64 * 32 * 32
    assert single.energy_at(4) < each.energy_at(4)
    assert single.ledger.once_energy_j[0].sum() > 0
    assert single.latency_at(4) < each.latency_at(4)


@pytest.mark.parametrize("name", platform_names())
def test_what_is_assumed_or_second_hand_is_unverified(name):
    for key, constant in constants_of(load_platform(name)):
        if re.search("assum|second-hand", constant.source):
            assert constant.tag == "unverified", key


def test_crossbars_of_another_size_have_their_own_area_and_phases():
    chip = load_platform("rram-64-32nm-physical")
    load = uniform_workload("vgg9", VGG9, 1, [0.15] * 7)
    wide = chip.model_copy(update={"mapping": chip.mapping.model_copy(update={"n_cols": 128})})
    cells = wide.place(load).n_crossbars.sum() * 64 * 128
    assert wide.estimate(load).breakdown()["crossbar"].area_m2 == pytest.approx(cells * 48 * 32e-9**2, rel=1e-4)
    fewer = chip.model_copy(update={"mapping": chip.mapping.model_copy(update={"cols_per_adc": 64})})
    assert fewer.estimate(load).latency_s == pytest.approx(2752 * (64 * 12 + 8) * 1e-9, rel=1e-9)
    converters = [each.estimate(load).breakdown()["adc"].area_m2 for each in (chip, fewer)]
    assert converters[0] == pytest.approx(8 * converters[1], rel=1e-9)


@pytest.mark.parametrize("name", ["rram-64-32nm-physical", "sram-22nm"])
def test_finer_converters_cost_more(name):
    chip = load_platform(name)
    reports = [
        chip.model_copy(update={"mapping": chip.mapping.model_copy(update={"adc_bits": bits})}).estimate(
            uniform_workload("vgg9", VGG9, 1, [0.15] * 7)
        )
        for bits in range(1, 13)
    ]
    assert np.all(np.diff([report.energy_j for report in reports]) > 0)
    assert np.all(np.diff([report.area_m2 for report in reports]) > 0)


def test_an_image_is_loaded_once():
    loads = [vgg9("rram-64-32nm-physical", n_steps, 0.2).breakdown()["input_load"].energy_j for n_steps in (1, 4)]
    assert loads == pytest.approx([3 * 32 * 32 * 20.3125e-12] * 2, rel=1e-12)
