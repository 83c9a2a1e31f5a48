from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.errors import ParameterError
from spikewise.price.digital.roofline import RooflineProcessor
from spikewise.price.quantity import read_settings
from spikewise.workload import LayerActivity, LayerShape, Workload, uniform_workload

PRESETS = files("spikewise.price") / "presets"
CPU, GPU = (read_settings(RooflineProcessor, PRESETS / f"embedded-{name}.toml") for name in ("cpu", "gpu"))
FC = LayerShape("fc", "linear", 784, 400)


def test_a_linear_layer_of_one_sample_waits_for_memory():
    report = GPU.estimate(uniform_workload("net", [FC], 1, [0.1]))
    bits = 16 * (784 * 400 + 784 + 2 * 400 + 400)
    assert report.latency_s == pytest.approx(bits / (8 * 25.6e9), rel=1e-12)
    assert report.energy_j == pytest.approx(10 * report.latency_s, rel=1e-12)


def test_a_convolution_waits_for_arithmetic():
    conv = LayerShape("conv", "conv", 64, 64, kernel=(3, 3), out_height=32, out_width=32)
    report = CPU.estimate(uniform_workload("net", [conv], 1, [0.1]))
    assert report.breakdown("component")["compute"].latency_s == pytest.approx(
        (2 * conv.n_macs + 4 * conv.n_neurons) / CPU.peak.corners[1], rel=1e-12
    )
    # What KerasSpiking states for ARM: 0.9 nJ per synaptic operation; the neurons' share comes on top.
    assert report.energy_j == pytest.approx(conv.n_macs * 0.9e-9, rel=0.01)


@given(st.floats(0, 1), st.floats(0, 1))
def test_sparsity_saves_nothing_unless_the_program_skips_zeros(one, other):
    few, many = (uniform_workload("net", [FC], 2, [rate]) for rate in sorted((one, other)))
    assert CPU.estimate(few).energy_j == CPU.estimate(many).energy_j
    skipping = CPU.model_copy(update={"skips_zeros": True})
    assert skipping.estimate(few).energy_j <= skipping.estimate(many).energy_j <= CPU.estimate(many).energy_j


def test_measured_power_and_time_replace_the_roofline():
    load = uniform_workload("net", [FC, LayerShape("head", "linear", 400, 10)], 4, [0.1, 0.2], (3, 0, 0, 1))
    report = CPU.measured(power_w=2.5, time_s=8e-3, source="a power meter").estimate(load)
    assert report.static.latency_s == pytest.approx(8e-3, rel=1e-12)
    assert report.static.energy_j == pytest.approx(20e-3, rel=1e-12)
    assert report.latency_s == pytest.approx(8e-3 * 7 / 16, rel=1e-9)
    assert report.band("energy_j") == pytest.approx((report.energy_j,) * 3, rel=1e-9)
    assert "a power meter" in report.sources
    assert any("time is measured" in line for line in report.assumptions)


@pytest.mark.parametrize(("power_w", "time_s", "name"), [(0, 1, "power_w"), (1, -1, "time_s"), ("5 W", 1, "power_w")])
def test_a_measurement_must_be_a_positive_number(power_w, time_s, name):
    with pytest.raises(ParameterError, match=f"{name} must be a number"):
        CPU.measured(power_w, time_s)


def test_spikes_cost_where_inhibition_is_stored():
    quiet, busy = (LayerActivity((9,), (9,), (n,)) for n in (0, 50))
    for lateral, must_rise in (("none", False), ("matrix", True)):
        layer = LayerShape("fc", "linear", 784, 400, lateral=lateral)
        few, many = (GPU.estimate(Workload("net", [layer], [row])).energy_j for row in (quiet, busy))
        assert (many > few) == must_rise


def test_a_bought_processor_has_no_area():
    report = GPU.estimate(uniform_workload("net", [FC], 1, [0.1]))
    assert report.area_m2 == 0
    assert any("area is not priced" in line for line in report.assumptions)
    assert report.memory_bits == 16 * (784 * 400 + 784 + 400 + 400)
