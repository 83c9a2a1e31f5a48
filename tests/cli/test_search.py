"""``spikewise search``: from a budget to a trained and tested network."""

import json

import pytest

pytest.importorskip("optuna")

from spikewise.cli.app import run
from spikewise.runs import Run, folder_lock

SMALL = ["--neurons", "10,20,200", "--bits", "4,8", "--steps", "40", "--max-memory", "3kB", "--jobs", "1"]


@pytest.fixture(scope="module")
def found(few_digits, tmp_path_factory):
    """A search that is done: its folder, and what it printed as JSON."""
    out = tmp_path_factory.mktemp("search") / "out"
    return out, ["search", "--data", str(few_digits), *SMALL, "--out", str(out)]


def test_a_budget_gives_a_tested_network(found, capsys):
    out, command = found
    assert run([*command, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert (results["n_designs"], results["n_feasible"], results["n_trained"]) == (6, 4, 4)
    assert results["n_over_budget_trained"] == 0
    assert results["memory_is_as_predicted"]
    assert results["chosen"]["memory_bits"] <= 3 * 8000
    assert {row["name"] for row in results["front"]} <= {row["name"] for row in results["trained"]}
    assert results["fspinn"]["design"]["n_bits"] == 8
    assert 0 < results["hypervolume"]["fspinn"] <= results["hypervolume"]["search"] < 1
    test = results["chosen"]["test"]
    chosen = Run.open(test["run"])
    assert chosen.record["settings"]["stdp"]["n_neurons"] == results["chosen"]["design"]["n_neurons"]
    assert test["exceeded"] == []
    assert results["fspinn"]["test"]["n_test"] == test["n_test"]
    assert len(chosen.record["test_evaluations"]) == 1
    assert json.loads((out / "search.json").read_text()) == results
    assert (out / "front.png").stat().st_size > 1000


def test_a_search_that_is_there_is_gone_on_with_on_request_alone(undrawn, found, capsys):
    out, command = found
    assert run(command) == 2
    assert "must not hold a search yet" in capsys.readouterr().err
    before = json.loads((out / "search.json").read_text())
    assert run([*command, "--resume"]) == 0
    shown = capsys.readouterr().out
    assert "FSpiNN's algorithm" in shown
    after = json.loads((out / "search.json").read_text())
    assert after["trained"] == before["trained"]
    assert after["chosen"]["test"]["n_test_evaluations"] == 1
    assert run([*command, "--resume", "--seed", "1"]) == 2
    assert "differs in seed" in capsys.readouterr().err


def test_several_workers_find_the_same(undrawn, few_digits, found, tmp_path, capsys):
    alone = json.loads((found[0] / "search.json").read_text())
    out = tmp_path / "two"
    assert run(["search", "--data", str(few_digits), *SMALL[:-1], "2", "--out", str(out), "--json"]) == 0
    together = json.loads(capsys.readouterr().out)
    key = {"name": None, "max_drop": None, "accuracy": None, "energy_j": None}.keys()

    def rows(results):
        return sorted([tuple(row[name] for name in key) for row in results["trained"]])

    assert rows(together) == rows(alone)


def test_a_helper_leaves_the_result_to_others(undrawn, few_digits, tmp_path, capsys):
    command = ["search", "--data", str(few_digits), *SMALL, "--out", str(tmp_path / "shared")]
    assert run([*command, "--helper"]) == 2
    assert "must hold a search to help with" in capsys.readouterr().err
    assert run([*command, "--trials", "2"]) == 0
    (tmp_path / "shared" / "search.json").unlink()
    assert run([*command, "--helper"]) == 0  # the two trials are done
    assert "Nothing is left to help with" in capsys.readouterr().err
    assert not (tmp_path / "shared" / "search.json").exists()


def test_more_trials_may_change_the_choice(undrawn, few_digits, tmp_path, capsys):
    command = ["search", "--data", str(few_digits), *SMALL, "--out", str(tmp_path / "grows"), "--json"]
    assert run([*command, "--trials", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["n_trained"] == 1
    assert run([*command, "--trials", "4", "--resume"]) == 0
    assert json.loads(capsys.readouterr().out)["n_trained"] == 4


def test_one_command_at_a_time_in_a_folder(few_digits, tmp_path, capsys):
    out = tmp_path / "held"
    out.mkdir()
    with folder_lock(out):
        assert run(["search", "--data", str(few_digits), *SMALL, "--out", str(out)]) == 2
    assert "one process at a time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-memory", "200"], "a limit must be a number with a unit"),
        (["--max-energy", "20kB"], "a limit must be measured like 20uJ"),
        (["--max-memory", "1B"], "of 6 none does"),
        (["--max-energy", "1fJ"], "Raise a limit"),
        (["--neurons", "10,x"], "--neurons must be whole numbers"),
        (["--neurons", "0"], "--neurons must be at least 1; got 0."),
        (["--bits", "9"], "--bits must be at most 8; got 9."),
        (["--rules", "lean,magic"], "magic"),
        (["--rules", "lean,"], "--rules must be names"),
        (["--max-memory", "200KB"], "there is no K or Ki"),
        (["--max-memory", "1e400kB"], "above 0 and finite"),
        (["--max-memory", "200mB"], "k, M or G of them"),
        (["--storage", ""], "storage must be the address"),
        (["--platform", "abacus"], "abacus"),
        (["--trials", "0"], "--trials must be at least 1; got 0."),
        (["--jobs", "0"], "--jobs must be at least 1"),
        (["--min-accuracy", "2"], "--min-accuracy must be at most 1; got 2.0."),
        (["--neurons", ",".join(map(str, range(1, 20_002)))], "at most 20,000 designs"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(options, message, few_digits, tmp_path, capsys):
    command = ["search", "--data", str(few_digits), *SMALL, "--out", str(tmp_path / "out"), *options]
    assert run(command) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_without_a_budget_everything_may_be_tried(undrawn, few_digits, tmp_path, capsys):
    command = ["search", "--data", str(few_digits), "--neurons", "10,20", "--bits", "2,8", "--steps", "30"]
    assert run([*command, "--trials", "3", "--out", str(tmp_path / "out"), "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert (results["strategy"], results["n_trained"]) == ("sample", 3)
    assert run([*command, "--trials", "4", "--out", str(tmp_path / "least"), "--min-accuracy", "0.999"]) == 0
    assert "No trained design kept the budget" in capsys.readouterr().out
