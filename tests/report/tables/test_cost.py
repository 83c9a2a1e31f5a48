import csv
import io

import pytest
from rich.console import Console

from spikewise.price.analysis.figures_of_merit import merit_figures
from spikewise.price.platform import estimate
from spikewise.report.tables.cost import (
    _binned,
    assumption_table,
    breakdown_csv,
    breakdown_table,
    cost_table,
    once_table,
)
from spikewise.units import format_si
from spikewise.workload import LayerShape, uniform_workload

LAYERS = [
    LayerShape("conv", "conv", 3, 32, kernel=(3, 3), out_height=8, out_width=8),
    LayerShape("head", "linear", 512, 10),
]
LOAD = uniform_workload("toy", LAYERS, 4, [1.0, 0.1], [6, 2, 1, 1])
REPORT = estimate(LOAD)


def text_of(table):
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(table)
    return console.export_text()


def test_the_totals_show_exit_band_static_and_saving():
    text = text_of(cost_table(REPORT))
    for word in (
        "toy on rram-64-32nm",
        "energy",
        "EDP",
        "latency, 95 %",
        "unverified",
        f"{100 * REPORT.edp_saving:.1f} %",
    ):
        assert word in text


@pytest.mark.parametrize("by", ["component", "layer", "timestep"])
def test_a_breakdown_shows_every_entry_and_the_total(by):
    text = text_of(breakdown_table(REPORT, by))
    assert all(name in text for name in REPORT.breakdown(by))
    assert "100.0 %" in text


@pytest.mark.parametrize(("n_steps", "names"), [(350, ["steps 1-18", "steps 343-350"]), (21, ["steps 1-2", "step 21"])])
def test_many_steps_share_a_line_and_still_add_up(n_steps, names):
    histogram = [1] * n_steps
    report = estimate(uniform_workload("toy", LAYERS[1:], n_steps, [0.1], histogram))
    rows = _binned(report.breakdown("timestep"))
    assert len(rows) <= 21
    assert next(iter(rows)) == "once"
    assert [list(rows)[1], list(rows)[-1]] == names
    assert sum(cost.energy_j for cost in rows.values()) == pytest.approx(report.energy_j, rel=1e-12)
    assert text_of(breakdown_table(report, "timestep")).count("step") < 24
    assert breakdown_csv([report], "timestep").count("step ") == n_steps


@pytest.mark.parametrize("by", ["component", "layer", "timestep"])
def test_the_csv_carries_full_precision_and_adds_up(by):
    *rows, total = csv.DictReader(io.StringIO(breakdown_csv([REPORT], by)))
    assert float(total["energy_j"]) == REPORT.energy_j
    assert sum(float(row["energy_j"]) for row in rows) == pytest.approx(REPORT.energy_j, rel=1e-12)
    assert [row[by] for row in rows] == list(REPORT.breakdown(by))


def test_the_csv_of_several_platforms_has_one_header_and_says_which_is_which():
    other = estimate(LOAD, "digital-45nm")
    rows = list(csv.DictReader(io.StringIO(breakdown_csv([REPORT, other], "layer"))))
    assert [row["platform"] for row in rows] == ["rram-64-32nm"] * 4 + ["digital-45nm"] * 4
    assert {row["workload"] for row in rows} == {"toy"}
    assert [row["layer"] for row in rows].count("total") == 2


@pytest.mark.parametrize(
    ("report", "by", "words"),
    [
        (REPORT, "timestep", "with the share of samples that compute it"),
        (REPORT, "component", "all time stands in control"),
        (estimate(LOAD, "digital-45nm"), "component", ""),
    ],
)
def test_a_breakdown_says_how_it_is_to_be_read(report, by, words):
    assert words in " ".join(text_of(breakdown_table(report, by)).split())
    assert ("all time" in text_of(breakdown_table(report, by))) == words.startswith("all time")


def test_what_is_done_once_is_shown_where_it_is_not_known():
    text = text_of(once_table(REPORT))
    assert text.count(" %") == len(REPORT.once_modes) > 1
    assert once_table(estimate(LOAD, "digital-45nm")) is None


def test_figures_of_merit_stand_below_the_totals():
    merit = merit_figures(REPORT, LOAD)
    text = text_of(cost_table(REPORT, LOAD))
    assert format_si(merit.energy_per_synaptic_operation_j, "J") in text
    assert "OPS/W, dense" in text
    assert "OPS/W" not in text_of(cost_table(REPORT))


def test_energy_delay_products_have_one_notation():
    text = text_of(cost_table(REPORT))
    assert "e-" not in text
    assert text.count("J s") >= 4


def test_assumptions_are_listed_one_by_one():
    text = text_of(assumption_table(REPORT))
    assert text.count("\n") >= len(REPORT.assumptions)
    assert "taken for granted on rram-64-32nm" in text
