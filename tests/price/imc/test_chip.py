from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.errors import CapacityError, ParameterError
from spikewise.price import load_platform
from spikewise.workload import LayerActivity, LayerShape, Workload, uniform_workload

CHIP = load_platform("rram-64-32nm")
VGG16 = [
    (3, 64, 32), (64, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8), (256, 256, 8), (256, 256, 8),
    (256, 512, 4), (512, 512, 4), (512, 512, 4), (512, 512, 2), (512, 512, 2), (512, 512, 2),
]  # fmt: skip


@cache
def vgg16(n_steps, histogram=(), platform="rram-64-32nm", rate=1.0):
    """The network on which the preset was calibrated: VGG-16 on CIFAR-10, convolutions alone, dense."""
    layers = [
        LayerShape(f"conv{n}", "conv", n_in, n_out, kernel=(3, 3), out_height=side, out_width=side, weight_bits=4)
        for n, (n_in, n_out, side) in enumerate(VGG16, start=1)
    ]
    return load_platform(platform).estimate(uniform_workload("vgg16", layers, n_steps, [rate] * len(layers), histogram))


@st.composite
def workloads(draw):
    n_steps = draw(st.integers(1, 4))
    n_layers = draw(st.integers(1, 4))
    channels = draw(st.lists(st.integers(1, 150), min_size=n_layers + 1, max_size=n_layers + 1))
    heights = sorted(draw(st.lists(st.integers(1, 8), min_size=n_layers, max_size=n_layers)), reverse=True)
    layers = [
        LayerShape(
            f"layer{n}", "conv", channels[n], channels[n + 1], kernel=(3, 3), out_height=heights[n], out_width=4,
            weight_bits=draw(st.sampled_from([2, 4, 8])),
        )
        for n in range(n_layers)
    ]  # fmt: skip
    rates = draw(st.lists(st.floats(0, 1), min_size=n_layers, max_size=n_layers))
    histogram = draw(st.lists(st.integers(0, 9), min_size=n_steps, max_size=n_steps).filter(any))
    return uniform_workload("net", layers, n_steps, rates, histogram)


# -- calibration: the preset was fitted to these figures, so they check the arithmetic, not the physics -----


def test_eight_steps_cost_4_9_times_the_energy_and_8_times_the_latency_of_one():
    report = vgg16(8)
    assert report.energy_at(8) / report.energy_at(1) == pytest.approx(4.900, abs=5e-4)
    assert report.latency_at(8) / report.latency_at(1) == pytest.approx(8.0, rel=1e-12)
    assert vgg16(1).energy_j == pytest.approx(report.energy_at(1), rel=1e-12)


def test_a_timestep_splits_as_dt_snn_reports():
    report = vgg16(4)
    step = dict(zip(report.components, report.ledger.step_energy_j.sum((0, 1)), strict=True))
    share = {name: energy / sum(step.values()) for name, energy in step.items()}
    assert share["periphery"] == pytest.approx(0.45, abs=1e-3)
    assert share["crossbar"] + share["adc"] + share["mux"] == pytest.approx(0.25, abs=1e-3)
    assert share["exit_unit"] < 0.01


def test_a_pe_cycle_costs_the_anchor_over_its_share():
    report = vgg16(1)
    n_cycles = 1024 + 1024 + 512 + 1024 + 512 + 1024 + 1024 + 512 + 1024 + 1024 + 256 + 256 + 256
    parts = [name for name in report.components if name not in ("exit_unit", "fixed")]
    step = sum(report.breakdown()[name].energy_j for name in parts)
    assert step == pytest.approx(n_cycles * 157.12e-12 / 0.17, rel=1e-12)
    assert report.latency_s == pytest.approx((1024 * 2 + 256 * 2 + 64 * 3 + 16 * 3 + 4 * 3) * 104e-9, rel=1e-12)


@pytest.mark.parametrize(("histogram", "saving"), [((75, 12, 5, 8), 0.785), ((85, 7, 4, 4), 0.836)])
def test_early_exit_saves_what_the_affine_energy_law_says(histogram, saving):
    report = vgg16(4, histogram)
    assert report.edp_saving == pytest.approx(saving, abs=0.005)
    # The same from the closed law E(t) = E(1) (0.442857 + 0.557143 t), D(t) = t D(1), at each sample.
    exits = np.repeat([1, 2, 3, 4], histogram)
    law = (3.1 + 3.9 * exits) * exits
    assert report.edp_saving == pytest.approx(1 - law.mean() / ((3.1 + 3.9 * 4) * 4), abs=1e-4)


# -- laws ---------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(workloads())
def test_the_static_view_is_the_report_of_the_workload_without_exit(load):
    static, without = CHIP.estimate(load).static, CHIP.estimate(load.without_exit())
    assert static.to_dict() == replace(without, once_modes=()).to_dict()


@settings(max_examples=20)
@given(workloads())
def test_every_constant_raises_the_price(load):
    report = CHIP.estimate(load)
    for figure in ("energy_j", "latency_s", "edp_js", "area_m2"):
        low, nominal, high = report.band(figure)
        assert low <= nominal <= high


@settings(max_examples=20)
@given(workloads(), st.randoms(use_true_random=False))
def test_permuting_the_layers_changes_no_total(load, random):
    # The last layer alone decides the number of classes, so it stays.
    order = [*random.sample(range(len(load.layers) - 1), len(load.layers) - 1), len(load.layers) - 1]
    shuffled = replace(
        load,
        layers=[load.layers[n] for n in order],
        activity=[load.activity[n] for n in order],
        alive_activity=[load.alive_activity[n] for n in order],
    )
    one, other = CHIP.estimate(load), CHIP.estimate(shuffled)
    assert other.energy_j == pytest.approx(one.energy_j, rel=1e-12)
    assert other.latency_s == pytest.approx(one.latency_s, rel=1e-12)
    assert other.area_m2 == pytest.approx(one.area_m2, rel=1e-12)


