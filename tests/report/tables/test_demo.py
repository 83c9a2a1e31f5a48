"""The table after a demo: two networks, each estimate with its band and its companion, and what the machine took."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from spikewise.energy.measurement import Measurement
from spikewise.price.analysis.companions import price_all
from spikewise.report.tables.demo import demo_table
from spikewise.runs.results import DemoResults, NetworkOfDemo, PricedOn
from spikewise.units import format_share, format_si
from spikewise.workload import LayerShape, uniform_workload

LOAD = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], 4, [0.2], [5, 2, 1, 2])


def network(platform, full, **measured):
    return NetworkOfDemo(
        **{"accuracy_static": None, "accuracy_full": None, full: 0.9}, run="runs/toy", accuracy_exit=0.89,
        accuracy_random_exit=0.7, mean_steps=1.9, n_steps=4, n_test=10,
        cost=PricedOn.of(price_all(LOAD, platform)), measured=measured,
    )  # fmt: skip


def results(platform="rram-64-32nm", source="RAPL (package-0)", joules=2.0, n_missing=0):
    taken = Measurement(1.0, joules, source, 100)
    stages = dict.fromkeys(("training", "inference", "inference_exit"), taken)
    deep = network(platform, "accuracy_static", **{**stages, "training": replace(taken, n_missing=n_missing)})
    stdp = network(platform, "accuracy_full", labelling=taken, **stages)
    return DemoResults("toys", "runs", deep, stdp, "report.html")


def text_of(found):
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(demo_table(found))
    return console.export_text()


def test_both_platforms_stand_there_with_their_bands():
    text = text_of(results())
    for cost in price_all(LOAD, "rram-64-32nm"):
        assert f"estimate: {cost.platform} " in text
        low, nominal, high = (format_si(joules, "J") for joules in cost.band("energy_j"))
        assert text.count(f"{low} to {high}") == 2
        assert text.count(f" {nominal} │") == 2
        low, _, high = cost.band("edp_saving")
        assert f"{format_share(low)} to {format_share(high)}" in text
    for word in ("90.00%", "89.00%", "70.00%", "1.90 of 4"):
        assert text.count(word) == 2


def test_a_platform_without_a_companion_stands_alone():
    assert text_of(results("digital-45nm")).count("estimate:") == 1


def test_what_the_machine_took_has_a_label_of_its_own():
    text = text_of(results())
    head, tail = text.split("measured energy, this machine")
    assert "20.0 mJ" not in head
    assert tail.count("20.0 mJ") == 7  # only the network without labels is labelled afterwards
    assert "Energy measured: RAPL (package-0)" in tail


@pytest.mark.parametrize("n_missing", [0, 7])
def test_without_joules_it_says_why_and_what_to_do(n_missing):
    found = results(source="not measured: no counters. Give watts.", joules=None, n_missing=n_missing)
    text = text_of(found)
    assert text.count("not measured │") == 7
    assert text.count("no counters. Give watts.") == 1
    assert ("7 samples besides these 100" in text) == bool(n_missing)


def test_runs_from_before_nothing_was_kept_say_so():
    found = results()
    found = replace(found, deep=replace(found.deep, measured={}), stdp=replace(found.stdp, measured={}))
    assert "before runs kept what they took" in " ".join(text_of(found).split())
