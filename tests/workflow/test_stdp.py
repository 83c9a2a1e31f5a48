import json
from dataclasses import asdict

import numpy as np
import pytest

from spikewise.energy.meter import EnergyMeter
from spikewise.errors import DataError, MissingExtraError, ParameterError, RunError
from spikewise.learn.stdp import STDPClassifier
from spikewise.runs import Run, as_plain
from spikewise.workflow.learn import open_network
from spikewise.workflow.settings.stdp import STDPSettings
from spikewise.workflow.stdp import accuracy_by_decoder, learn_and_stop
from spikewise.workflow.stdp import run_stdp as run_stdp_typed


def run_stdp(*given, **named):
    """What ``--json`` prints."""
    return as_plain(run_stdp_typed(*given, **named))


PICTURES = {"accuracy.png", "confusion.png", "labels.png", "raster.png", "weights.png"}


_OF_THE_MACHINE = ("cpu_s", "run", "pictures", "report", "measured")


def asked(few_digits, **changes):
    wanted = {"data": str(few_digits), "n_neurons": 25, "n_steps": 150, "n_epochs": 6, "max_drop": 0.02}
    return STDPSettings(**{**wanted, **changes})


def silent(title):
    return lambda done, total, note: None


@pytest.fixture(scope="module")
def folder(few_digits, tmp_path_factory):
    return tmp_path_factory.mktemp("runs") / "few-stdp25-0"


@pytest.fixture(scope="module")
def results(few_digits, folder):
    return run_stdp(asked(few_digits), folder, silent)


@pytest.fixture(scope="module")
def network(results, folder):
    return open_network(Run.open(folder))


def without_times(results):
    """Everything but seconds and paths."""
    kept = {key: value for key, value in results.items() if key not in _OF_THE_MACHINE}
    return {**kept, "exit": {key: value for key, value in results["exit"].items() if key != "cpu_share"}}


def test_all_figures_are_fractions_and_numbers(results):
    assert json.loads(json.dumps(results, allow_nan=False)) == results
    exits, controls = results["exit"], results["controls"]
    shares = [results["accuracy"], exits["accuracy"], exits["in_spike_share"], exits["cpu_share"]]
    shares += [*results["accuracy_by_decoder"].values(), *(control["accuracy"] for control in controls.values())]
    assert all(0 <= share <= 1.5 for share in shares)
    assert results["accuracy"] > 0.5
    assert 1 <= exits["mean_steps"] < exits["n_steps"] == 150
    assert exits["in_spike_share"] == pytest.approx(exits["mean_steps"] / 150, abs=0.03)
    assert 0 < results["cost"]["energy_j"] < results["cost"]["without_exit"]["energy_j"]
    assert results["cpu_s"]["training_sample"] > 0
    full, stopped = results["operations"]["inference"], results["operations"]["inference_exit"]
    assert all(0 < stopped[key] < full[key] for key in full)
    assert results["operations"]["training"]["weight_accesses"] > full["weight_accesses"]


def test_a_calibrated_price_is_never_alone(results, folder):
    (beside,) = results["cost"]["beside"]
    (full,) = results["cost"]["without_exit"]["beside"]
    assert (results["cost"]["platform"], beside["platform"]) == ("rram-64-32nm", "rram-64-32nm-physical")
    for each in (results["cost"], beside):
        for key, (low, nominal, high) in each["band"].items():
            assert low <= nominal == each[key] <= high
    assert 0 < beside["energy_j"] < full["energy_j"]
    priced = Run.open(folder).record["metrics"]["cost"]
    assert priced["drop-0.02 on rram-64-32nm-physical"] == beside


