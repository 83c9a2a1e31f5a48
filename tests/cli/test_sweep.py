"""``spikewise sweep``: what a trained network could cost with other bits, thresholds and platforms."""

import json

import pytest

pytest.importorskip("torch")

from spikewise.cli.app import run
from spikewise.runs import Run


def swept(path, data, capsys, *options):
    assert run(["sweep", str(path), "--data", str(data), "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_thresholds_bits_and_platforms_of_a_deep_network(deep, few_digits, capsys):
    before = Run.open(deep).record
    found = swept(deep, few_digits, capsys, "--vary", "mapping.adc_bits=4,6", "--bits", "8,4", "--max-drop", "0.05")
    assert found["n_platforms"] == 2
    assert found["n_designs"] == 2 * 2 * 161
    assert [each["name"] for each in found["networks"]][1:] == ["8 bits", "4 bits"]
    floats, eight, four = (each["memory_bits"] for each in found["networks"])
    assert floats > eight > four
    chosen = found["chosen"]
    assert chosen["accuracy"] >= found["accuracy_full"] - 0.05
    assert 0 <= chosen["max_drop_left"] <= 0.05
    assert chosen["edp_js"] == min(row["edp_js"] for row in found["front"] if row["accuracy"] >= chosen["accuracy"])
    assert Run.open(deep).record == before  # nothing is changed, no test image looked at


def test_a_network_without_labels(unlabelled, few_digits, capsys):
    found = swept(unlabelled, few_digits, capsys, "--platform", "digital-45nm", "--bits", "4,2")
    as_it_is, four, two = found["networks"]
    assert as_it_is["memory_bits"] > four["memory_bits"] > two["memory_bits"]
    assert {row["platform"] for row in found["front"]} == {"digital-45nm"}


def test_limits_are_kept(deep, few_digits, capsys):
    free = swept(deep, few_digits, capsys, "--platform", "rram-64-32nm", "--bits", "8")
    limit = sorted(row["energy_j"] for row in free["front"])[len(free["front"]) // 2]
    limited = ["--bits", "8", "--max-energy", f"{1.001e9 * limit:.9f}nJ"]
    found = swept(deep, few_digits, capsys, "--platform", "rram-64-32nm", *limited)
    assert 0 < found["n_within"] < free["n_within"]
    assert all(row["energy_j"] <= 1.001 * limit for row in found["front"])


def test_tables_say_what_the_figures_are(deep, few_digits, capsys):
    assert run(["sweep", str(deep), "--data", str(few_digits), "--bits", ""]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "a second" in shown
    assert "J s" in shown  # as in every other table
    assert "Taken: the least" in shown
    assert run(["sweep", str(deep), "--data", str(few_digits), "--bits", "8", "--max-energy", "1fJ"]) == 0
    assert "No design" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--vary", "mapping.adc_bit=4"], "Did you mean 'mapping.adc_bits'"),
        (["--vary", "mapping.adc_bits"], "--vary must be like"),
        (["--vary", "mapping.adc_bits=x"], "adc_bits"),
        (["--vary", "mapping.adc_bits=40"], "adc_bits"),
        (["--vary", "mapping.n_tiles=4"], "mapping.n_tiles"),
        (["--vary", "mapping.adc_bits=6", "--platform", "rram-64-32nm"], "extend a chip that is priced by its parts"),
        (["--bits", "17"], "--bits must lie in 2..16"),
        (["--vary", "name=4"], "got 'name'"),
        (["--platform", "loihi", "--platform", "loihi"], "names of their own"),
        (["--bits", "x"], "--bits must be whole numbers"),
        (["--platform", "abacus"], "abacus"),
        (["--max-drop", "1"], "--max-drop must be below 1"),
        (["--images", "1"], "--images must be at least 2"),
        (["--min-accuracy", "2"], "--min-accuracy"),
        (["--max-memory", "200"], "a limit must be a number with a unit"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(options, message, deep, few_digits, capsys):
    assert run(["sweep", str(deep), "--data", str(few_digits), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