@given(st.integers(1, 500), st.integers(1, 500))
@settings(max_examples=20)
def test_a_linear_layer_costs_what_a_one_by_one_convolution_costs(n_in, n_out):
    linear, conv = (
        CHIP.estimate(uniform_workload("net", [LayerShape("x", kind, n_in, n_out)], 2, [0.5]))
        for kind in ("linear", "conv")
    )
    assert linear.to_dict() == conv.to_dict()


def energy_of_a_step(kernel, out_side=4):
    """Energy of a step by component, without what does not belong to the layer."""
    size = {"kernel": kernel, "out_height": out_side, "out_width": out_side}
    report = CHIP.estimate(uniform_workload("net", [LayerShape("x", "conv", 64, 64, weight_bits=4, **size)], 1, [1.0]))
    parts = dict(zip(report.components, report.ledger.step_energy_j.sum((0, 1)), strict=True))
    return {name: joules for name, joules in parts.items() if name not in ("exit_unit", "fixed") and joules}


@given(st.integers(1, 7), st.integers(1, 7))
@settings(max_examples=20)
def test_only_the_crossbars_pay_for_the_taps_of_a_kernel(height, width):
    calibrated, other = energy_of_a_step((3, 3)), energy_of_a_step((height, width))
    assert other["crossbar"] == pytest.approx(calibrated["crossbar"] * height * width / 9, rel=1e-12)
    for part in calibrated.keys() - {"crossbar"}:
        assert other[part] == calibrated[part]


def test_a_cycle_of_nine_taps_costs_what_it_was_calibrated_to():
    cycle = CHIP.pe_cycle.corners[1]
    assert sum(energy_of_a_step((3, 3), out_side=1).values()) == pytest.approx(cycle, rel=1e-12)
    share = CHIP.components["crossbar"].energy[0].value
    assert sum(energy_of_a_step((1, 1), out_side=1).values()) == pytest.approx(cycle * (1 - share * 8 / 9), rel=1e-12)


def test_a_report_says_how_kernels_are_charged():
    load = uniform_workload("net", [LayerShape("fc", "linear", 4, 4)], 1, [0.1])
    assert any("crossbars are charged per kernel tap" in line for line in CHIP.estimate(load).assumptions)


def test_a_layer_computed_once_is_charged_at_every_step_beside_a_fitted_fixed_cost():
    layer = LayerShape("image", "conv", 3, 64, kernel=(3, 3), out_height=8, out_width=8, input_bits=8)
    once = replace(layer, once_per_inference=True)
    each, single = (CHIP.estimate(uniform_workload("net", [item], 4, [1.0])) for item in (layer, once))
    assert single.energy_j == each.energy_j
    assert any("charged at every step" in line for line in single.assumptions)


def test_a_reader_is_told_what_the_price_leaves_out():
    depthwise = LayerShape(
        "dw", "conv", 32, 32, kernel=(3, 3), groups=32, out_height=8, out_width=8, lateral="broadcast"
    )
    lines = " ".join(CHIP.estimate(uniform_workload("net", [depthwise], 1, [1.0])).assumptions)
    assert "dw (0.0%)" in lines
    assert "lateral inhibition is not priced" in lines
    assert CHIP.label in lines


def test_a_reader_is_told_when_the_exit_unit_is_not_negligible():
    head = LayerShape("head", "linear", 1, 10_000)
    lines = CHIP.estimate(uniform_workload("net", [head], 1, [1.0])).assumptions
    assert any("the exit unit takes 7.2% of a step" in line for line in lines)


def test_a_component_may_depend_on_the_data():
    read = {"per": "active_input", "value": 3.44, "unit": "fJ", "source": "V2 G t", "tag": "derived"}
    raw = {
        "name": "physical", "kind": "imc", "label": "test", "mapping": {"n_rows": 64, "n_cols": 64, "cell_bits": 4},
        "components": {"crossbar": {"energy": read}},
    }  # fmt: skip
    chip = type(CHIP).model_validate(raw)
    layer = LayerShape("fc", "linear", 64, 64, weight_bits=4)
    activity = [LayerActivity((32, 16), (32, 16), (0, 0))]
    alive = [LayerActivity((32, 64), (32, 64), (0, 0))]
    report = chip.estimate(Workload("net", [layer], activity, alive, (1, 1), 2))
    assert report.energy_at(2) == pytest.approx(96 * 3.44e-15)
    assert report.static.energy_at(2) == pytest.approx(48 * 3.44e-15)
    assert report.weakest_tag == "derived"


def test_a_network_too_large_for_the_chip_is_refused():
    small = CHIP.model_copy(update={"mapping": CHIP.mapping.model_copy(update={"n_tiles": 1})})
    load = uniform_workload("net", [LayerShape("fc", "linear", 1024, 1024)], 1, [0.1])
    with pytest.raises(CapacityError, match=r"it needs 64, 64 of them for layer 'fc'. The first 0 of 1 layers"):
        small.estimate(load)


def test_a_layer_may_not_take_the_name_of_the_chip():
    with pytest.raises(ParameterError, match="'chip' is taken"):
        CHIP.estimate(uniform_workload("net", [LayerShape("chip", "linear", 4, 4)], 1, [0.1]))
