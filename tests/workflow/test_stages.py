import json
import os
import shutil

import numpy as np
import pytest

from spikewise.data.images import ImageSet
from spikewise.dynamic import EntropyExit, replay_exit
from spikewise.dynamic.rule import rule_from_dict
from spikewise.errors import DataError, ParameterError, RunError
from spikewise.price.cost import CostReport
from spikewise.runs import Run, find_runs
from spikewise.runs.exit_settings import ExitSettings
from spikewise.workflow import NetworkSettings, learn_deep, learn_stdp, open_network, price_exit, stop_early
from spikewise.workflow.early_exit import _pictures
from spikewise.workload import Workload

VGG5 = NetworkSettings(model="vgg5", width=0.25)
KEYWORDS = {"n_neurons": 30, "n_epochs": 4, "random_state": 0}


def silent(done, total, note):
    pass


def new_run(path, kind, **settings):
    return Run.start(path, kind=kind, settings=settings, seed=0)


@pytest.fixture(scope="module")
def stdp_run(tmp_path_factory, splits):
    run = new_run(tmp_path_factory.mktemp("runs") / "stdp", "stdp")
    network = learn_stdp(run, splits["train"], splits["validation"], KEYWORDS, silent)
    stop_early(run, network, splits["validation"], splits["test"], ExitSettings(max_drop=0.02), accumulate="sum")
    price_exit(run, "drop-0.02", "rram-64-32nm")
    return run


def test_a_run_folder_holds_what_the_design_says(stdp_run):
    here = {str(p.relative_to(stdp_run.path)) for p in stdp_run.path.rglob("*") if p.is_file()}
    names = ("exit.json", "choice.json", "workload.json", "cost.json", "gallery.npz")
    exits = {f"exits/drop-0.02/{name}" for name in names}
    assert here - {".lock"} == {"run.json", "model.safetensors", "model.json", "trace.npz", "workload.json"} | exits
    record = json.loads((stdp_run.path / "run.json").read_text())
    assert record["data"]["shape"] == [1, 8, 8]
    assert set(record["timings"]) >= {"train_s", "label_s"}
    assert "train_s" not in record["metrics"]
    stages = {"training", "labelling", "inference (drop-0.02)", "inference_exit (drop-0.02)"}
    assert set(record["measured"]) == stages


def test_the_test_set_is_looked_at_once_and_the_look_is_logged(stdp_run, splits):
    before = list(stdp_run.record["test_evaluations"])
    assert len(before) == 1
    network = open_network(stdp_run)
    stop_early(stdp_run, network, splits["validation"], splits["test"], ExitSettings(max_drop=0.02), accumulate="sum")
    assert Run.open(stdp_run.path).record["test_evaluations"] == before


def test_the_figures_follow_from_the_trace(stdp_run):
    found = json.loads((stdp_run.path / "exits/drop-0.02/exit.json").read_text())
    trace = stdp_run.trace
    steps, classes = replay_exit(trace, rule_from_dict(found["rule"]))
    assert found["accuracy_exit"] == np.mean(classes == trace.labels)
    assert found["mean_steps"] == steps.mean()
    assert sum(found["histogram"]) == found["n_test"] == trace.n_samples
    assert found["threshold"] == "heuristic"
    assert isinstance(rule_from_dict(found["rule"]), EntropyExit)


def test_the_price_is_that_of_the_samples_that_ran(stdp_run):
    folder = stdp_run.path / "exits/drop-0.02"
    load, cost = Workload.read(folder / "workload.json"), CostReport.read(folder / "cost.json")
    assert load.mean_steps == pytest.approx(cost.mean_steps)
    assert cost.energy_j < cost.static.energy_j
    assert 0 < cost.edp_saving < 1
    assert stdp_run.record["metrics"]["cost"]["drop-0.02 on rram-64-32nm"]["energy_j"] == cost.energy_j


def test_the_gallery_shows_the_first_and_the_last_to_leave(stdp_run):
    with np.load(stdp_run.path / "exits/drop-0.02/gallery.npz", allow_pickle=False) as gallery:
        easy, steps = gallery["is_easy"], gallery["steps"]
        assert gallery["images"].shape[1:] == (1, 8, 8)
        assert steps[easy].max() <= steps[~easy].min()


def test_the_same_seed_gives_identical_metrics(stdp_run, splits, tmp_path):
    run = new_run(tmp_path / "again", "stdp")
    network = learn_stdp(run, splits["train"], splits["validation"], KEYWORDS, silent)
    stop_early(run, network, splits["validation"], splits["test"], ExitSettings(max_drop=0.02), accumulate="sum")
    price_exit(run, "drop-0.02", "rram-64-32nm")
    assert run.record["metrics"] == stdp_run.record["metrics"]


def test_a_trained_network_is_not_trained_again(stdp_run, splits):
    def never(done, total, note):
        assert note == "was there already"

    network = learn_stdp(stdp_run, splits["train"], splits["validation"], KEYWORDS, never)
    assert network.predict(splits["test"].images).shape == (splits["test"].n_samples,)


