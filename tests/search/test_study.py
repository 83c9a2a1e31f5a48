"""Trials are tried once each, under the budget, by however many workers, of which some may die."""

import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter
from dataclasses import replace

import pytest

pytest.importorskip("optuna")

from spikewise.errors import DataError, RunError
from spikewise.search.budget import Budget
from spikewise.search.designs import STDPDesign, STDPSpace
from spikewise.search.outcome import candidates_of, chosen_of, front_of, within
from spikewise.search.storage import url_of
from spikewise.search.strategies import growing, shuffled
from spikewise.search.study import DIED, HOPELESS, KNOWN, OVER_BUDGET, TRAINED, Study
from spikewise.search.task import Findings, Point

SPACE = STDPSpace(n_neurons=(10, 20, 40, 80), n_bits=(2, 8), n_steps=(100, 200), rule=("lean",))
BUDGET = Budget(memory_bits=400)


class Toy:
    """More bits are better, more memory dearer; long presentations bring nothing."""

    def __init__(self, look=None):
        self.trained, self.look_at = [], look

    def predict(self, design):
        return {"memory_bits": float(design.n_neurons * design.n_bits), "energy_j": design.n_steps * 1e-9}

    def look(self, design):
        return self.look_at and self.look_at(design)

    def train_fully(self, design, progress):
        self.trained.append(design)
        accuracy = 1 - 1 / (design.n_neurons * design.n_bits)
        costs = self.predict(design)
        point = Point(0.0, accuracy, 50.0, costs["energy_j"] / 2, 1e-3)
        return Findings(accuracy, costs["memory_bits"], {"energy_j": costs["energy_j"]}, (point,), 0.1, 1000)


def feasible(space=SPACE, budget=BUDGET):
    return [design for design in space.designs() if not budget.exceeded(Toy().predict(design))]


def opened(path, **changes):
    given = {
        "space": SPACE, "feasible": feasible(), "first": [], "planned": shuffled(feasible(), 3), "budget": BUDGET,
        "n_trials": 50, "seed": 0, **changes,
    }  # fmt: skip
    return Study.open(url_of(path / "study.db"), {"n_look": 1000}, **given)


def test_every_design_within_the_budget_is_trained_once_in_the_seeded_order(tmp_path):
    task, study = Toy(), opened(tmp_path)
    study.work(task)
    assert task.trained == shuffled(feasible(), 3)
    assert len(task.trained) == 14
    assert not any(BUDGET.exceeded(trial.predicted) for trial in study.trials() if trial.outcome == TRAINED)
    opened(tmp_path).work(task)  # once more: nothing is left
    assert len(task.trained) == 14


def test_an_interrupted_study_goes_on_with_what_it_was_at(tmp_path):
    class Interrupted(Toy):
        def train_fully(self, design, progress):
            if len(self.trained) == 5:
                raise KeyboardInterrupt
            return super().train_fully(design, progress)

    first, second = Interrupted(), Toy()
    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path).work(first)
    opened(tmp_path).work(second)
    assert Counter(first.trained + second.trained) == Counter(feasible())


