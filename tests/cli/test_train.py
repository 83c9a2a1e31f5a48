"""The command with gradients: what it leaves and prints, what it refuses, and how it goes on after a kill."""

import csv
import json
import shutil
import signal
import sys
import time

import pytest

pytest.importorskip("torch")

from spikewise.cli.app import run
from spikewise.cli.train import augmentation_of
from spikewise.energy.measurement import measured_of
from spikewise.errors import ParameterError
from spikewise.runs import Run

SMALL = ["--model", "vgg5", "--width", "0.2", "--steps", "2", "--epochs", "3", "--threads", "1", "--max-drop", "0.02"]
# A checkpoint after every update, and a rest after the seventh, in which the command is stopped.
EAGER = """
import time, spikewise.learn.gradient.fit as fit
from spikewise.cli import main
fit._CHECKPOINT_S = fit._REPORT_S = 0.0
write, n = fit.write_checkpoint, 0
def slow(*arguments):
    global n
    write(*arguments)
    n += 1
    if n == 5:
        open(PLACE, "w").close()
        time.sleep(60)
fit.write_checkpoint = slow
main()
"""


def train(few_digits, out, *more):
    return run(["train", "--data", str(few_digits), "--out", str(out), *SMALL, *more])


@pytest.fixture(scope="module")
def folder(few_digits, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "few"
    assert train(few_digits, out, "--ema", "0.9") == 0
    return out


def test_the_command_leaves_a_run_with_a_log_and_a_page(folder):
    names = {path.name for path in folder.iterdir()}
    assert names >= {"run.json", "model.safetensors", "trace.npz", "workload.json", "exits", "training.csv"}
    assert "report.html" in names
    assert "checkpoint.safetensors" not in names
    with open(folder / "training.csv") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3"]
    assert len(Run.open(folder).record["test_evaluations"]) == 1


def test_resumed_after_its_end_it_prints_one_object_and_the_table(folder, few_digits, undrawn, capsys):
    assert train(few_digits, folder, "--ema", "0.9", "--resume", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"] == str(folder)
    assert found["validation_accuracy_by_step"][-1] == found["validation_accuracy"]
    assert set(found["accuracy_by_step"]) == {"1", "2"}
    assert found["exit"]["n_steps"] == 2
    assert found["n_test_evaluations"] == 1
    assert train(few_digits, folder, "--ema", "0.9", "--resume") == 0
    shown = capsys.readouterr()
    figures = (found["accuracy"], found["exit"]["accuracy"], *found["validation_accuracy_by_step"])
    assert all(f"{figure:.2%}" in shown.out for figure in figures)
    assert "was there already" in shown.err


def test_a_folder_with_a_run_needs_the_flag_and_the_same_settings(folder, few_digits, capsys):
    assert train(few_digits, folder) == 2
    assert "--resume" in capsys.readouterr().err
    assert train(few_digits, folder, "--resume") == 2
    assert "differs in settings.fit.ema" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "vgg6"], "Did you mean"),
        (["--data", "minst"], "Did you mean 'mnist'?"),
        (["--platform", "rram-64-32mn"], "Did you mean 'rram-64-32nm'?"),
        (["--model", "vgg16"], "needs images of at least 16x16"),
        (["--loss", "mean"], "--loss"),
        (["--optimizer", "adam"], "--optimizer"),
        (["--schedule", "step"], "--schedule"),
        (["--steps", "0"], "--steps"),
        (["--min-steps", "5"], "--min-steps must be at most --steps (4); got 5"),
        (["--regularization", "0.1"], "--regularization must be 0 with the loss cumulative"),
        (["--epochs", "0"], "--epochs"),
        (["--batch", "1"], "--batch"),
        (["--lr", "0"], "--lr"),
        (["--growth", "1"], "--growth"),
        (["--ema", "1"], "--ema"),
        (["--amp", "fp16"], "--amp"),
        (["--device", "cuda:99"], "device must be one that this machine has"),
        (["--threads", "-1"], "--threads"),
        (["--seed", "-1"], "--seed"),
        (["--width", "0"], "--width"),
        (["--v-threshold", "0"], "--v-threshold"),
        (["--decay", "2"], "--decay"),
        (["--reset", "half"], "--reset"),
        (["--surrogate", "atan"], "--surrogate"),
        (["--gamma", "inf"], "--gamma"),
        (["--norm", "layer"], "--norm"),
        (["--pooling", "avg"], "--pooling"),
        (["--model", "resnet18", "--pooling", "average"], "pooling must be left out of a ResNet"),
        (["--clip", "inf"], "--clip"),
        (["--max-drop", "1"], "--max-drop"),
        (["--augment", "rotate"], "--augment must be auto, none"),
        (["--augment", "shift=-1"], "--augment shift"),
    ],
)
def test_a_wrong_request_is_one_clear_line_and_exit_code_2(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["train", *arguments]) == 2
    shown = capsys.readouterr()
    assert words in shown.err
    assert shown.out == ""
    assert len(shown.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_loss_that_diverges_is_one_clear_line(few_digits, tmp_path, monkeypatch, capsys):
    from spikewise.learn.gradient.trainer import Trainer

    monkeypatch.setattr(
        Trainer, "_variants", lambda self, rows, _: (self.images[rows] * float("nan"), self.labels[rows])
    )
    assert train(few_digits, tmp_path / "few") == 2
    said = capsys.readouterr().err
    assert "must stay finite" in said
    assert "Lower lr (it is 0.005)" in said
    assert "Traceback" not in said


def test_without_tensorboard_its_flag_says_how_to_get_it(few_digits, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert train(few_digits, tmp_path / "few", "--tensorboard") == 2
    assert "pip install tensorboard" in capsys.readouterr().err


def test_the_options_of_the_network_reach_it(few_digits, tmp_path, undrawn, capsys):
    from spikewise.network import Dspike, LIFParams, SpikingClassifier

    out, asked = (
        tmp_path / "own",
        ["--v-threshold", "0.5", "--decay", "0.25", "--reset", "soft", "--surrogate", "dspike"],
    )
    asked += ["--gamma", "2", "--norm", "threshold", "--pooling", "average", "--epochs", "1"]
    assert train(few_digits, out, *asked) == 0
    spec = SpikingClassifier.load(out / "model.safetensors").model.spec
    assert spec.neurons == LIFParams(decay=0.25, v_threshold=0.5, reset="soft", surrogate=Dspike(2.0))
    assert (spec.name, spec.width, spec.norm, spec.pooling) == ("vgg5", 0.2, "threshold", "average")
    assert train(few_digits, out, *asked, "--resume") == 0
    assert train(few_digits, out, *asked, "--gamma", "3", "--resume") == 2
    assert "settings.network.neurons.surrogate.gamma" in " ".join(capsys.readouterr().err.split())


def test_a_default_that_is_named_is_the_same_run(folder, few_digits, undrawn):
    assert train(few_digits, folder, "--ema", "0.9", "--gamma", "1", "--lr", "0.005", "--resume") == 0


def test_killed_within_an_epoch_it_goes_on_and_ends_in_the_same_bits(folder, few_digits, tmp_path, undrawn, start):
    out, place = tmp_path / "few", tmp_path / "resting"
    program = f"PLACE = {str(place)!r}" + EAGER
    command = [sys.executable, "-c", program, "train", "--data", str(few_digits), "--out", str(out), *SMALL]
    process = start([*command, "--ema", "0.9"])
    while not place.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert (out / "checkpoint.safetensors").exists()
    damaged = tmp_path / "damaged"
    shutil.copytree(out, damaged)
    (damaged / "checkpoint.safetensors").write_bytes(b"half")
    assert train(few_digits, damaged, "--ema", "0.9", "--resume") == 2
    assert train(few_digits, out, "--ema", "0.9", "--resume") == 0
    assert (out / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert Run.open(out).record["metrics"] == Run.open(folder).record["metrics"]
    training = measured_of(Run.open(out))["training"]
    assert training.n_samples + training.n_missing == 3 * Run.open(out).record["data"]["n_train"]


def test_augmentations_are_named_or_written_out():
    assert augmentation_of("none", "cifar10") == augmentation_of("auto", "digits")
    assert augmentation_of("cifar100", "digits").cutout == 16
    assert augmentation_of("flip,mixup=0.2", "digits").mixup == 0.2
    for words in ("", "shift", "flip=1", "flip,", "turn=3"):
        with pytest.raises(ParameterError, match="--augment"):
            augmentation_of(words, "digits")