def test_what_the_machine_took_stands_beside_the_estimate(results, folder, few_digits, undrawn):
    taken = results["measured"]
    assert set(taken) == {"training", "labelling", "inference", "inference_exit"}
    assert all(found["seconds_per_sample"] == found["seconds"] / found["n_samples"] > 0 for found in taken.values())
    assert taken["training"]["n_samples"] == Run.open(folder).record["metrics"]["n_presentations"]
    assert taken["labelling"]["n_samples"] == results["data"]["n_train"]
    assert taken["inference"]["n_samples"] % results["data"]["n_test"] == 0
    meter = EnergyMeter(watts=30)
    again = run_stdp(asked(few_digits), folder, silent, resume=True, meter=meter)["measured"]
    for stage, found in again.items():  # nothing is done again: the recorded seconds become joules
        assert (found["seconds"], found["joules"]) == (taken[stage]["seconds"], 30 * taken[stage]["seconds"])


def test_every_decoder_reads_the_same_spikes_as_a_network_of_its_own(results, network, splits):
    test = splits["test"]
    for name, accuracy in results["accuracy_by_decoder"].items():
        other = STDPClassifier(n_neurons=25, decoder=name)
        other.encoder_, other.n_features_in_ = network.encoder_, network.n_features_in_
        other.label(splits["train"].images, splits["train"].labels)
        other.class_counts_, other.n_labelled_ = network.class_counts_, network.n_labelled_
        found = other.encoder_.respond(test.images)
        index = np.searchsorted(network.classes_, test.labels)
        assert accuracy == accuracy_by_decoder(other, found, index)[name]
    assert results["accuracy_by_decoder"][network.decoder] == results["accuracy"]
    assert results["accuracy"] == network.score(test.images, test.labels)


def test_the_controls_follow_from_the_scores(results, folder):
    trace, controls = Run.open(folder).trace, results["controls"]
    cut = round(results["exit"]["mean_steps"])
    assert controls["truncated"] == {"accuracy": trace.accuracy_by_step()[cut - 1], "mean_steps": cut}
    assert controls["random_exit"]["mean_steps"] == results["exit"]["mean_steps"]
    assert controls["first_spike"]["mean_steps"] < 150


def test_the_test_set_is_looked_at_once_even_if_the_run_is_resumed(few_digits, folder, results):
    again = run_stdp(asked(few_digits), folder, silent, resume=True)
    assert again == results
    assert again["n_test_evaluations"] == 1
    assert Run.open(folder).record["metrics"]["accuracy_by_decoder"] == results["accuracy_by_decoder"]


def test_another_tolerance_is_another_look_in_the_same_run(few_digits, tmp_path, undrawn):
    settings = asked(few_digits, n_neurons=9, n_steps=60, n_epochs=1)
    first = run_stdp(settings, tmp_path / "run", silent)
    second = run_stdp(settings.model_copy(update={"max_drop": 0.1}), tmp_path / "run", silent, resume=True)
    assert (first["n_test_evaluations"], second["n_test_evaluations"]) == (1, 2)
    assert second["exit"]["mean_steps"] <= first["exit"]["mean_steps"]
    assert second["accuracy"] == first["accuracy"]


def test_the_folder_holds_pictures_and_a_page_that_shows_them(results, folder):
    pictures = {path.name: path.read_bytes() for path in (folder / "pictures").iterdir()}
    assert set(pictures) == PICTURES
    assert all(content.startswith(b"\x89PNG") for content in pictures.values())
    html = (folder / "report.html").read_text(encoding="utf-8")
    for heading in ("What the neurons learned", "What the neurons stand for", "What the network mixes up"):
        assert heading in html


def test_an_interrupted_run_goes_on_and_ends_in_the_same_bits(
    few_digits, results, folder, tmp_path, monkeypatch, undrawn
):
    monkeypatch.setattr("spikewise.learn.stdp.encoder._SNAPSHOT_SECONDS", 0.0)

    def interrupting(title):
        def progress(done, total, note):
            if title.startswith("learn") and done >= 1000:
                raise KeyboardInterrupt

        return progress

    with pytest.raises(KeyboardInterrupt):
        run_stdp(asked(few_digits), tmp_path / "run", interrupting)
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()
    resumed = run_stdp(asked(few_digits), tmp_path / "run", silent, resume=True)
    assert without_times(resumed) == without_times(results)
    for name in ("model.safetensors", "workload.json"):
        assert (tmp_path / "run" / name).read_bytes() == (folder / name).read_bytes()
    assert Run.open(tmp_path / "run").record["metrics"] == Run.open(folder).record["metrics"]


