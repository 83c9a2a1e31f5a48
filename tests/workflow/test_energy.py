"""Joules and seconds that end up in the run, also if learning is spread over several processes."""

import pytest

from spikewise.energy.measurement import measured_of
from spikewise.energy.meter import EnergyMeter
from spikewise.runs import Run
from spikewise.runs.exit_settings import ExitSettings
from spikewise.workflow import NetworkSettings
from spikewise.workflow.early_exit import stop_early
from spikewise.workflow.energy import LearningMeter, measure_answers
from spikewise.workflow.learn import learn_deep, learn_stdp

VGG5 = NetworkSettings(model="vgg5", width=0.25)
N, JOULES = 100, 3.0


@pytest.fixture
def run(tmp_path):
    return Run.start(tmp_path / "run", kind="stdp", settings={}, seed=0)


@pytest.fixture
def checkpoint(tmp_path):
    return tmp_path / "checkpoint"


def replace(checkpoint, content):
    """A checkpoint that has moved on, also on a file system with coarse times."""
    new = checkpoint.with_suffix(".new")
    new.write_text(str(content))
    new.replace(checkpoint)


def learn(run, checkpoint, powercap, since, until, *, dies=False, meter=None):
    """A process that learns samples ``since`` to ``until`` in pieces of N, each for some joules."""
    meter = meter or EnergyMeter()
    with meter:
        measure = LearningMeter(run, meter, checkpoint)
        for first in range(since, until, N):
            powercap(JOULES)
            replace(checkpoint, first + N)
            measure.piece(first, first + N)
        if not dies:
            powercap(1.0)
            run.update(measured=measure.finish(until, n_labelled=50))


def test_what_learning_took_is_told(run, checkpoint, powercap):
    learn(run, checkpoint, powercap, 0, 5 * N)
    found = measured_of(Run.open(run.path))
    training, labelling = found["training"], found["labelling"]
    assert (training.joules, training.n_samples, training.n_missing) == (pytest.approx(5 * JOULES), 5 * N, 0)
    assert training.joules_per_sample == pytest.approx(JOULES / N)
    assert training.source == "RAPL (package-0)"
    assert (labelling.joules, labelling.n_samples) == (pytest.approx(1.0), 50)
    assert training.seconds > 0 <= labelling.seconds


def test_a_killed_process_leaves_what_it_took_to_the_next(run, checkpoint, powercap):
    learn(run, checkpoint, powercap, 0, 2 * N, dies=True)
    assert measured_of(Run.open(run.path))["training"].n_samples == 2 * N
    learn(Run.open(run.path), checkpoint, powercap, 2 * N, 5 * N)
    training = measured_of(Run.open(run.path))["training"]
    assert (training.joules, training.n_samples, training.n_missing) == (pytest.approx(5 * JOULES), 5 * N, 0)


def test_what_a_killed_process_could_not_tell_is_missing_and_no_part_of_the_mean(run, checkpoint, powercap):
    learn(run, checkpoint, powercap, 0, 2 * N, dies=True)
    learn(Run.open(run.path), checkpoint, powercap, 3 * N, 5 * N)  # its checkpoint was ahead of its record
    training = measured_of(Run.open(run.path))["training"]
    assert (training.n_samples, training.n_missing) == (4 * N, N)
    assert training.joules_per_sample == pytest.approx(JOULES / N)


def test_what_is_learned_again_is_counted_again(run, checkpoint, powercap):
    learn(run, checkpoint, powercap, 0, 3 * N)  # and killed before its network was saved
    learn(Run.open(run.path), checkpoint, powercap, 2 * N, 3 * N)
    training = measured_of(Run.open(run.path))["training"]
    assert (training.n_samples, training.n_missing) == (4 * N, 0)
    assert training.joules_per_sample == pytest.approx(JOULES / N)


def test_learning_that_begins_anew_does_not_take_over_an_old_record(run, checkpoint, powercap):
    learn(run, checkpoint, powercap, 0, 2 * N, dies=True)
    checkpoint.unlink()
    learn(Run.open(run.path), checkpoint, powercap, 0, 3 * N)
    assert measured_of(Run.open(run.path))["training"].n_samples == 3 * N


