import json

import numpy as np
import pytest

from spikewise.cli.app import run
from spikewise.errors import DataError, ParameterError
from spikewise.runs import Run
from spikewise.workflow.zoo import publish
from spikewise.zoo import load, load_card, load_model, load_monitor, load_rule, model_names


@pytest.fixture(scope="module")
def deep(few_digits, tmp_path_factory):
    pytest.importorskip("torch")
    out = tmp_path_factory.mktemp("runs") / "deep"
    small = ["--model", "vgg7", "--width", "0.1", "--steps", "2", "--epochs", "1", "--threads", "1"]
    assert run(["train", "--data", str(few_digits), "--out", str(out), *small]) == 0
    return out


@pytest.fixture
def zoo(unlabelled, tmp_path, monkeypatch):
    monkeypatch.setattr(load, "FOLDER", tmp_path / "models")
    publish(unlabelled, "few-stdp20", "spikewise stdp --data few", tmp_path / "models")
    return tmp_path / "models"


def test_a_published_run_answers_as_the_run_did(zoo, unlabelled, few_digits):
    from spikewise.workflow.exit import splits_of

    assert model_names() == ["few-stdp20"]
    card, model = load_card("few-stdp20"), load_model("few-stdp20")
    test = splits_of(Run.open(unlabelled), str(few_digits))["test"]
    trace = model.trace(test.images, test.labels)
    np.testing.assert_array_equal(trace.final_scores(), Run.open(unlabelled).trace.final_scores())
    assert card.accuracy[str(card.n_steps)] == trace.accuracy_by_step()[-1]
    assert (card.seed, card.n_parameters, card.data.n_test) == (0, 64 * 20, test.n_samples)
    (setting,) = card.exits
    found = model.predict_with_exit(test.images, load_rule("few-stdp20", setting))
    assert card.exits[setting].accuracy == np.mean(found.labels == test.labels)
    assert card.exits[setting].histogram == found.histogram.tolist()
    assert set(card.exits[setting].edp_saving) >= {"rram-64-32nm", "rram-64-32nm-physical"}


def test_a_deep_network_is_published_with_its_architecture_and_its_monitor(deep, tmp_path, few_digits, monkeypatch):
    from spikewise.workflow.exit import splits_of

    monkeypatch.setattr(load, "FOLDER", tmp_path / "models")
    card = publish(deep, "few-vgg7", "spikewise train --data few", tmp_path / "models")
    assert load_card("few-vgg7") == card
    assert card.settings["network"]["pooling"] == "max"
    assert card.settings["fit"]["lr"] == 0.005
    assert card.data.n_chosen_on == card.data.n_validation  # too few to keep a half apart
    test = splits_of(Run.open(deep), str(few_digits))["test"]
    (setting,) = card.exits
    found = load_model("few-vgg7").predict_with_exit(test.images, load_rule("few-vgg7", setting))
    assert card.exits[setting].histogram == found.histogram.tolist()
    monitor = load_monitor("few-vgg7", setting, window=20)
    monitor.see(found.steps, np.full(len(found.steps), 0.9))
    assert card.exits[setting].calibration["n_samples"] == card.data.n_validation


def test_a_void_guarantee_is_a_heuristic_and_says_so(unlabelled, tmp_path, few_digits, monkeypatch):
    asked = ["--data", str(few_digits), "--max-drop", "0.2", "--confidence", "0.8"]
    assert run(["exit", str(unlabelled), *asked]) == 0
    monkeypatch.setattr(load, "FOLDER", tmp_path / "models")
    publish(unlabelled, "few", "spikewise stdp --data few", tmp_path / "models")
    load_rule("few", "drop-0.2-sure-0.8")
    monkeypatch.setattr(load, "model_identity", lambda network: {})
    with pytest.warns(UserWarning, match="drop-0.2-sure-0.8 of few is a heuristic here"):
        load_rule("few", "drop-0.2-sure-0.8")


def test_unknown_names_are_refused(zoo):
    with pytest.raises(ParameterError, match="Did you mean 'few-stdp20'"):
        load_model("few-stdp2")
    with pytest.raises(ParameterError, match="exit setting must be one of"):
        load_rule("few-stdp20", "drop-0.7")


def test_files_that_do_not_belong_together_are_refused(zoo):
    weights = zoo / "few-stdp20.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    with pytest.raises(DataError, match="its content differs"):
        load_model("few-stdp20")
    weights.unlink()
    with pytest.raises(DataError, match="must be there beside its card"):
        load_model("few-stdp20")
    card = zoo / "few-stdp20.card.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "n_steps": 0}))
    with pytest.raises(DataError, match="n_steps"):
        load_card("few-stdp20")


def test_a_run_without_an_exit_setting_is_no_model(tmp_path):
    from spikewise.learn import STDPClassifier

    run_ = Run.start(tmp_path / "run", kind="stdp", settings={}, seed=0)
    images = np.random.default_rng(0).random((20, 16))
    STDPClassifier(4, n_steps=20, random_state=0).fit(images, np.arange(20) % 2).save(run_.path / "model.safetensors")
    with pytest.raises(DataError, match="must hold an exit setting"):
        publish(run_.path, "x", "", tmp_path / "models")


@pytest.mark.parametrize("kind", ["unlabelled", "deep"])
def test_a_published_network_becomes_a_run_again(kind, request, tmp_path, few_digits, monkeypatch, capsys):
    trained = request.getfixturevalue(kind)
    monkeypatch.setattr(load, "FOLDER", tmp_path / "models")
    publish(trained, "few", "spikewise ...", tmp_path / "models")
    out = tmp_path / "again"
    assert run(["zoo"]) == 0
    assert run(["zoo", "few", "--out", str(out)]) == 0
    assert "Next: spikewise price" in capsys.readouterr().err
    for command in ("price", "compare"):
        assert run([command, str(out), *[str(trained)] * (command == "compare")]) == 0
    shown = Run.open(out).exits["drop-0.005"]
    original = Run.open(trained).exits["drop-0.005"]
    assert shown.record == original.record
    assert shown.load == original.load
    assert [each.energy_j for each in shown.prices] == [each.energy_j for each in original.prices]
    assert run(["stream", str(out), "--data", str(few_digits)]) == 0
    capsys.readouterr()
    before, after = Run.open(trained).record, Run.open(out).record
    assert after["settings"] == before["settings"]
    assert after["seed"] == before["seed"]
    assert {key: after["data"][key] for key in before["data"]} == before["data"]
    assert after["test_evaluations"] == before["test_evaluations"]
    assert run(["exit", str(out), "--data", str(few_digits), "--max-drop", "0.005"]) == 0
    again = Run.open(out).record
    assert len(again["test_evaluations"]) == len(before["test_evaluations"]) + 1
    exits = (again["metrics"]["exits"]["drop-0.005"], before["metrics"]["exits"]["drop-0.005"])
    assert exits[0]["histogram"] == exits[1]["histogram"]
    assert run(["zoo", "few", "--out", str(out)]) == 0
    assert Run.open(out).record == again  # what is there stays
    Run.start(tmp_path / "other", kind="deep", settings={}, seed=0)
    assert run(["zoo", "few", "--out", str(tmp_path / "other")]) == 2
    assert "must hold a run with the same settings" in capsys.readouterr().err


def test_what_the_zoo_has_not_is_told_in_one_line(zoo, capsys):
    assert run(["zoo", "few-stdp21"]) == 2
    assert "Did you mean 'few-stdp20'" in capsys.readouterr().err
    assert run(["zoo", "--out", "runs/x"]) == 2
    assert "--out needs the name" in capsys.readouterr().err