def test_interrupted_deep_training_goes_on_and_ends_the_same(splits, tmp_path):
    from spikewise.learn import FitSettings

    settings = FitSettings(epochs=3, n_steps=2)
    calls = []

    def interrupt(done, total, note):
        calls.append(done)
        if done == 2:
            raise KeyboardInterrupt

    whole, broken = (new_run(tmp_path / name, "deep") for name in ("whole", "broken"))
    learn_deep(whole, splits["train"], splits["validation"], VGG5, settings, silent)
    with pytest.raises(KeyboardInterrupt):
        learn_deep(broken, splits["train"], splits["validation"], VGG5, settings, interrupt)
    resumed = Run.open(broken.path)
    learn_deep(resumed, splits["train"], splits["validation"], VGG5, settings, lambda done, *_: calls.append(done))
    assert list(dict.fromkeys(calls)) == [1, 2, 3]  # a slow machine tells of the end of an epoch's last batch as well
    assert resumed.record["metrics"] == whole.record["metrics"]
    assert (resumed.path / "model.safetensors").read_bytes() == (whole.path / "model.safetensors").read_bytes()
    assert not (resumed.path / "checkpoint.safetensors").exists()


def test_damaged_weights_and_foreign_kinds_are_named(stdp_run, tmp_path):
    run = new_run(tmp_path / "odd", "quantum")
    with pytest.raises(ParameterError, match="quantum"):
        open_network(run)
    broken = new_run(tmp_path / "broken", "stdp")
    (broken.path / "model.safetensors").write_bytes((stdp_run.path / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(DataError, match=r"model\.safetensors"):
        open_network(broken)


def test_runs_are_found_alone_and_in_a_folder(stdp_run, tmp_path):
    assert [run.path for run in find_runs(stdp_run.path)] == [stdp_run.path]
    assert [run.path for run in find_runs(stdp_run.path.parent)] == [stdp_run.path]
    with pytest.raises(DataError, match="no run"):
        find_runs(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="in the way"):
        new_run(tmp_path / "file", "stdp")


class Killed(BaseException):
    """Stands for kill -9 just before a file is replaced."""


def job(kind, path, splits):
    """All stages of a small run, from whatever is in the folder."""
    from spikewise.learn import FitSettings

    run = new_run(path, kind)
    with run.locked():
        if kind == "stdp":
            keywords = {"n_neurons": 10, "n_steps": 60, "n_epochs": 1, "random_state": 0}
            network = learn_stdp(run, splits["train"], splits["validation"], keywords, silent)
        else:
            settings = FitSettings(epochs=2, n_steps=2)
            network = learn_deep(run, splits["train"], splits["validation"], VGG5, settings, silent)
        stop_early(run, network, splits["validation"], splits["test"], ExitSettings(max_drop=0.02), accumulate="sum")
        price_exit(run, "drop-0.02", "rram-64-32nm")
    return run


@pytest.mark.parametrize("kind", ["stdp", "deep"])
def test_a_kill_before_any_file_is_replaced_loses_nothing(kind, splits, tmp_path, monkeypatch):
    replace, n_replaced, kill_at = os.replace, 0, -1

    def counting(*args):
        nonlocal n_replaced
        n_replaced += 1
        if n_replaced == kill_at:
            raise Killed
        replace(*args)

    monkeypatch.setattr("spikewise.learn.stdp.encoder._SNAPSHOT_SECONDS", 0.0)  # or so small a run leaves no snapshot
    monkeypatch.setattr(os, "replace", counting)
    whole = job(kind, tmp_path / "whole", splits)
    names = {p.relative_to(whole.path) for p in whole.path.rglob("*")}
    n_files = n_replaced
    assert n_files >= 10
    for kill_at in range(1, n_files + 1):
        n_replaced, folder = 0, tmp_path / str(kill_at)
        with pytest.raises(Killed):
            job(kind, folder, splits)
        n_replaced = n_files
        resumed = job(kind, folder, splits)
        assert resumed.record["metrics"] == whole.record["metrics"], f"killed before replacement {kill_at}"
        assert resumed.record["data"] == whole.record["data"]
        assert {p.relative_to(folder) for p in folder.rglob("*")} == names


def test_a_missing_file_is_made_again(stdp_run, splits, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(stdp_run.path, folder)
    for name in ("trace.npz", "exits/drop-0.02/gallery.npz", "workload.json"):
        (folder / name).unlink()
        run = Run.open(folder)
        network = open_network(run)
        stop_early(run, network, splits["validation"], splits["test"], ExitSettings(max_drop=0.02), accumulate="sum")
        assert (folder / name).exists()
    assert Run.open(folder).record["metrics"]["exits"] == stdp_run.record["metrics"]["exits"]


def test_a_damaged_exit_setting_is_named(stdp_run, splits, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(stdp_run.path, folder)
    (folder / "exits/drop-0.02/exit.json").write_text("{}")
    run = Run.open(folder)
    with pytest.raises(DataError, match=r"exit\.json must be an exit setting; .* Delete it"):
        stop_early(
            run, open_network(run), splits["validation"], splits["test"], ExitSettings(max_drop=0.02), accumulate="sum"
        )


def test_a_recording_is_shown_as_one_picture_with_a_colour_for_each_polarity():
    frames = np.zeros((3, 2, 2, 4, 4), np.uint8)
    frames[:, 0, 0, 1, 1] = 5  # first sample, first polarity, in every frame
    frames[1, 1, 1, 2, 2] = 1
    found = _pictures(ImageSet(frames, np.array([0, 1]), ("a", "b"), "toy", "test"))
    assert found.shape == (2, 3, 4, 4)
    assert found.dtype == np.uint8
    assert found[0, 0, 1, 1] == found[1, 1, 2, 2] == 255
    assert found.sum() == 2 * 255
