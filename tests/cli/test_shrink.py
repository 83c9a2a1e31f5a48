"""``spikewise shrink``: a child run that every other command takes as it takes its parent."""

import json

import pytest

pytest.importorskip("torch")

from spikewise.cli.app import run
from spikewise.runs import Run


@pytest.fixture(scope="module")
def deep(few_digits, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "deep"
    small = ["--model", "vgg5", "--width", "0.2", "--steps", "3", "--epochs", "3", "--threads", "1"]
    assert run(["train", "--data", str(few_digits), "--out", str(out), *small]) == 0
    return out


@pytest.fixture(scope="module")
def unlabelled(few_digits, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "stdp"
    small = ["--neurons", "20", "--steps", "60", "--epochs", "2"]
    assert run(["stdp", "--data", str(few_digits), "--out", str(out), *small]) == 0
    return out


def test_a_deep_network_in_fewer_bits(deep, few_digits, capsys):
    asked = ["shrink", str(deep), "--data", str(few_digits), "--bits", "conv1=8,rest=4", "--membrane", "12"]
    assert run([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    floats, parent, small = (found["columns"][key] for key in ("floats", "parent", "shrunk"))
    assert floats["weight_bits"] == 4 * parent["weight_bits"]
    assert small["weight_bits"] < parent["weight_bits"]
    assert small["state_bits"] / parent["state_bits"] == pytest.approx(12 / 16)
    assert small["energy_j"] < floats["energy_j"]
    child = Run.open(found["run"])
    assert child.path.name == "deep-conv1-8-rest-4"
    assert len(child.record["test_evaluations"]) == 1
    assert run(asked) == 0  # shown again, not done again
    shown = capsys.readouterr().out
    assert "bits of readout" in shown
    assert len(Run.open(child.path).record["test_evaluations"]) == 1


def test_the_child_is_a_run_like_any_other(deep, few_digits, capsys):
    data = ["--data", str(few_digits)]
    assert run(["shrink", str(deep), *data, "--bits", "8", "--out", str(deep.parent / "child")]) == 0
    child = str(deep.parent / "child")
    for command in (["exit", child, *data, "--max-drop", "0.1"], ["stream", child, *data], ["price", child],
                    ["report", child], ["compare", str(deep), child]):  # fmt: skip
        assert run(command) == 0, command
    assert "8 bits" in capsys.readouterr().out
    assert run(["shrink", child, *data]) == 2
    assert "must not be shrunk twice" in capsys.readouterr().err


def test_bits_are_chosen_and_weights_trained_on(deep, few_digits, capsys):
    asked = ["shrink", str(deep), "--data", str(few_digits), "--bits", "8,2", "--max-drop", "0.2", "--finetune"]
    assert run([*asked, "--epochs", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["format"]["bits"].values()) <= {8, 2}
    assert found["trials"][0]["is_kept"]
    assert (deep.parent / "deep-8-2bit" / "training.csv").exists()


def test_a_network_without_labels_in_fewer_bits(unlabelled, few_digits, capsys):
    asked = ["shrink", str(unlabelled), "--data", str(few_digits), "--bits", "2"]
    assert run([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["columns"]["shrunk"]["weight_bits"] * 4 == found["columns"]["parent"]["weight_bits"]
    assert run(["stream", found["run"], "--data", str(few_digits)]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bits", "eight"], "--bits must be like 8"),
        (["--bits", "1"], "bits must lie in 2..16"),
        (["--bits", "conv9=8,rest=4"], "conv9"),
        (["--bits", "conv1=8"], "must name every layer, or rest"),
        (["--membrane", "2"], "--membrane"),
        (["--scale", "tensor"], "scale"),
        (["--rounding", "up"], "--rounding"),
        (["--lr", "nan"], "--lr"),
    ],
)
def test_impossible_settings_are_one_message(deep, few_digits, capsys, options, message):
    assert run(["shrink", str(deep), "--data", str(few_digits), "--out", str(deep.parent / "bad"), *options]) == 2
    said = capsys.readouterr().err
    assert message in " ".join(said.split())
    assert "Traceback" not in said


def test_several_widths_of_one_layer_are_refused(unlabelled, few_digits, capsys):
    for options in (["--bits", "4,2"], ["--finetune"], ["--bits", "12"]):
        assert run(["shrink", str(unlabelled), "--data", str(few_digits), *options]) == 2
        assert "without labels" in " ".join(capsys.readouterr().err.split())


def test_another_network_in_the_same_folder_is_refused(deep, few_digits, capsys):
    out = str(deep.parent / "taken")
    assert run(["shrink", str(deep), "--data", str(few_digits), "--out", out]) == 0
    assert run(["shrink", str(deep), "--data", str(few_digits), "--out", out, "--bits", "4"]) == 2
    assert "settings.shrink.bits" in capsys.readouterr().err
