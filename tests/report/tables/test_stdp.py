import io
from dataclasses import replace

import pytest
from rich.console import Console

from spikewise.dynamic.rule import NeverExit
from spikewise.energy.measurement import Measurement
from spikewise.learn.stdp.health import Health
from spikewise.price.analysis.companions import PriceFigures
from spikewise.report.tables.stdp import stdp_table
from spikewise.runs.results import (
    AccessFigures,
    Control,
    Controls,
    Costs,
    CPUSeconds,
    DataFigures,
    ExitFigures,
    HealthFigures,
    Page,
    PricedOn,
    STDPExitFigures,
    STDPResults,
)

COUNTS = AccessFigures(2e5, 1e5, 3e4, 4e3)


def priced(joules, joules_beside):
    def figures(platform, energy_j):
        band = {
            "energy_j": [energy_j / 2, energy_j, 3 * energy_j], "latency_s": [7e-6, 8.5e-6, 9e-6],
            "edp_saving": [0.61, 0.77, 0.88],
        }  # fmt: skip
        return PriceFigures(platform, energy_j, 8.5e-6, 5.53e-6, 11_440_000, 0.77, band)

    return PricedOn(figures("rram-64-32nm", joules), (figures("physical", joules_beside),))


def taken(**figures):
    return Measurement(**{"seconds": 4.0, "source": "RAPL (package-0)", **figures})


@pytest.fixture
def results():
    figures = ExitFigures(
        accuracy=0.9311, mean_steps=58.3, n_steps=350, in_spike_share=0.167, rule=NeverExit(), threshold="heuristic"
    )
    return STDPResults(
        run="runs/mnist", data=DataFigures(name="mnist", n_train=49_999, n_validation=10_001, n_test=10_000),
        settings={
            "n_neurons": 400, "rule": "lean", "n_bits": 8, "rounding": "stochastic", "batch_size": 1,
            "decoder": "votes",
        },
        accuracy=0.9345, accuracy_by_decoder={"naive_bayes": 0.9412, "proportion": 0.9371, "votes": 0.9345},
        exit=STDPExitFigures(figures, cpu_share=0.25),
        controls=Controls(Control(0.9021, 58.0), Control(0.7713, 58.3), Control(0.9163, 38.2)),
        cpu_s=CPUSeconds(5.5e-5, 4.1e-5, 1.02e-5),
        health=HealthFigures(Health(1.0, 9.0, 0.001, 0.0, 20.0, 0.1, 800.0), []),
        operations={"training": COUNTS, "inference": COUNTS, "inference_exit": COUNTS},
        cost=Costs(priced(1.1e-5, 2.2e-5), priced(4.9e-5, 9.8e-5)),
        measured={
            "training": taken(joules=150.0, n_samples=50_000), "labelling": taken(joules=1.0, n_samples=50_000),
            "inference": taken(joules=12.0, n_samples=10_000), "inference_exit": taken(joules=3.5, n_samples=10_000),
        },
        n_test_evaluations=1, pictures="runs/mnist/pictures", page=Page(None, []),
    )  # fmt: skip


def text_of(results):
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(stdp_table(results))
    return console.export_text()


def test_every_figure_stands_beside_what_it_is_compared_with(results):
    text = text_of(results)
    for word in (
        "mnist: 400 neurons, rule lean, 8 bits, stochastic rounding", "votes (chosen)", "93.45%", "93.11%", "94.12%",
        "93.71%", "90.21% @ 58.0", "77.13% @ 58.3", "91.63% @ 38.2", "58.3", "350", "16.7 %", "41.0 µs", "10.2 µs",
        "55.0 µs", "200 k", "334 k", "49.0 µJ", "11.0 µJ", "5.53 mm²", "1.43 MB", "10,001 to choose", "rram-64-32nm",
    ):  # fmt: skip
        assert word in text, word
    assert text.index("votes (chosen)") < text.index("naive Bayes")


def test_the_calibrated_price_is_followed_by_the_physical_one_and_both_by_what_the_machine_took(results):
    text = text_of(results)
    headings = ["estimate: rram-64-32nm", "estimate: physical", "measured energy, this machine"]
    places = [text.index(heading) for heading in headings]
    assert places == sorted(places)
    for words in ("24.5 µJ to 147 µJ", "5.50 µJ to 33.0 µJ", "11.0 µJ to 66.0 µJ"):
        assert words in text
    assert text.count("61.0 % to 88.0 %") == 2
    for words in ("1.20 mJ", "350 µJ", "3.00 mJ", "20.0 µJ", "Energy measured: RAPL (package-0)"):
        assert words in text


def test_a_machine_that_counts_nothing_says_so(results):
    nothing = {"joules": None, "source": "not measured: no counters. Give watts."}
    measured = {stage: replace(found, **nothing) for stage, found in results.measured.items()}
    text = text_of(replace(results, measured=measured))
    assert text.count("not measured") == 4 + 1
    assert "no counters. Give watts." in text


def test_what_was_not_measured_is_a_dash(results):
    text = text_of(replace(results, cpu_s=CPUSeconds(None, None, None), operations={}))
    assert text.count("–") >= 4
    assert "weight accesses" not in text


@pytest.mark.parametrize(
    ("bits", "batch", "words"), [(None, 1, "rule lean, floats"), (4, 64, "4 bits, stochastic rounding, batches of 64")]
)
def test_precision_and_batch_are_told(results, bits, batch, words):
    results = replace(results, settings={**results.settings, "n_bits": bits, "batch_size": batch})
    assert words in " ".join(text_of(results).split())  # a long title takes two lines
