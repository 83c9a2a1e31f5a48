"""``spikewise train`` on event recordings: from files in the real format to figures, a page and a resumed run."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from spikewise.cli.app import run
from spikewise.cli.train import augmentation_of, binning_of
from spikewise.data import Binning, load_images
from spikewise.data.augmentation import Augmentation
from spikewise.errors import ParameterError, ShapeError
from spikewise.network.classifier import SpikingClassifier
from spikewise.runs import Run

SMALL = ["--model", "vgg5", "--width", "0.1", "--steps", "2", "--epochs", "1", "--threads", "1", "--batch", "16"]
COUNTED = ["--bin", "count,size=17"]


def stroke(label, rng):
    """A recording of a bar that stands where its class says and moves to the right."""
    t = np.sort(rng.integers(0, 300_000, 60))
    x = (3 * label + 4 * t // 300_000 + rng.integers(0, 2, 60)).clip(0, 33)
    return list(zip(t.tolist(), x.tolist(), rng.integers(5, 30, 60).tolist(), (t % 2).tolist(), strict=True))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A folder as the publisher of N-MNIST packs it: a class folder of ``.bin`` files per part."""
    folder, rng = tmp_path_factory.mktemp("recorded"), np.random.default_rng(0)
    for part, n in {"Train": 6, "Test": 2}.items():
        for place in range(10 * n):
            path = folder / part / str(place % 10) / f"{place:05}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            events = stroke(place % 10, rng)
            path.write_bytes(b"".join(bytes([x, y]) + (p << 23 | t).to_bytes(3, "big") for t, x, y, p in events))
    return folder


def train(data, out, *more):
    return run(["train", "--data", str(data), "--out", str(out), *SMALL, *more])


@pytest.fixture(scope="module")
def folder(recordings, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "events"
    assert train(recordings, out, *COUNTED) == 0
    return out


def test_a_run_says_how_its_frames_were_made(folder):
    record = Run.open(folder).record
    assert Binning(**record["settings"]["binning"]) == Binning(by="count", size=(17, 17))
    assert record["settings"]["fit"]["n_steps"] == 2
    assert record["settings"]["fit"]["augment"]["max_shift"] == 2  # customary for this set, whatever its folder's name
    assert (record["data"]["name"], record["data"]["shape"]) == ("nmnist", [2, 17, 17])
    assert len(record["test_evaluations"]) == 1


def test_the_binning_of_its_run_is_all_that_its_network_needs(folder, recordings):
    binning = Binning(**Run.open(folder).record["settings"]["binning"])
    network = SpikingClassifier.load(folder / "model.safetensors")
    test = load_images(recordings, "test", n_steps=network.n_steps, binning=binning)
    accuracy = network.trace(test.images, test.labels).accuracy_by_step()
    found = Run.open(folder).record["metrics"]["accuracy_by_step"]
    assert [found["1"], found["2"]] == pytest.approx(accuracy.tolist())


def test_resumed_it_tells_the_same_and_another_binning_is_refused(folder, recordings, capsys):
    assert train(recordings, folder, *COUNTED, "--resume", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["data"] == {"name": "nmnist", "n_train": 40, "n_validation": 20, "n_test": 20}
    assert found["settings"]["binning"]["by"] == "count"
    assert set(found["accuracy_by_step"]) == {"1", "2"}
    assert found["exit"]["n_steps"] == 2
    assert found["cost"]["energy_j"] > 0
    assert found["n_test_evaluations"] == 1
    for other in ([], ["--bin", "time,size=17"]):
        assert train(recordings, folder, *other, "--resume") == 2
        assert "settings.binning.by" in capsys.readouterr().err


def test_the_folder_and_the_name_of_a_set_hold_the_same(recordings):
    by_path, by_name = (load_images(*place, n_steps=2) for place in ((recordings,), ("nmnist", "train", recordings)))
    assert by_path.sha256 == by_name.sha256
    assert by_path.name == by_name.name


def test_a_network_for_pictures_refuses_frames_and_the_other_way_round(
    folder, recordings, few_digits, tmp_path, capsys
):
    of_frames = SpikingClassifier.load(folder / "model.safetensors")
    digits, frames = load_images("digits"), load_images(recordings, n_steps=2)
    with pytest.raises(ShapeError, match=r"must have shape \(B, 2, 17, 17\)"):
        of_frames.predict(digits.images)
    with pytest.raises(ShapeError, match=r"recordings X must have shape \(T, B, 2, 17, 17\)"):
        of_frames.predict(frames.images)
    assert train(few_digits, tmp_path / "digits") == 0
    of_digits = SpikingClassifier.load(tmp_path / "digits" / "model.safetensors")
    with pytest.raises(ShapeError, match=r"recordings X must have shape \(T, B, 1, 8, 8\)"):
        of_digits.predict(frames.images)
    assert "binning" not in Run.open(tmp_path / "digits").record["settings"]
    capsys.readouterr()
    assert train(recordings, tmp_path / "digits", "--resume") == 2
    assert "differs in settings." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bin", "tme"], "--bin must be one of count, time; got 'tme'. Did you mean 'time'?"),
        (["--bin", "time,size"], "--bin must be time or count, with parts such as"),
        (["--bin", "time,size=big"], "--bin must be time or count, with parts such as"),
        (["--bin", "time,span=1x2"], "--bin span"),
        (["--bin", "time,crop=0"], "crop must lie in 1..34"),
        (["--bin", "time,size=1x2x3"], "--bin size"),
        (["--bin", "time,size=35"], "size must lie in 1..34"),
        (["--bin", "count,span=5"], "--bin span must be left out by count; got 5"),
        (["--data", "digits", "--bin", "time"], "binning must be left out; digits holds pictures"),
        (["--data", "nmist", "--bin", "time"], "Did you mean 'nmnist'?"),
    ],
)
def test_a_binning_that_cannot_be_is_one_clear_line(arguments, words, recordings, tmp_path, capsys):
    assert run(["train", "--data", str(recordings), "--out", str(tmp_path / "run"), *arguments]) == 2
    shown = capsys.readouterr()
    assert words in shown.err
    assert len(shown.err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_learning_without_labels_refuses_frames(recordings, tmp_path, capsys):
    assert run(["stdp", "--data", str(recordings), "--out", str(tmp_path / "run")]) == 2
    assert "data must be pictures to learn without labels; got the recordings nmnist" in capsys.readouterr().err


def test_binnings_are_written_out():
    assert binning_of(None) is None
    assert binning_of("time") == Binning()
    assert binning_of("time,span=300000,crop=32x30,size=16") == Binning(span_us=300_000, crop=(32, 30), size=(16, 16))
    with pytest.raises(ParameterError, match="--bin"):
        binning_of("time,width=3")


def test_the_customary_variants_move_digits_and_mirror_objects_alone():
    assert augmentation_of("auto", "nmnist") == Augmentation(max_shift=2)
    assert augmentation_of("auto", "cifar10-dvs").flip
    assert augmentation_of("auto", "dvs128-gesture") == Augmentation(max_shift=5)


def test_the_data_command_counts_recordings_and_names_the_sensor(recordings, capsys):
    assert run(["data", str(recordings), "--steps", "3"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in ("recordings", "50", "20", "2×34×34", "sensor of 34×34 pixels, 3 frames a recording"):
        assert words in shown
    assert run(["data", str(recordings), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["sensor"], found["n_frames"]) == ("nmnist", [34, 34], 4)
    assert run(["data", "digits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sensor"] is None
