"""The demo command, end to end, on a small file of real digits."""

import json
import subprocess
import sys

import numpy as np
import pytest

from spikewise.cli.app import run

DEEP_KEYS = {
    "accuracy_static", "accuracy_exit", "mean_steps", "n_steps", "energy_j", "latency_s", "area_m2", "edp_saving",
}  # fmt: skip
STDP_KEYS = {"accuracy_full", "accuracy_exit", "mean_steps", "n_steps", "energy_j"}


def demo(few_digits, out, *more):
    return run(["demo", "--data", str(few_digits), "--out", str(out), "--epochs", "2", "--neurons", "20", *more])


@pytest.fixture(scope="module")
def folder(few_digits, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "demo"
    assert demo(few_digits, out) == 0
    return out


def test_a_demo_is_two_runs_and_one_report(folder):
    assert {path.name for path in folder.iterdir()} == {"few-vgg5-0", "few-stdp20-0", "report.html"}


def test_started_again_it_prints_one_json_object_and_trains_nothing(folder, few_digits, capsys, undrawn):
    weights = [(folder / name / "model.safetensors").stat().st_mtime_ns for name in ("few-vgg5-0", "few-stdp20-0")]
    assert demo(few_digits, folder, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["deep"]) >= DEEP_KEYS
    assert set(found["stdp"]) >= STDP_KEYS
    for kind, full in (("deep", "accuracy_static"), ("stdp", "accuracy_full")):
        figures = found[kind]
        assert 0 <= figures[full] <= 1
        assert 0 <= figures["accuracy_exit"] <= 1
        assert 1 <= figures["mean_steps"] <= figures["n_steps"]
        assert figures["energy_j"] > 0
    again = [(folder / name / "model.safetensors").stat().st_mtime_ns for name in ("few-vgg5-0", "few-stdp20-0")]
    assert again == weights


def test_watts_turn_recorded_seconds_into_joules_and_estimates_stay_beside_them(folder, few_digits, capsys):
    assert demo(few_digits, folder, "--json", "--watts", "40") == 0
    found = json.loads(capsys.readouterr().out)
    for kind in ("deep", "stdp"):
        figures = found[kind]
        assert {"training", "inference", "inference_exit"} <= set(figures["measured"])
        for taken in figures["measured"].values():
            assert taken["joules"] == 40 * taken["seconds"]
            assert "40 W given by the user" in taken["source"]
        assert [each["platform"] for each in figures["beside"]] == ["rram-64-32nm-physical"]
    assert demo(few_digits, folder, "--watts", "40") == 0
    shown = capsys.readouterr().out
    assert "estimate: rram-64-32nm-physical" in shown
    assert "measured energy, this machine" in shown
    assert "40 W given by the user" in shown
    assert "40 W given by the user" in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [["demo"], ["stdp"]])
@pytest.mark.parametrize("watts", ["0", "-5", "nan", "inf", "many"])
def test_impossible_watts_are_refused_before_any_work(command, watts, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run([*command, f"--watts={watts}"]) == 2
    shown = capsys.readouterr()
    assert "watts" in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
    assert not list(tmp_path.iterdir())


def test_the_same_seed_gives_identical_metrics(folder, few_digits, tmp_path, undrawn):
    assert demo(few_digits, tmp_path / "again") == 0
    for name in ("few-vgg5-0", "few-stdp20-0"):
        one, other = (json.loads((path / name / "run.json").read_text()) for path in (folder, tmp_path / "again"))
        assert one["metrics"] == other["metrics"]


def test_other_settings_do_not_overwrite_a_run(folder, few_digits, capsys, undrawn):
    assert demo(few_digits, folder, "--steps", "2") == 2
    assert "differs in settings" in capsys.readouterr().err


def test_price_and_report_read_what_the_demo_left(folder, tmp_path, capsys):
    assert run(["price", str(folder / "few-vgg5-0"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["platforms"][0]["energy_j"] > 0
    page = tmp_path / "page.html"
    assert run(["report", str(folder), "--out", str(page), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 2
    assert page.stat().st_size > 100_000
    assert run(["report", str(folder), "--out", str(page), "--watts", "40"]) == 0
    assert "40 W given by the user" in page.read_text(encoding="utf-8")
    assert run(["report", str(folder), "--out", str(page), "--watts", "0"]) == 2
    assert "watts must be" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_named(folder, tmp_path, capsys):
    assert run(["report", str(folder), "--out", str(tmp_path / "absent" / "page.html")]) == 2
    assert "absent" in capsys.readouterr().err


def test_other_data_under_the_same_name_do_not_return_old_figures(folder, few_digits, tmp_path, capsys):
    other = tmp_path / few_digits.name
    with np.load(few_digits) as data:
        np.savez(other, images=data["images"][:150], labels=data["labels"][:150])
    assert demo(other, folder) == 2
    assert "differs in settings.data.test_sha256" in capsys.readouterr().err


def test_a_full_standard_output_is_one_clear_message(folder):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "spikewise", "price", str(folder / "few-vgg5-0"), "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
