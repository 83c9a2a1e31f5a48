"""The command without labels: what it prints, what it refuses, and how it goes on after a kill."""

import json
import os
import shutil
import signal
import sys
import time

import pytest

from spikewise.cli.app import run
from spikewise.cli.stdp import n_bits_of
from spikewise.energy.measurement import measured_of
from spikewise.errors import ParameterError
from spikewise.runs import Run

SMALL = ["--neurons", "20", "--steps", "100", "--epochs", "100", "--max-drop", "0.02"]
# So small a run is over before its first snapshot: this one comes after a few hundred samples, and waits to be stopped.
EAGER = """
import time, spikewise.learn.stdp.encoder as encoder
from spikewise.cli import main
write = encoder.write_snapshot
encoder._SNAPSHOT_SECONDS = 0.0
encoder.write_snapshot = lambda *arguments: (write(*arguments), time.sleep(60))
main()
"""


def stdp(few_digits, out, *more):
    return run(["stdp", "--data", str(few_digits), "--out", str(out), *SMALL, *more])


@pytest.fixture(scope="module")
def folder(few_digits, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "few"
    assert stdp(few_digits, out) == 0
    return out


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "few")


def test_the_command_leaves_a_run_with_pictures_and_a_page(folder):
    names = {path.name for path in folder.iterdir()}
    assert names >= {"run.json", "model.safetensors", "trace.npz", "workload.json", "exits", "pictures", "report.html"}
    assert not (folder / "checkpoint.safetensors").exists()


def test_resumed_after_its_end_it_prints_one_object_and_the_table(folder, few_digits, undrawn, capsys):
    assert stdp(few_digits, folder, "--resume", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"] == str(folder)
    assert set(found["accuracy_by_decoder"]) == {"votes", "proportion", "naive_bayes"}
    assert set(found["controls"]) == {"truncated", "random_exit", "first_spike"}
    assert stdp(few_digits, folder, "--resume") == 0
    shown = capsys.readouterr()
    for figure in (found["accuracy"], found["exit"]["accuracy"], *found["accuracy_by_decoder"].values()):
        assert f"{figure:.2%}" in shown.out
    assert "naive Bayes (chosen)" in shown.out
    assert "was there already" in shown.err


def test_a_folder_with_a_run_needs_the_flag(folder, few_digits, capsys):
    before = (folder / "run.json").read_bytes()
    assert stdp(few_digits, folder) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "--resume" in shown.err
    assert "--out" in shown.err
    assert len(shown.err.splitlines()) == 1
    assert (folder / "run.json").read_bytes() == before


def test_other_settings_are_named(folder, few_digits, capsys):
    assert stdp(few_digits, folder, "--resume", "--bits", "4") == 2
    assert "differs in settings.stdp.n_bits" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rule", "leen"], "Did you mean 'lean'?"),
        (["--data", "minst"], "Did you mean 'mnist'?"),
        (["--platform", "rram-64-32mn"], "Did you mean 'rram-64-32nm'?"),
        (["--decoder", "bayes"], "naive_bayes"),
        (["--rounding", "up"], "--rounding"),
        (["--bits", "9"], "--bits must be auto, float or a whole number in 1..8; got '9'"),
        (["--bits", "0"], "--bits"),
        (["--neurons", "0"], "--neurons"),
        (["--steps", "0"], "--steps"),
        (["--epochs", "0"], "--epochs"),
        (["--batch", "0"], "--batch"),
        (["--batch", "8", "--rule", "fspinn"], "batch_size must be 1"),
        (["--jobs", "0"], "--jobs"),
        (["--max-drop", "1"], "--max-drop"),
        (["--limit", "0"], "--limit"),
        (["--limit", "5000"], "limit must be at most"),
        (["--limit", "3"], "Use more images"),
    ],
)
def test_a_wrong_request_is_one_clear_line_and_exit_code_2(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["stdp", *arguments]) == 2
    shown = capsys.readouterr()
    assert words in shown.err
    assert shown.out == ""
    assert len(shown.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(few_digits, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert stdp(few_digits, tmp_path / "run") == 2
    assert "read-only" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["model.safetensors", "trace.npz", "workload.json", "run.json"])
def test_a_truncated_file_is_named_when_the_run_is_resumed(copy, few_digits, name, capsys):
    (copy / name).write_bytes((copy / name).read_bytes()[:-100])
    assert stdp(few_digits, copy, "--resume") == 2
    assert str(copy / name) in capsys.readouterr().err


def test_bits_are_read_as_the_estimators_take_them():
    assert [n_bits_of(word) for word in ("auto", "float", "1", "8")] == ["auto", None, 1, 8]
    for word in ("", "-1", "8.0", "²"):
        with pytest.raises(ParameterError, match="--bits"):
            n_bits_of(word)


def broken_off(start, few_digits, out, how):
    """Start the command and stop it by a signal once it has learned something; what it returned and said."""
    command = [sys.executable, "-c", EAGER, "stdp", "--data", str(few_digits), "--out", str(out), *SMALL]
    process = start(command)
    while not (out / "checkpoint.safetensors").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert not (out / "model.safetensors").exists()
    assert (out / "checkpoint.safetensors").exists()
    return process.returncode, said


def test_a_run_that_was_killed_goes_on_and_ends_in_the_same_bits(folder, few_digits, tmp_path, undrawn, start):
    out = tmp_path / "few"
    code, _ = broken_off(start, few_digits, out, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert stdp(few_digits, out) == 2
    damaged = tmp_path / "damaged"
    shutil.copytree(out, damaged)
    (damaged / "checkpoint.safetensors").write_bytes(b"half")
    assert stdp(few_digits, damaged, "--resume") == 2
    assert stdp(few_digits, out, "--resume") == 0
    assert (out / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert Run.open(out).record["metrics"] == Run.open(folder).record["metrics"]
    assert not (out / "checkpoint.safetensors").exists()
    training = measured_of(Run.open(out))["training"]
    assert training.n_missing > 0  # it was killed before it could tell what its snapshot took
    assert training.n_samples + training.n_missing == Run.open(out).record["metrics"]["n_presentations"]


def test_an_interrupt_says_how_to_go_on(few_digits, tmp_path, start):
    code, said = broken_off(start, few_digits, tmp_path / "few", signal.SIGINT)
    assert code == 130
    assert "with --resume" in said
    assert "Traceback" not in said
