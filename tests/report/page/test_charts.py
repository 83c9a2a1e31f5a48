import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.dynamic.trace import ScoreTrace
from spikewise.price.platform import estimate
from spikewise.report.page.charts import accuracy_chart, energy_chart, exit_chart, step_chart
from spikewise.runs.exit_record import ExitRecord
from spikewise.workload import LayerShape, uniform_workload

LAYERS = [LayerShape("a & b", "linear", 64, 32), LayerShape("head", "linear", 32, 10)]


def figures(histogram, rule=None):
    n_test = sum(histogram)
    calibration = {"max_drop": 0.01, "accuracy_full": 0.9, "accuracy_exit": 0.8, "mean_steps": 1.5, "n_samples": 5}
    return ExitRecord(
        name="drop-0.01", rule=rule or {"kind": "entropy", "max_entropy": 0.3, "accumulate": "sum"},
        asked={"max_drop": 0.01}, decided={}, identity={}, threshold="heuristic", calibration=calibration,
        n_steps=len(histogram), n_test=n_test, accuracy_full=0.9, accuracy_exit=0.8, accuracy_random_exit=0.7,
        accuracy_truncated=0.75, in_spike_share=0.5, mean_steps=1.5, median_steps=1, p95_steps=2, histogram=histogram,
    )  # fmt: skip


@given(st.lists(st.integers(0, 50), min_size=1, max_size=400).filter(any))
def test_the_bars_count_every_image_once(histogram):
    (bars,) = exit_chart(figures(histogram))["data"]
    assert sum(bars["y"]) == sum(histogram)
    assert len(bars["x"]) <= 70
    assert bars["y"][-1] >= histogram[-1]


@pytest.mark.parametrize("histogram", [[6, 2, 1, 1], [1] * 100], ids=["short", "long"])
def test_the_bars_of_energy_add_up_to_the_total(histogram):
    cost = estimate(uniform_workload("toy", LAYERS, len(histogram), [1.0, 0.1], histogram))
    by_layer = energy_chart(cost)
    total = sum(sum(bar["x"]) for bar in by_layer["data"])
    spent, full = step_chart(cost)["data"]
    unit = {"nJ": 1e9, "µJ": 1e6, "pJ": 1e12}
    assert total == pytest.approx(cost.energy_j * unit[by_layer["layout"]["xaxis"]["title"]["text"][-3:-1]])
    scale = unit[step_chart(cost)["layout"]["yaxis"]["title"]["text"][-3:-1]]
    assert sum(spent["y"]) == pytest.approx(cost.energy_j * scale)
    assert sum(full["y"]) == pytest.approx(cost.static.energy_j * scale)


def test_names_are_escaped_for_the_labels_of_plotly():
    cost = estimate(uniform_workload("toy", LAYERS, 2, [1.0, 0.1]))
    assert energy_chart(cost)["data"][0]["y"][0] == "a &amp; b"


@pytest.mark.parametrize("n_steps", [4, 100])
def test_every_chart_is_plain_json(n_steps):
    trace = ScoreTrace.dense(np.random.default_rng(0).normal(size=(n_steps, 6, 3)).cumsum(0), [0, 1, 2, 0, 1, 2])
    exits = [figures([6] + [0] * (n_steps - 1)), figures([0] * (n_steps - 1) + [6], {"kind": "never"})]
    chart = accuracy_chart(trace, exits)
    assert json.loads(json.dumps(chart, allow_nan=False)) == chart
    (curve,) = [line["name"] for line in chart["data"] if line["name"].startswith("every threshold")]
    assert "not for choosing" in curve  # it has seen the labels of the test images
    assert chart["layout"]["xaxis"].get("type") == ("log" if n_steps == 100 else None)
