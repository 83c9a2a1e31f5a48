from importlib.resources import files

import pytest

from spikewise.price.digital.neuromorphic import NeuromorphicChip
from spikewise.price.quantity import read_settings
from spikewise.workload import LayerActivity, LayerShape, Workload, uniform_workload

LOIHI = read_settings(NeuromorphicChip, files("spikewise.price") / "presets" / "loihi.toml")


def test_every_event_costs_what_is_published():
    layer = LayerShape("fc", "linear", 100, 50)
    report = LOIHI.estimate(Workload("net", [layer], [LayerActivity((7,), (7,), (3,))]))
    parts = {name: cost.energy_j * 1e12 for name, cost in report.breakdown().items()}
    assert parts["synapses"] == pytest.approx(7 * 50 * 23.6)
    assert parts["neuron update"] == pytest.approx(50 * (51.2 + 21.6))
    assert parts["spikes"] == pytest.approx(3 * 69.3)
    assert parts["messages"] == pytest.approx(7 * (111 + 2 / 3 * 3.6))  # one core: a spike comes from outside it
    assert report.latency_s == pytest.approx(7 * 50 * 3.9e-9 + 50 * 9.7e-9 + 1.2e-6)


def test_cores_work_at_once_and_wait_for_the_slowest():
    layers = [LayerShape("wide", "linear", 10, 2048), LayerShape("narrow", "linear", 2048, 10)]
    load = uniform_workload("net", layers, 1, [0.1, 0.01])
    report = LOIHI.estimate(load)
    wide = (2048 * 3.9e-9 + 2048 * 9.7e-9) / 2
    assert LOIHI.n_cores(load).tolist() == [2, 1]
    assert report.latency_s == pytest.approx(wide + 1.2e-6)
    assert report.breakdown("layer")["narrow"].latency_s == 0


def test_a_spike_is_sent_to_each_core_with_targets():
    dense = LayerShape("dense", "linear", 10, 4096)
    local = LayerShape("local", "conv", 1, 1, kernel=(3, 3), out_height=64, out_width=64)
    for layer, n_cores in ((dense, 4), (local, 1)):
        row = LayerActivity((9,) if layer is local else (1,), (1,), (0,))
        report = LOIHI.estimate(Workload("net", [layer], [row]))
        one = (111 + 2 / 3 * 2 * 3.6) * 1e-12  # four cores in either case, two by two
        assert report.breakdown()["messages"].energy_j == pytest.approx(n_cores * one)


def test_area_counts_the_cores_in_use():
    report = LOIHI.estimate(uniform_workload("net", [LayerShape("fc", "linear", 10, 1024 * 128)], 1, [0.1]))
    assert report.area_m2 == pytest.approx(60e-6)
    assert any("128 cores are used, 1 chip(s)" in line for line in report.assumptions)


def test_values_of_several_bits_are_sent_bit_by_bit():
    layer = LayerShape("image", "linear", 10, 10, input_bits=8)
    one, eight = (
        LOIHI.estimate(uniform_workload("net", [item], 1, [1.0])).breakdown()
        for item in (LayerShape("image", "linear", 10, 10), layer)
    )
    for part in ("synapses", "messages"):
        assert eight[part].energy_j == pytest.approx(8 * one[part].energy_j)
    lines = LOIHI.estimate(uniform_workload("net", [layer], 1, [1.0])).assumptions
    assert any("one event for each bit: image" in line for line in lines)
