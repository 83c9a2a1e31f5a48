import json
from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.errors import DataError, ParameterError, ShapeError
from spikewise.price.cost import CostReport
from spikewise.price.ledger import Cost, Ledger

few = settings(max_examples=25)  # a report is a big example; the laws are simple
costs = st.builds(Cost, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**40))


def ledger(rng, n_steps, n_layers, n_parts, scale=1.0):
    steps, once = (n_steps, n_layers, n_parts), (n_layers, n_parts)
    return Ledger(
        once_energy_j=scale * rng.random(once),
        step_energy_j=scale * rng.random(steps),
        once_latency_s=scale * rng.random(once),
        step_latency_s=scale * rng.random(steps),
        area_m2=scale * rng.random(once),
        memory_bits=rng.integers(0, 1000, once),
        leave_energy_j=np.zeros(steps),
    )


@st.composite
def reports(draw, n_steps=None):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_steps = n_steps or draw(st.integers(1, 5))
    sizes = n_steps, draw(st.integers(1, 4)), draw(st.integers(1, 4))
    histogram = draw(st.lists(st.integers(0, 50), min_size=n_steps, max_size=n_steps).filter(any))
    # Scaled copies, so that the corners are in order as a platform gives them.
    running, full = rng.integers(1000, size=2)
    corners = [
        [ledger(np.random.default_rng(seed), *sizes, scale) for scale in (0.5, 1, 2)] for seed in (running, full)
    ]
    layers = [f"layer{n}" for n in range(sizes[1])]
    return CostReport("chip", "net", histogram, layers, [f"part{n}" for n in range(sizes[2])], *corners)


@given(costs, costs)
def test_one_after_the_other_adds_every_figure_in_any_order(a, b):
    both = a.then(b)
    assert {key: getattr(a, key) + getattr(b, key) for key in a.to_dict()} == both.to_dict()
    assert both == b.then(a)
    assert a.then(Cost()) == a


@few
@given(reports(), st.sampled_from(["component", "layer", "timestep"]), st.sampled_from(["low", "nominal", "high"]))
def test_a_breakdown_sums_to_the_total(report, by, corner):
    view = report.at(corner)
    whole = reduce(Cost.then, view.breakdown(by).values())
    for figure in ("energy_j", "latency_s", "area_m2", "memory_bits"):
        assert getattr(whole, figure) == pytest.approx(getattr(view, figure), rel=1e-12)


@few
@given(reports())
def test_figures_are_means_over_the_samples_one_by_one(report):
    exits = np.repeat(np.arange(1, report.n_steps + 1), report.exit_histogram)
    energy = np.array([report.energy_at(step) for step in exits])
    latency = np.array([report.latency_at(step) for step in exits])
    assert report.energy_j == pytest.approx(energy.mean(), rel=1e-12)
    assert report.latency_s == pytest.approx(latency.mean(), rel=1e-12)
    assert report.edp_js == pytest.approx((energy * latency).mean(), rel=1e-12)
    assert report.mean_steps == pytest.approx(exits.mean(), rel=1e-12)
    for quantile in (0.5, 0.95, 1.0):
        expected = np.quantile(latency, quantile, method="inverted_cdf")
        assert report.latency_quantile(quantile) == pytest.approx(expected)


@few
@given(reports())
def test_the_mean_of_products_is_at_least_the_product_of_means(report):
    # Energy and delay both rise with the step, so they are positively correlated (Chebyshev's sum inequality).
    assert report.edp_js >= report.edp_of_means_js * (1 - 1e-12)


@few
@given(reports())
def test_energy_and_latency_rise_with_the_steps(report):
    for at in (report.energy_at, report.latency_at):
        values = [at(step) for step in range(1, report.n_steps + 1)]
        assert values == sorted(values)


@few
@given(reports(n_steps=3), st.integers(0, 2), st.integers(0, 2))
def test_earlier_exits_never_cost_more(report, late, early):
    early, late = sorted((early, late))
    histogram = list(report.exit_histogram)
    histogram[early], histogram[late] = histogram[early] + histogram[late], histogram[late] * (early == late)
    sooner = replace(report, exit_histogram=histogram)
    if early != late:
        for figure in ("energy_j", "latency_s", "edp_js"):
            assert getattr(sooner, figure) <= getattr(report, figure) * (1 + 1e-12)


