"""The commands about a network that is there: another exit setting, and a look at one sample."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from spikewise.cli.app import run
from spikewise.dynamic import Certificate
from spikewise.errors import DataError
from spikewise.runs import Run
from spikewise.workflow.stream import monitor_of, rule_of


def test_another_setting_joins_the_run(deep, few_digits, capsys):
    asked = ["exit", str(deep), "--data", str(few_digits), "--max-steps", "2", "--rule", "confidence"]
    assert run([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "steps-2-confidence"
    assert found["calibration"]["mean_steps"] <= 2
    assert found["exit"]["rule"]["kind"] == "confidence"
    assert set(found["cost"]) > {"energy_j", "edp_saving", "without_exit"}
    assert found["timing"]["speed_up"] > 0
    assert {path.name for path in (deep / "exits").iterdir()} >= {"drop-0.005", "steps-2-confidence"}
    assert len(Run.open(deep).record["test_evaluations"]) == found["n_test_evaluations"]
    assert run(asked) == 0  # shown, not looked at again
    shown = capsys.readouterr()
    assert "confidence above" in shown.out
    assert len(Run.open(deep).record["test_evaluations"]) == found["n_test_evaluations"]


def test_too_few_images_for_a_guarantee_are_said_to_be(deep, few_digits, capsys):
    assert run(["exit", str(deep), "--data", str(few_digits), "--max-drop", "0.05", "--confidence", "0.95"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "no guarantee: that needs at least 72 images kept out of everything else, and so few" in shown
    assert "Train on data with at least 800 validation images." in shown


def test_networks_without_labels_get_a_guarantee_of_few_images(unlabelled, few_digits, capsys):
    asked = ["--data", str(few_digits), "--max-drop", "0.2", "--confidence", "0.8"]
    assert run(["exit", str(unlabelled), *asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    certificate = Certificate.from_dict(found["certificate"])
    assert certificate.kind == found["exit"]["threshold"] == "guarantee"
    assert " on numba " in certificate.identity["engine"]
    assert run(["exit", str(unlabelled), *asked]) == 0
    assert "Guarantee: 80 % sure that early exit costs at most 20 points of accuracy." in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_sample_is_watched_until_its_exit(deep, few_digits, capsys):
    assert run(["stream", str(deep), "--data", str(few_digits), "--index", "2", "--exit", "drop-0.005"]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert [line.split()[:2] for line in lines] == [["step", str(step)] for step in range(1, len(lines) + 1)]
    assert lines[-1].endswith("stops")
    assert shown.err.startswith("true class: ")
    assert run(["stream", str(deep), "--data", str(few_digits), "--full", "--json"]) == 0
    steps = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [step["step"] for step in steps] == [1, 2, 3]
    assert [step["is_last"] for step in steps] == [False, False, True]
    assert all(0 < step["confidence"] <= 1 for step in steps)


def test_a_network_without_labels_is_watched_where_its_evidence_changes(unlabelled, few_digits, capsys):
    from spikewise.learn import STDPClassifier
    from spikewise.workflow.exit import splits_of

    network = STDPClassifier.load(unlabelled / "model.safetensors")
    sample = splits_of(Run.open(unlabelled), str(few_digits))["test"].images[4]
    assert run(["stream", str(unlabelled), "--data", str(few_digits), "--index", "4", "--full", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["is_last"] for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert answers[-1]["step"] == network.n_steps
    assert network.classes_[answers[-1]["label"]] == network.predict(sample[None])[0]
    spikes = np.flatnonzero(np.diff(network.trace(sample[None]).change_offsets)) + 1
    assert [answer["step"] for answer in answers] == sorted({*spikes.tolist(), network.n_steps})


def test_pictures_and_arrays_are_watched_too(deep, tmp_path, capsys):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", pixels[None])
    shown = []
    for name in ("a.png", "a.npy"):
        assert run(["stream", str(deep), "--image", str(tmp_path / name), "--full"]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]


PIXELS = np.random.default_rng(1).integers(0, 256, (1, 8, 8), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["deep", "unlabelled"])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.tile(PIXELS, (3, 1, 1)), "must hold an image (1, 8, 8)"),
        (np.zeros((1, 28, 28), np.uint8), "got (1, 28, 28). Scale"),
        (np.zeros((0, 1, 8, 8), np.uint8), "got (0, 1, 8, 8)"),
        (PIXELS.astype(np.uint16), "must hold uint8 or floating point; got uint16"),
        (PIXELS / 51, "must be finite and lie in [0, 1]; got"),
        (-(PIXELS / 255), "must be finite and lie in [0, 1]; got -"),
        (np.where(PIXELS > 99, np.nan, 0.5), "must be finite and lie in [0, 1]; got nan..nan"),
        (np.zeros((28, 28), np.uint8), "got (1, 28, 28). Scale"),
        (PIXELS[0].astype(np.uint16) * 257, "must have 8 bits per channel; its mode is I;16"),
    ],
)
def test_what_no_network_can_read_is_one_clear_line(kind, values, words, request, tmp_path, capsys):
    file = tmp_path / ("a.png" if values.ndim == 2 else "a.npy")
    if values.ndim == 2:
        Image.fromarray(values).save(file)
    else:
        np.save(file, values)
    folder = request.getfixturevalue(kind)
    capsys.readouterr()
    assert run(["stream", str(folder), "--image", str(file), "--full"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error:")
    assert str(file) in line
    assert words in line


def test_frames_are_for_networks_that_take_them(deep, unlabelled, tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.stack([PIXELS] * 3))
    assert run(["stream", str(deep), "--image", str(tmp_path / "a.npy"), "--full"]) == 0
    assert run(["stream", str(unlabelled), "--image", str(tmp_path / "a.npy"), "--full"]) == 2
    assert "must hold an image (1, 8, 8); got (3, 1, 8, 8)." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "section", "key", "value", "words"),
    [
        ("stream", "data", "classes", None, "data.classes is missing"),
        ("stream", "data", "classes", ["a"], "data.classes must name the 10 classes of the network; got 1"),
        ("stream", "metrics", "exits", [1], "metrics.exits"),
        ("exit", "metrics", "exits", [1], "metrics.exits"),
        ("exit", "metrics", "accuracy_by_step", None, "metrics.accuracy_by_step must tell of every step"),
        ("exit", "timings", "test_full_s (drop-0.005)", None, "got None. Delete "),
        ("exit", "timings", "test_exit_s (drop-0.005)", "soon", "must be a number in (0, inf); got 'soon'"),
    ],
)
def test_a_damaged_record_is_one_clear_line(
    command, section, key, value, words, unlabelled, few_digits, tmp_path, capsys
):
    folder = tmp_path / "damaged"
    shutil.copytree(unlabelled, folder)
    record = json.loads((folder / "run.json").read_text())
    del record[section][key]
    if value is not None:
        record[section][key] = value
    (folder / "run.json").write_text(json.dumps(record))
    before = (folder / "run.json").read_bytes()
    capsys.readouterr()
    assert run([command, str(folder), "--data", str(few_digits)]) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith(f"error: {folder / 'run.json'} must be the whole record of a run; ")
    assert words in message
    if key == "exits":
        assert (folder / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["choice.json", "exit.json", "cost.json", "gallery.npz"])
@pytest.mark.parametrize("content", ["{}", '{"certificate": 5, "profile": {}}'])
def test_damage_of_another_setting_is_found_before_the_work(name, content, unlabelled, few_digits, tmp_path, capsys):
    folder = tmp_path / "damaged"
    shutil.copytree(unlabelled, folder)
    damaged = folder / "exits" / "drop-0.005" / name
    damaged.write_text(content)
    looks = Run.open(folder).record["test_evaluations"]
    asked = ["exit", str(folder), "--data", str(few_digits), "--max-drop", "0.3"]
    assert run(asked) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("error: ")
    assert message.count(str(damaged)) == 1
    assert message[:-1].endswith(" again")
    assert " Delete it and run " in message
    assert Run.open(folder).record["test_evaluations"] == looks
    assert not (folder / "exits" / "drop-0.3").exists()
    damaged.unlink()
    assert run(asked) == 0


def test_a_certificate_is_void_once_the_weights_change(unlabelled, few_digits, tmp_path, undrawn):
    from spikewise.learn import STDPClassifier

    name, asked = "drop-0.2-sure-0.8", ["--data", str(few_digits), "--max-drop", "0.2", "--confidence", "0.8"]
    folder = tmp_path / "changed"
    shutil.copytree(unlabelled, folder)
    assert run(["exit", str(folder), *asked]) == 0
    network = STDPClassifier.load(folder / "model.safetensors")
    rule_of(Run.open(folder), network, name)
    monitor_of(Run.open(folder), network, name).see(np.array([1, 2]), np.array([0.1, 0.2]))
    before = Certificate.from_dict(json.loads((folder / "exits" / name / "choice.json").read_text())["certificate"])
    network.class_counts_ = network.class_counts_ + 1
    network.save(folder / "model.safetensors")
    with pytest.raises(DataError, match="must be about the weights that are in use"):
        rule_of(Run.open(folder), network, name)
    assert run(["exit", str(folder), *asked]) == 0  # chosen anew
    after = Certificate.from_dict(json.loads((folder / "exits" / name / "choice.json").read_text())["certificate"])
    assert after.identity["model"] != before.identity["model"]
    rule_of(Run.open(folder), network, name)
    setting = folder / "exits" / name / "exit.json"
    setting.write_text(setting.read_text().replace('"max_entropy": ', '"max_entropy": 1'))
    with pytest.raises(DataError, match="must hold the rule of its certificate"):
        rule_of(Run.open(folder), network, name)
    setting.with_name("choice.json").write_text('{"certificate": null, "profile": {}}')
    with pytest.raises(
        DataError, match=r"choice\.json: an exit profile has a missing.*\. Delete it and run spikewise exit"
    ):
        rule_of(Run.open(folder), network, name)
    setting.with_name("choice.json").unlink()
    with pytest.raises(DataError, match=r"choice\.json must hold .*; it is missing\. Run spikewise exit again"):
        rule_of(Run.open(folder), network, name)
    found = json.loads(setting.read_text())
    setting.write_text(json.dumps({**found, "rule": {"kind": "entropy", "max_entropy": "abc"}}))
    with pytest.raises(DataError, match=r"exit\.json .*; rule: .*'abc'\. Delete it and run spikewise exit again\.$"):
        rule_of(Run.open(folder), network, name)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["exit", "{run}", "--max-drop", "0.1", "--max-steps", "2"], "exactly one of --max-drop"),
        (["exit", "{run}", "--confidence", "1"], "--confidence"),
        (["exit", "{run}", "--max-steps", "inf"], "--max-steps"),
        (["exit", "{run}", "--max-steps", "2", "--confidence", "0.9"], "--confidence must stand with --max-drop"),
        (["exit", "{stdp}", "--max-drop", "0.1", "--temperature"], "must be left out of networks without labels"),
        (["exit", "{stdp}", "--max-drop", "0.1", "--confidence", "0.9", "--conditional"], "must be left out"),
        (["exit", "{run}", "--rule", "mood"], "--rule"),
        (["exit", "{run}", "--max-energy", "1e-15"], "the budget must be at least"),
        (["exit", "{run}", "--platform", "rram-64-32mn"], "Did you mean 'rram-64-32nm'?"),
        (["exit", "{run}", "--data", "digits"], "must be those that"),
        (["exit", "{out}"], "run.json"),
        (["stream", "{run}", "--index", "-1"], "--index"),
        (["stream", "{run}", "--image", "{scalar}", "--index", "1"], "--image must stand without --index"),
        (["stream", "{run}", "--full", "--exit", "drop-0.005"], "--full must stand without --exit"),
        (["stream", "{run}", "--index", "9999"], "index must lie in 0.."),
        (["stream", "{run}", "--exit", "loose"], "exit setting must be one of"),
        (["stream", "{run}", "--image", "{out}/none.png"], "must be a picture or a .npy array"),
        (["stream", "{run}", "--image", "{scalar}"], "must hold an image (1, 8, 8) or frames (T, 1, 8, 8)"),
    ],
)
def test_a_wrong_request_is_one_clear_line(arguments, words, deep, unlabelled, few_digits, tmp_path, capsys):
    np.save(tmp_path / "scalar.npy", np.float32(1))
    places = {"{run}": str(deep), "{stdp}": str(unlabelled), "{scalar}": str(tmp_path / "scalar.npy")}
    filled = [places.get(word, word.replace("{out}", str(tmp_path))) for word in arguments]
    if not {"--data", "--image"} & set(filled):
        filled += ["--data", str(few_digits)]
    before = sorted(deep.rglob("*"))
    assert run(filled) == 2
    assert sorted(deep.rglob("*")) == before
    shown = capsys.readouterr()
    *bars, message = shown.err.strip().splitlines()
    assert message.startswith("error:")
    assert words in message
    assert len(bars) <= 1