@pytest.mark.parametrize("knows", [True, False])
def test_a_process_that_finds_all_learned_keeps_what_is_known(run, checkpoint, powercap, knows):
    learn(run, checkpoint, powercap, 0, 3 * N, dies=True)
    if not knows:
        run.record["measured"] = {}
        run.update(measured={})
    learn(Run.open(run.path), checkpoint, powercap, 3 * N, 3 * N)
    training = measured_of(Run.open(run.path))["training"]
    assert (training.n_samples, training.n_missing) == ((3 * N, 0) if knows else (0, 3 * N))
    assert (training.joules_per_sample is None) == training.source.startswith("not measured") == (not knows)


def test_parts_with_and_without_counters_give_no_joules_but_all_seconds(run, checkpoint, powercap, tmp_path):
    learn(run, checkpoint, powercap, 0, 2 * N, dies=True)
    seconds = measured_of(Run.open(run.path))["training"].seconds
    learn(Run.open(run.path), checkpoint, powercap, 2 * N, 3 * N, meter=EnergyMeter(root=tmp_path / "absent"))
    training = measured_of(Run.open(run.path))["training"]
    assert training.joules is None
    assert training.source.startswith("not measured throughout: RAPL (package-0); later not measured")
    assert training.seconds > seconds
    assert training.at_watts(10).joules == 10 * training.seconds


def test_answers_are_repeated_until_they_can_be_measured(powercap, monkeypatch):
    monkeypatch.setattr("spikewise.workflow.energy._LEAST_S", 0.02)
    calls = []

    def answer():
        powercap(0.5)
        calls.append(len(calls))
        return calls[-1]

    first, taken = measure_answers(EnergyMeter(), answer, n_samples=7)
    assert first == 0
    assert taken.n_samples == 7 * len(calls) > 7
    assert taken.joules == pytest.approx(0.5 * len(calls))
    assert taken.seconds >= 0.02


class Spender:
    """A network that lets the processor spend joules whenever it answers."""

    def __init__(self, network, spend):
        self.network, self.spend = network, spend

    def __getattr__(self, name):
        return getattr(self.network, name)

    def predict_with_exit(self, images, rule):
        self.spend(2.0)
        return self.network.predict_with_exit(images, rule)


@pytest.mark.parametrize("kind", ["stdp", "deep"])
def test_joules_arrive_in_the_record_of_a_real_run(kind, splits, tmp_path, powercap):
    train, validation, test = (splits[name] for name in ("train", "validation", "test"))
    run = Run.start(tmp_path / "run", kind=kind, settings={}, seed=0)

    def spend(done, total, note):
        powercap(1.0)

    if kind == "stdp":
        keywords = {"n_neurons": 10, "n_steps": 60, "n_epochs": 9, "random_state": 0}
        network, n_presentations = learn_stdp(run, train, validation, keywords, spend), 9 * train.n_samples
    else:
        from spikewise.learn import FitSettings

        settings = FitSettings(epochs=2, n_steps=2)
        network, n_presentations = learn_deep(run, train, validation, VGG5, settings, spend), 2 * train.n_samples
    stop_early(run, Spender(network, powercap), validation, test, ExitSettings(max_drop=0.02), accumulate="sum")
    found = measured_of(Run.open(run.path))
    # A piece is read before its progress is shown, so what is spent then belongs to the next one.
    assert found["training"].joules >= 1.0
    assert found["training"].n_samples == n_presentations
    assert ("labelling" in found) == (kind == "stdp")
    for stage in ("inference", "inference_exit"):
        assert found[stage].joules == pytest.approx(2.0)
        assert found[stage].n_samples == test.n_samples
        assert found[stage].source == "RAPL (package-0)"


def test_a_machine_without_counters_says_why_and_what_to_do(run, checkpoint, no_counters):
    learn(run, checkpoint, lambda joules: None, 0, N)
    training = measured_of(Run.open(run.path))["training"]
    assert training.joules is None
    assert "offers no energy counters" in training.source
    assert "--watts W" in training.source
    assert training.n_samples == N
