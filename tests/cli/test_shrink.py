"""``spikewise shrink``: a child run that every other command takes as it takes its parent."""

import json

import pytest

pytest.importorskip("torch")

from spikewise.cli.app import run
from spikewise.runs import Run


def test_a_deep_network_in_fewer_bits(deep, few_digits, capsys):
    asked = ["shrink", str(deep), "--data", str(few_digits), "--bits", "conv1=8,rest=4", "--membrane", "12"]
    assert run([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    before, after = found["before"], found["after"]
    assert 4 * after["weight_bits"] < before["weight_bits"] < 8 * after["weight_bits"]
    assert after["state_bits"] / before["state_bits"] == pytest.approx(12 / 32)
    assert after["cost"]["area_m2"] < before["cost"]["area_m2"]  # energy hangs on activity as well
    child = Run.open(found["run"])
    assert child.path.name == "train-conv1-8-rest-4-m12"
    assert len(child.record["test_evaluations"]) == 1
    assert run(asked) == 0  # shown again, not done again
    shown = capsys.readouterr().out
    assert "bits of readout" in shown
    assert "rram-64-32nm-physical" in shown  # the calibrated chip never stands alone
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
    child = Run.open(found["run"])
    assert (child.path / "training.csv").exists()
    assert not (child.path / "checkpoint.safetensors").exists()
    best = max(found["tuning"].values())  # never the worse of the two
    assert child.record["metrics"]["validation_accuracy"] == best


def test_a_network_without_labels_in_fewer_bits(unlabelled, few_digits, capsys):
    asked = ["shrink", str(unlabelled), "--data", str(few_digits), "--bits", "2"]
    assert run([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["after"]["weight_bits"] * 4 == found["before"]["weight_bits"]  # it learned with 8
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
        (["--finetune", "--lr", "nan"], "--lr"),
        (["--lr", "0.1"], "must be left out without finetune"),
        (["--max-drop", "0.1"], "must be left out without several widths"),
        (["--finetune", "--rounding", "truncate"], "rounding must be nearest"),
        (["--bits", "conv1=8,conv1=4,rest=4"], "each layer once"),
        (["--bits", "rest=1"], "bits of rest"),
        (["--platform", "nosuch"], "nosuch"),
    ],
)
def test_impossible_settings_are_one_message(deep, few_digits, capsys, options, message):
    assert run(["shrink", str(deep), "--data", str(few_digits), "--out", str(deep.parent / "bad"), *options]) == 2
    said = capsys.readouterr().err
    assert message in " ".join(said.split())
    assert "Traceback" not in said
    assert not (deep.parent / "bad").exists()


def test_several_widths_of_one_layer_are_refused(unlabelled, few_digits, capsys):
    for options in (["--bits", "4,2"], ["--finetune"], ["--bits", "12"], ["--membrane", "8"], ["--scale", "power2"]):
        assert run(["shrink", str(unlabelled), "--data", str(few_digits), *options]) == 2
        assert "without labels" in " ".join(capsys.readouterr().err.split())


def test_another_network_in_the_same_folder_is_refused(deep, few_digits, capsys):
    out = str(deep.parent / "taken")
    assert run(["shrink", str(deep), "--data", str(few_digits), "--out", out]) == 0
    assert run(["shrink", str(deep), "--data", str(few_digits), "--out", out, "--bits", "4"]) == 2
    assert "settings.shrink.bits" in capsys.readouterr().err


def test_a_platform_may_be_a_file(deep, few_digits, tmp_path, capsys):
    chip = tmp_path / "chip.toml"
    chip.write_text('extends = "digital-45nm"\nname = "mine"\n', encoding="utf-8")
    asked = ["shrink", str(deep), "--data", str(few_digits), "--out", str(tmp_path / "child"), "--platform", str(chip)]
    assert run([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["after"]["cost"]["platform"] == "mine"


def test_a_run_without_an_exit_setting_is_refused(deep, few_digits, tmp_path, capsys):
    import shutil

    bare = tmp_path / "bare"
    shutil.copytree(deep, bare)
    shutil.rmtree(bare / "exits")
    assert run(["shrink", str(bare), "--data", str(few_digits)]) == 2
    assert "Run: spikewise exit" in " ".join(capsys.readouterr().err.split())


def test_killed_at_any_stage_it_goes_on(deep, few_digits, tmp_path, monkeypatch, capsys, undrawn):
    """After the bits are chosen, after an epoch of fine-tuning, before the network is saved, before it is tested."""
    from spikewise.workflow import shrink

    def asked(out):
        return ["shrink", str(deep), "--data", str(few_digits), "--bits", "8,3", "--max-drop", "0.3", "--finetune",
                "--out", str(out), "--json"]  # fmt: skip

    assert run(asked(tmp_path / "whole")) == 0
    expected = json.loads(capsys.readouterr().out)
    out = tmp_path / "killed"
    for place in ("shrink_network", "finetune", "FixedClassifier.save", "stop_and_price"):
        with monkeypatch.context() as patched:
            _kill_at(place, patched, shrink)
            assert run(asked(out)) == 130
        capsys.readouterr()
    assert run(asked(out)) == 0
    found = json.loads(capsys.readouterr().out)
    for key in ("format", "trials", "tuning"):
        assert found[key] == expected[key]
    assert found["after"]["accuracy"] == expected["after"]["accuracy"]
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


def _kill_at(place, patched, workflow):
    """Let Ctrl-C arrive where this is called; of fine-tuning, after its first epoch."""
    from spikewise.shrink import classifier, tuning

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    if place == "finetune":
        whole = tuning.finetune

        def first_epoch(*args, progress, **kwargs):
            def kill(moment):
                if moment.record is not None:
                    raise KeyboardInterrupt

            return whole(*args, progress=kill, **kwargs)

        patched.setattr(tuning, "finetune", first_epoch)
    elif place == "stop_and_price":
        patched.setattr(workflow, "stop_and_price", interrupted)
    elif place == "FixedClassifier.save":
        patched.setattr(classifier.FixedClassifier, "save", interrupted)
    else:
        patched.setattr(classifier, "shrink_network", interrupted)
