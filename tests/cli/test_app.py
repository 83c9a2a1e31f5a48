import json
import signal
import sys
import time

import pytest

from spikewise import __version__
from spikewise.cli import main
from spikewise.cli.app import application, run


def failing(monkeypatch, error):
    def broken(*args, **kwargs):
        raise error

    monkeypatch.setattr("spikewise.cli.app.application", lambda names: broken)


@pytest.mark.parametrize("command", ["demo", "stdp", "data", "price", "report"])
def test_every_command_explains_itself(command, capsys):
    assert run([command, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


def test_the_version_is_told(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"spikewise {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "--data", "minst"], "Did you mean 'mnist'?"),
        (["demo", "--platform", "rram-64-32mn"], "Did you mean 'rram-64-32nm'?"),
        (["demo", "--steps", "0"], "--steps"),
        (["demo", "--neurons", "-1"], "--neurons"),
        (["demo", "--seed", "x"], "--seed"),
        (["data", "fashion"], "fashion-mnist"),
        (["report", "nowhere"], "nowhere"),
        (["price", "nowhere"], "nowhere"),
        (["pirce"], "pirce"),
        (["demo", "--no-such-flag"], "--no-such-flag"),
    ],
)
def test_a_wrong_request_is_one_clear_message_and_exit_code_2(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert words in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
    assert not list(tmp_path.rglob("*.json"))


def test_an_out_that_is_a_file_is_refused_before_any_work(capsys, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert run(["demo", "--out", str(tmp_path / "file")]) == 2
    assert "a file is in the way" in capsys.readouterr().err


def test_interruption_says_how_to_go_on(monkeypatch, capsys):
    failing(monkeypatch, KeyboardInterrupt())
    assert run(["demo"]) == 130
    assert "again to go on" in capsys.readouterr().err
    assert run(["stdp"]) == 130
    assert "again with --resume to go on" in capsys.readouterr().err


def test_an_error_of_our_own_making_is_not_hidden(monkeypatch):
    failing(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        run(["demo"])


def test_main_exits_with_the_code_of_the_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert application().info.name == "spikewise"
    capsys.readouterr()


def test_data_prints_one_json_object(capsys):
    assert run(["data", "digits", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(split["n_samples"] for split in found["splits"].values()) == 1797


def test_a_missing_extra_is_named_with_its_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)  # import torch now raises ModuleNotFoundError
    assert run(["demo", "--out", str(tmp_path / "demo")]) == 2
    assert "pip install 'spikewise[deep]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_real_interrupt_in_training_leaves_a_run_that_goes_on(few_digits, tmp_path, start, capsys):
    out = tmp_path / "demo"
    command = ["demo", "--data", str(few_digits), "--out", str(out), "--epochs", "15", "--neurons", "5"]
    first = start([sys.executable, "-m", "spikewise", *command])
    checkpoint = out / "few-vgg5-0" / "checkpoint.safetensors"
    while not checkpoint.exists() and first.poll() is None:
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 130, said
    assert "run the same command again" in said
    assert "Traceback" not in said
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deep"]["n_steps"] == 4
    assert len(json.loads((out / "few-vgg5-0" / "run.json").read_text())["metrics"]["train_loss"]) == 15