@few
@given(reports())
def test_the_static_view_runs_every_sample_to_the_last_step(report):
    static = report.static
    assert static.mean_steps == report.n_steps
    assert static.energy_j == static.energy_at(report.n_steps)
    assert static.edp_saving == 0
    assert static.static.energy_j == static.energy_j


@few
@given(reports())
def test_the_band_encloses_the_nominal_value(report):
    for figure in ("energy_j", "latency_s", "edp_js", "area_m2"):
        low, nominal, high = report.band(figure)
        assert low <= nominal == getattr(report, figure) <= high


@few
@given(reports())
def test_a_report_survives_json(report):
    again = CostReport.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False)))
    assert again.to_dict() == report.to_dict()
    assert again.static.summary() == report.static.summary()


def test_a_report_survives_a_file(tmp_path):
    book = ledger(np.random.default_rng(0), 2, 1, 1)
    report = CostReport(
        "chip", "net", [1, 1], ["a"], ["b"], [book] * 3, [book] * 3, (), ["assumed"], ["a paper"], "run"
    )
    report.write(tmp_path / "cost.json")
    assert CostReport.read(tmp_path / "cost.json").to_dict() == report.to_dict()


@pytest.mark.parametrize("broken", ["{}", "[]", "nonsense", '{"format": "spikewise-cost-1"}'])
def test_a_damaged_file_is_named_once_with_what_to_do(tmp_path, broken):
    path = tmp_path / "cost.json"
    path.write_text(broken)
    with pytest.raises(DataError, match=r"Delete it and run the command again\.$") as caught:
        CostReport.read(path)
    assert str(caught.value).count(str(path)) == 1


def test_an_absent_file_is_not_to_be_deleted(tmp_path):
    with pytest.raises(DataError, match=r"cost.json must be .*; No such file or directory\. Check the path\.$"):
        CostReport.read(tmp_path / "cost.json")


def test_integers_of_any_kind_count_samples_and_shares_do_not(tmp_path):
    book = ledger(np.random.default_rng(0), 2, 1, 1)
    report = CostReport("chip", "net", np.array([3, 1]), ["a"], ["b"], [book] * 3, [book] * 3)
    report.write(tmp_path / "cost.json")
    assert CostReport.read(tmp_path / "cost.json").exit_histogram == (3, 1)
    for histogram in ([0.5, 0.5], [-1, 2], [0, 0], []):
        with pytest.raises(ParameterError, match="exit_histogram"):
            replace(report, exit_histogram=histogram)


def test_a_negative_energy_in_a_file_is_refused():
    book = ledger(np.random.default_rng(0), 2, 1, 1)
    raw = CostReport("chip", "net", [1, 1], ["a"], ["b"], [book] * 3, [book] * 3).to_dict()
    raw["running"][0]["once_energy_j"] = [[-1.0]]
    with pytest.raises(DataError, match="once_energy_j must hold finite numbers of at least 0"):
        CostReport.from_dict(raw)


def test_wrong_arguments_are_named():
    book = ledger(np.random.default_rng(0), 2, 1, 1)
    report = CostReport("chip", "net", [1, 1], ["a"], ["b"], [book] * 3, [book] * 3)
    with pytest.raises(ParameterError, match=r"step must lie in 1..2; got 3"):
        report.energy_at(3)
    with pytest.raises(ParameterError, match="by must be one of component, layer, timestep; got 'layers'"):
        report.breakdown("layers")
    with pytest.raises(ParameterError, match="corner must be one of"):
        report.at("best")
    with pytest.raises(ShapeError, match="must hold three ledgers"):
        replace(report, running=[book])
    with pytest.raises(ParameterError, match="quantile"):
        report.latency_quantile(2)
    with pytest.raises(ParameterError, match=r"figure must be one of .*; got 'energy'. Did you mean 'energy_j'?"):
        report.band("energy")
