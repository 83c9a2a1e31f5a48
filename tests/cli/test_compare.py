"""Runs side by side on the command line."""

import json
import shutil

import pytest

from spikewise.cli.app import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory, few_digits):
    out = tmp_path_factory.mktemp("runs")
    command = ["stdp", "--data", str(few_digits), "--steps", "60", "--epochs", "1", "--max-drop", "0.05", "--json"]
    for name, neurons in (("small", "9"), ("large", "25")):
        assert run([*command, "--neurons", neurons, "--out", str(out / name)]) == 0
    return out


def test_runs_stand_side_by_side(folder, capsys):
    assert run(["compare", str(folder / "small"), str(folder / "large"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [name.split(",")[0] for name in found["columns"]] == ["small", "large"]
    assert all(len(cells) == 2 for cells in found["rows"].values())
    assert found["rows"]["Energy per image"][0]["value"].endswith("J")


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
