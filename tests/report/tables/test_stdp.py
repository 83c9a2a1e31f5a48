import io

import pytest
from rich.console import Console

from spikewise.energy.measurement import Measurement
from spikewise.report.tables.stdp import stdp_table

COUNTS = {"weight_accesses": 2e5, "state_accesses": 1e5, "additions": 3e4, "multiplications": 4e3}


def priced(platform, joules):
    return {
        "platform": platform, "energy_j": joules, "latency_s": 8.5e-6, "area_m2": 5.53e-6, "memory_bits": 11_440_000,
        "edp_saving": 0.77, "band": {
            "energy_j": [joules / 2, joules, 3 * joules], "latency_s": [7e-6, 8.5e-6, 9e-6],
            "edp_saving": [0.61, 0.77, 0.88],
        },
    }  # fmt: skip


def taken(**figures):
    return Measurement(**{"seconds": 4.0, "source": "RAPL (package-0)", **figures}).summary()


@pytest.fixture
def results():
    return {
        "data": {"name": "mnist", "n_train": 49_999, "n_validation": 10_001, "n_test": 10_000},
        "settings": {
            "n_neurons": 400, "rule": "lean", "n_bits": 8, "rounding": "stochastic", "batch_size": 1,
            "decoder": "votes",
        },
        "accuracy_by_decoder": {"naive_bayes": 0.9412, "proportion": 0.9371, "votes": 0.9345},
        "exit": {"accuracy": 0.9311, "mean_steps": 58.3, "n_steps": 350, "in_spike_share": 0.167},
        "controls": {
            "truncated": {"accuracy": 0.9021, "mean_steps": 58.0},
            "random_exit": {"accuracy": 0.7713, "mean_steps": 58.3},
            "first_spike": {"accuracy": 0.9163, "mean_steps": 38.2},
        },
        "cpu_s": {"training_sample": 5.5e-5, "inference": 4.1e-5, "inference_exit": 1.02e-5},
        "health": {"live_share": 1.0, "silent_share": 0.001},
        "operations": {"training": COUNTS, "inference": COUNTS, "inference_exit": COUNTS},
        "cost": {**priced("rram-64-32nm", 1.1e-5), "beside": [priced("physical", 2.2e-5)], "without_exit": {
            **priced("rram-64-32nm", 4.9e-5), "beside": [priced("physical", 9.8e-5)],
        }},
        "measured": {
            "training": taken(joules=150.0, n_samples=50_000), "labelling": taken(joules=1.0, n_samples=50_000),
            "inference": taken(joules=12.0, n_samples=10_000), "inference_exit": taken(joules=3.5, n_samples=10_000),
        },
    }  # fmt: skip


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
    for found in results["measured"].values():
        found |= {"joules": None, "source": "not measured: no counters. Give watts."}
    text = text_of(results)
    assert text.count("not measured") == 4 + 1
    assert "no counters. Give watts." in text


def test_what_was_not_measured_is_a_dash(results):
    results["cpu_s"] = dict.fromkeys(results["cpu_s"])
    results["operations"] = {}
    text = text_of(results)
    assert text.count("–") >= 4
    assert "weight accesses" not in text


@pytest.mark.parametrize(
    ("bits", "batch", "words"), [(None, 1, "rule lean, floats"), (4, 64, "4 bits, stochastic rounding, batches of 64")]
)
def test_precision_and_batch_are_told(results, bits, batch, words):
    results["settings"] |= {"n_bits": bits, "batch_size": batch}
    assert words in " ".join(text_of(results).split())  # a long title takes two lines
