"""Runs side by side on the command line."""

import json
import shutil

import pytest

from spikewise.cli.app import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory, few_digits, drawing_nothing):
    out = tmp_path_factory.mktemp("runs")
    command = ["stdp", "--data", str(few_digits), "--steps", "60", "--epochs", "1", "--max-drop", "0.05", "--json"]
    with drawing_nothing():
        for name, neurons in (("small", "9"), ("large", "25")):
            assert run([*command, "--neurons", neurons, "--out", str(out / name)]) == 0
    return out


def test_runs_stand_side_by_side(folder, capsys):
    assert run(["compare", str(folder / "small"), str(folder / "large"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [column["run"] for column in found["columns"]] == ["small", "large"]
    for column in found["columns"]:
        assert 0 <= column["accuracy_exit"] <= 1
        asked, *beside = column["prices"]
        assert asked["asked"]
        assert not any(each["asked"] for each in beside)
        assert 0 < asked["energy_j"] <= asked["static"]["energy_j"]
        low, nominal, high = asked["band"]["energy_j"]
        assert low <= nominal == asked["energy_j"] <= high


def test_a_run_is_not_compared_with_itself(folder, capsys):
    for second in (folder / "small", folder):
        assert run(["compare", str(folder / "small"), str(second)]) == 2
        assert "twice" in capsys.readouterr().err


def test_a_folder_of_runs_is_all_its_runs(folder, capsys):
    assert run(["compare", str(folder), "--markdown"]) == 0
    shown = capsys.readouterr().out
    assert "large" in shown.splitlines()[2]
    assert "| Mean steps |" in shown
    assert run(["compare", str(folder)]) == 0


def test_one_column_is_nothing_to_compare(folder, tmp_path, capsys):
    assert run(["compare", str(folder / "small")]) == 2
    assert "two columns or more" in capsys.readouterr().err
    shutil.copytree(folder / "small", tmp_path / "damaged")
    (tmp_path / "damaged" / "run.json").write_text("{")
    assert run(["compare", str(tmp_path / "damaged"), str(folder)]) == 2
    assert run(["compare", str(folder), "--json", "--markdown"]) == 2