def test_a_dead_workers_trial_is_taken_up_again(tmp_path):
    script = textwrap.dedent(f"""
        import sqlite3, sys, time
        sys.path.insert(0, {str(tmp_path)!r})
        import importlib.util
        spec = importlib.util.spec_from_file_location("toys", {__file__!r})
        toys = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(toys)
        from pathlib import Path
        class Stuck(toys.Toy):
            def train_fully(self, design, progress):
                if len(self.trained) == 3:
                    beats = sqlite3.connect({str(tmp_path / "study.db")!r}).execute
                    while beats("select count(*) from trial_heartbeats").fetchone()[0] < 4:
                        time.sleep(0.01)  # only a trial that has had a heartbeat can be seen to have lost it
                    print("stuck", flush=True)
                    time.sleep(600)
                return super().train_fully(design, progress)
        toys.opened(Path({str(tmp_path)!r}), grace_s=2).work(Stuck())
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as worker:
        try:
            assert worker.stdout.readline().strip() == "stuck"
        finally:
            worker.kill()
    task, study = Toy(), opened(tmp_path, grace_s=2)
    study.work(task)
    trials = study.trials()
    assert [trial.outcome for trial in trials].count(DIED) == 1
    assert Counter(trial.design for trial in trials if trial.outcome == TRAINED) == Counter(feasible())
    assert len(task.trained) == 14 - 3


def test_a_trial_without_any_heartbeat_is_taken_up_again(tmp_path):
    study = opened(tmp_path, grace_s=2)
    with pytest.warns(UserWarning, match="Heartbeat"):
        dead = study._study.ask()  # its worker died at once: the trial runs, and there is nothing that could stop
    beats = sqlite3.connect(tmp_path / "study.db").execute("select count(*) from trial_heartbeats")
    assert (dead.number, beats.fetchone()) == (0, (0,))
    task = Toy()
    study.work(task)
    outcomes = [trial.outcome for trial in study.trials()]
    assert (outcomes[0], outcomes.count(DIED)) == (DIED, 1)
    assert Counter(task.trained) == Counter(feasible())


def test_the_sampler_trains_no_design_over_the_budget_and_none_twice(tmp_path):
    first = growing(SPACE, lambda design: design in feasible())
    task, study = Toy(), opened(tmp_path, planned=None, first=first, n_trials=9)
    study.work(task)
    assert task.trained[: len(first)] == first
    assert len(task.trained) == len(set(task.trained)) == 9
    assert set(task.trained) <= set(feasible())
    assert {trial.outcome for trial in study.trials()} <= {TRAINED, OVER_BUDGET, KNOWN}


def test_the_sampler_ends_where_no_design_is_left(tmp_path):
    task = Toy()
    opened(tmp_path, planned=None).work(task)
    assert Counter(task.trained) == Counter(feasible())


def test_hopeless_designs_are_given_up_after_a_look(tmp_path):
    task = Toy(look=lambda design: 0.5 if design.n_steps == 200 else 0.9)
    study = opened(tmp_path)
    study.work(task)
    trials = study.trials()
    by_design = {trial.design: trial for trial in trials}
    for design in task.trained:
        if design.n_steps == 200:  # its shorter sister came later
            sister = design.model_copy(update={"n_steps": 100})
            assert by_design[sister].number > by_design[design].number
    assert sum(trial.outcome == HOPELESS for trial in trials) + len(task.trained) == 14
    assert sum(trial.outcome == HOPELESS for trial in trials) > 0
    assert not [trial for trial in trials if trial.outcome == HOPELESS and trial.findings]


def test_the_choice_is_as_good_as_the_best_and_leaner(tmp_path):
    study = opened(tmp_path)
    study.work(Toy())
    found = candidates_of(study.trials())
    assert within(found, Budget(accuracy=0.99)) == [each for each in found if each.point.accuracy >= 0.99]
    few = [replace(each, n_samples=100) for each in found]
    chosen, reasons = chosen_of(few)
    best = max(few, key=lambda each: each.point.accuracy)
    assert chosen in front_of(few)
    assert (chosen.memory_bits, chosen.design.n_steps) == (160, 100)  # within an error of the best, which has 320 bits
    assert best.point.accuracy - chosen.point.accuracy < 0.006
    assert len(reasons) == 2
    assert chosen_of([]) is None


def test_a_worker_that_slept_too_long_gives_way(tmp_path):
    class Asleep(Toy):
        def train_fully(self, design, progress):
            if len(self.trained) == 2:
                study = opened(tmp_path)._study
                running = next(trial for trial in study.get_trials() if trial.state.name == "RUNNING")
                study._storage.set_trial_state_values(running._trial_id, running.state.__class__.FAIL)  # as if stale
            return super().train_fully(design, progress)

    task, study = Asleep(), opened(tmp_path)
    study.work(task)
    trained = [trial.design for trial in study.trials() if trial.outcome == TRAINED]
    assert Counter(trained) == Counter(feasible())  # each counts once, though one was computed twice
    assert len(task.trained) == 15


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
def test_a_design_of_which_workers_keep_dying_is_left_alone(tmp_path):
    import optuna

    study = opened(tmp_path)
    victim = study.trials()[0].design
    for again in (True, True, False):
        trial = study._study.ask()
        while trial.user_attrs["design"] != victim.model_dump():  # taken on the way: given back
            study._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            trial = study._study.ask()
        study._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        if again:
            study._enqueue(victim)
    task = Toy()
    study.work(task)
    assert Counter(task.trained) == Counter(set(feasible()) - {victim})


def test_helpers_need_something_to_help_with(tmp_path):
    with pytest.raises(RunError, match="must hold a search to help with"):
        opened(tmp_path, worker=None)
    opened(tmp_path, n_trials=3)
    assert opened(tmp_path, worker=None, n_trials=50).n_trials == 3


def test_a_study_that_is_there_is_gone_on_with_on_request_alone(tmp_path):
    opened(tmp_path, name="search-1", resume=False)
    opened(tmp_path, name="search-2", resume=False)  # another one in the same database
    opened(tmp_path, name="search-1")
    with pytest.raises(RunError, match="must not hold this search yet"):
        opened(tmp_path, name="search-1", resume=False)


def test_more_trials_may_be_asked_for(tmp_path):
    first, more = Toy(), Toy()
    opened(tmp_path, n_trials=4, planned=None).work(first)
    opened(tmp_path, n_trials=50).work(more)  # now there are trials for all
    assert Counter(first.trained + more.trained) == Counter(feasible())


def test_passwords_are_not_shown(tmp_path):
    with pytest.raises(RunError, match=r"postgresql://me:\*\*\*@nowhere/db") as caught:
        Study.open(
            "postgresql://me:secret@nowhere/db", {}, space=SPACE, feasible=[], first=[], planned=None, budget=BUDGET,
            n_trials=3, seed=0,
        )  # fmt: skip
    assert "secret" not in str(caught.value)


def test_another_search_is_not_gone_on_with(tmp_path):
    opened(tmp_path)
    with pytest.raises(RunError, match="differs in n_look"):
        Study.open(
            url_of(tmp_path / "study.db"), {"n_look": 999}, space=SPACE, feasible=feasible(), first=[], planned=None,
            budget=BUDGET, n_trials=3, seed=0,
        )  # fmt: skip


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "study.db").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises((DataError, RunError), match=r"study\.db must be a database"):
        opened(tmp_path)


def test_designs_over_budget_are_told_to_the_sampler(tmp_path):
    study = opened(tmp_path, planned=None, n_trials=14)
    study.work(Toy())
    for trial in study.trials():
        assert (trial.outcome == OVER_BUDGET) == bool(BUDGET.exceeded(trial.predicted))


def test_fspinn_grows_until_the_budget_is_hit():
    assert [design.n_neurons for design in growing(SPACE, lambda design: design in feasible())] == [10, 20, 40]
    assert growing(SPACE, lambda design: False) == []
    assert growing(SPACE, lambda design: True)[-1] == STDPDesign(n_neurons=80, n_bits=8, n_steps=200)