def test_threads_change_no_figure(few_digits, results, tmp_path, undrawn):
    assert without_times(run_stdp(asked(few_digits), tmp_path / "run", silent, n_jobs=2)) == without_times(results)


def test_a_folder_with_a_run_is_not_written_to_unless_asked(few_digits, folder, results):
    with pytest.raises(RunError, match="--resume"):
        run_stdp(asked(few_digits), folder, silent)
    with pytest.raises(RunError, match=r"differs in seed, settings\.stdp\.random_state"):
        run_stdp(asked(few_digits, seed=1), folder, silent, resume=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rule": "leen"}, "'lean'"),
        ({"decoder": "vote"}, "'votes'"),
        ({"platform": "rram"}, "platform"),
        ({"rule": "fspinn", "batch_size": 4}, "batch_size must be 1"),
        ({"limit": 1000}, "at most the"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(few_digits, tmp_path, changes, words):
    with pytest.raises(ParameterError, match=words):
        run_stdp(asked(few_digits, **changes), tmp_path / "run", silent)
    assert not (tmp_path / "run").exists()


def test_every_class_must_be_there_to_learn_from(few_digits, tmp_path):
    with pytest.raises(DataError, match=r"of the 10 classes its 3 training images show [123]"):
        run_stdp(asked(few_digits, limit=3), tmp_path / "run", silent)
    np.savez(tmp_path / "one.npz", images=np.arange(800, dtype=np.uint8).reshape(50, 4, 4), labels=np.zeros(50, int))
    with pytest.raises(DataError, match="two at least"):
        run_stdp(STDPSettings(data=str(tmp_path / "one.npz")), tmp_path / "run", silent)
    assert not (tmp_path / "run").exists()


def test_a_limit_takes_fewer_training_images_alone(few_digits, results, tmp_path, undrawn):
    settings = asked(few_digits, n_neurons=9, n_steps=60, n_epochs=1, limit=100)
    found = run_stdp(settings, tmp_path / "run", silent)
    assert (found["data"]["n_train"], found["data"]["n_test"]) == (100, results["data"]["n_test"])


def test_without_the_extra_there_is_no_page_and_a_remark(few_digits, tmp_path, monkeypatch):
    def missing(*_, **__):
        raise MissingExtraError("Run: pip install 'spikewise[report]'")

    monkeypatch.setattr("spikewise.report.page.page.write_page", missing)
    found = run_stdp(asked(few_digits, n_neurons=9, n_steps=60, n_epochs=1), tmp_path / "run", silent)
    assert found["report"] is None
    assert "spikewise[report]" in found["remarks"][0]
    assert {path.name for path in (tmp_path / "run" / "pictures").iterdir()} == PICTURES


def test_going_on_with_a_run_that_is_not_there_is_remarked_on(few_digits, tmp_path, undrawn):
    settings = asked(few_digits, n_neurons=9, n_steps=60, n_epochs=1)
    assert "no run to go on with" in run_stdp(settings, tmp_path / "run", silent, resume=True)["remarks"][0]
    assert run_stdp(settings, tmp_path / "run", silent, resume=True)["remarks"] == []


def test_health_tells_what_the_estimator_tells(results, network):
    health = network.encoder_.health_
    assert results["health"] == {**asdict(health), "problems": health.problems}


def test_a_stage_of_another_workflow_leaves_the_same_network(few_digits, splits, results, folder, tmp_path):
    from spikewise.data import load_splits

    own = load_splits(few_digits, min_validation=10_000)
    _, run, found, (cost, *_) = learn_and_stop(asked(few_digits), tmp_path / "run", own, silent)
    assert found.accuracy_full == results["accuracy"]
    assert cost.energy_j == results["cost"]["energy_j"]
    assert (run.path / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert not (run.path / "pictures").exists()
