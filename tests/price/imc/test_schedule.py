"""Steps that overlap: what is saved, what is begun in vain, against a simulation of every layer and step."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.price import load_platform
from spikewise.price.cost import CostReport
from spikewise.price.imc.schedule import Schedule
from spikewise.workload import LayerShape, uniform_workload

PIPELINED = Schedule(mode="pipelined")
CHIP = load_platform("rram-64-32nm-physical")
LAYERS = [
    LayerShape(f"conv{n}", "conv", 32, 32, kernel=(3, 3), out_height=side, out_width=side, weight_bits=4)
    for n, side in enumerate((8, 4, 6), start=1)
]


times_of_layers = st.lists(st.integers(1, 9), min_size=1, max_size=5)
shares = st.sampled_from([0.25, 0.5, 0.75, 1.0])


def simulate(durations, n_steps, share, pace=0):
    """Begin and end of each layer in each step: a layer waits for itself, and for a share of the one before it.

    It cannot end before the one before it ends. New steps begin no sooner than every ``pace``.
    """
    begins, ends = np.zeros((2, n_steps, len(durations)))
    for step in range(n_steps):
        for layer, duration in enumerate(durations):
            free = ends[step - 1, layer] if step else 0
            ready = begins[step, layer - 1] + share * durations[layer - 1] if layer else step * pace
            begins[step, layer] = max(free, ready)
            ends[step, layer] = max(begins[step, layer] + duration, ends[step, layer - 1] if layer else 0)
    return begins, ends


def repeated(durations, n_steps):
    return np.tile(np.array(durations, float), (n_steps, 1))


@given(times_of_layers, st.integers(1, 6), shares)
def test_a_pipeline_is_as_fast_as_its_simulation(durations, n_steps, share):
    times = repeated(durations, n_steps)
    schedule = Schedule(mode="pipelined", layer_overlap=share)
    total = np.cumsum(times.sum(1) + schedule.overlap(times))
    for pace in (0, max(durations)):  # to begin sooner than the slowest layer is free gains nothing
        assert total.tolist() == simulate(durations, n_steps, share, pace)[1][:, -1].tolist()


@given(times_of_layers, st.integers(1, 6), shares)
def test_steps_one_at_a_time_take_as_long_as_one_simulated_step_each(durations, n_steps, share):
    times = repeated(durations, n_steps)
    total = np.cumsum(times.sum(1) + Schedule(layer_overlap=share).overlap(times))
    one = simulate(durations, 1, share)[1][0, -1]
    assert total.tolist() == [step * one for step in range(1, n_steps + 1)]
    assert one >= max(durations)


@given(times_of_layers, st.integers(1, 6), shares, st.randoms(use_true_random=False))
def test_what_is_begun_in_vain_is_what_the_simulation_has_begun(durations, n_steps, share, random):
    energies = np.array([[random.randint(1, 9) for _ in durations] for _ in range(n_steps)], float)
    found = Schedule(mode="pipelined", layer_overlap=share).in_vain(repeated(durations, n_steps), energies)
    begins, ends = simulate(durations, n_steps, share, max(durations))
    for left in range(n_steps):
        has_begun = begins[left + 1 :] < ends[left, -1]
        assert found[left].sum() == pytest.approx((energies[left + 1 :] * has_begun).sum())


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
