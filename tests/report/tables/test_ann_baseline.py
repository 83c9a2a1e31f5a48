import io
import re

import pytest
from rich.console import Console

from spikewise.price import load_platform
from spikewise.report.tables.ann_baseline import AnnComparison, comparison_tables, times
from spikewise.workload import LayerShape, uniform_workload

LAYERS = [LayerShape("one", "linear", 16, 640), LayerShape("two", "linear", 640, 640)]


def shown(rate, *names, n_steps=4, histogram=()):
    load = uniform_workload("net", LAYERS, n_steps, [0.5, rate], histogram)
    console = Console(file=io.StringIO(), width=80)
    for table in comparison_tables(
        [AnnComparison.of(load, chip, chip.estimate(load)) for chip in map(load_platform, names)]
    ):
        console.print(table)
    return " ".join(console.file.getvalue().split())


@pytest.mark.parametrize(("rate", "answer"), [(0.01, "yes"), (0.9, "no"), (0.2, "too close to say")])
def test_the_answer_follows_the_activity(rate, answer):
    energy = re.search(r"energy │[^│]*│[^│]*│[^│]*│[^│]*│ ([a-z ]+) │", shown(rate, "digital-45nm"))
    assert energy[1] == answer


def test_energy_latency_and_their_product_are_judged_with_exit_and_without():
    text = shown(0.1, "sram-22nm", histogram=(3, 0, 0, 1))
    assert text.count("energy │") == text.count("latency │") == text.count("EDP │") == 2
    assert "with exit" in text
    assert "with exit" not in shown(0.1, "sram-22nm")


def test_what_is_assumed_of_the_ann_baseline_stands_below():
    text = shown(0.1, "sram-22nm")
    for words in ("activations of 3 bits", "50% of its activations", "no early exit", "of the image (at most"):
        assert words in text


def test_platforms_without_a_fair_ann_baseline_say_why():
    text = shown(0.1, "loihi", "digital-45nm")
    assert "an event-driven chip has no dense layers" in text
    assert "does spiking pay on digital-45nm?" in text
    assert "yes" not in shown(0.1, "digital-45nm", n_steps=1)


@pytest.mark.parametrize("ratio", [1e-9, 0.0123, 0.999, 1.0, 1.004, 9.996, 112.4, 12345.6])
def test_ratios_are_never_powers_of_ten(ratio):
    assert "e" not in times(ratio).replace("under", "")
    assert times(1.004) == "1.00"
