"""Steps that overlap: what is saved, what is begun in vain, against a simulation of every layer and step."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.price import load_platform
from spikewise.price.cost import CostReport
from spikewise.price.schedule import Schedule
from spikewise.workload import LayerShape, uniform_workload

PIPELINED = Schedule(mode="pipelined")
CHIP = load_platform("rram-64-32nm-physical")
LAYERS = [
    LayerShape(f"conv{n}", "conv", 32, 32, kernel=(3, 3), out_height=side, out_width=side, weight_bits=4)
    for n, side in enumerate((8, 4, 6), start=1)
]


def begin_times(durations, n_steps):
    """When each layer begins each step: as soon as its input is there, at the pace of the slowest layer."""
    pace = max(durations)
    return [[step * pace + sum(durations[:layer]) for layer in range(len(durations))] for step in range(n_steps)]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 6))
def test_a_pipeline_is_as_fast_as_its_simulation(durations, n_steps):
    times = np.tile(np.array(durations, float), (n_steps, 1))
    saved = PIPELINED.saved(times)
    total = np.cumsum(times.sum(1) + saved)
    starts = begin_times(durations, n_steps)
    assert total.tolist() == [start[-1] + durations[-1] for start in starts]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 6), st.randoms(use_true_random=False))
def test_what_is_begun_in_vain_is_what_the_simulation_has_begun(durations, n_steps, random):
    energies = np.array([[random.randint(1, 9) for _ in durations] for _ in range(n_steps)], float)
    found = PIPELINED.in_vain(np.tile(np.array(durations, float), (n_steps, 1)), energies)
    starts = begin_times(durations, n_steps)
    for left in range(n_steps):
        answer = starts[left][-1] + durations[-1]
        wasted = sum(
            energies[step][layer]
            for step in range(left + 1, n_steps)
            for layer in range(len(durations))
            if starts[step][layer] < answer
        )
        assert found[left].sum() == pytest.approx(wasted)


def pipelined(histogram, chip=CHIP):
    chip = chip.model_copy(update={"schedule": PIPELINED})
    return chip.estimate(uniform_workload("net", LAYERS, len(histogram), [0.3] * 3, histogram))


def test_a_pipelined_chip_is_faster_and_pays_for_early_exit():
    histogram = [6, 2, 1, 1]
    plain = CHIP.estimate(uniform_workload("net", LAYERS, 4, [0.3] * 3, histogram))
    fast = pipelined(histogram)
    assert fast.latency_s < plain.latency_s
    assert fast.static.latency_s < plain.static.latency_s
    assert fast.breakdown()["overlap"].latency_s < 0
    assert fast.breakdown()["speculation"].energy_j > 0
    assert fast.static.breakdown()["speculation"].energy_j == 0
    assert 0 < fast.edp_saving < plain.edp_saving
    assert fast.energy_at(4) < plain.energy_at(4)  # less leakage, nothing in vain


@pytest.mark.parametrize("by", ["component", "layer", "timestep"])
def test_breakdowns_still_sum(by):
    report = pipelined([6, 2, 1, 1])
    parts = report.breakdown(by).values()
    assert sum(part.energy_j for part in parts) == pytest.approx(report.energy_j, rel=1e-12)
    assert sum(part.latency_s for part in parts) == pytest.approx(report.latency_s, rel=1e-12)


def test_a_pipelined_report_survives_json():
    report = pipelined([6, 2, 1, 1])
    again = CostReport.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False)))
    assert again.to_dict() == report.to_dict()


def test_one_layer_has_nothing_to_overlap():
    load = uniform_workload("net", LAYERS[:1], 3, [0.3])
    chip = CHIP.model_copy(update={"schedule": PIPELINED})
    assert chip.estimate(load).latency_s == pytest.approx(CHIP.estimate(load).latency_s, rel=1e-12)
