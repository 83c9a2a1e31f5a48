"""Run the trials of a search from a database that several processes or machines share (Optuna's storage).

A trial proposes a design. The design is trained only if its prediction keeps the budget, no other trial trained it and
trials are left; the decision is stored with the trial. A worker that dies stops its heartbeat: after half a minute
another worker repeats the trial under a new number.
"""

from __future__ import annotations

import os
import socket
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import numpy as np

from spikewise._files import differences
from spikewise.errors import RunError, require

from .budget import Budget
from .designs import STDPDesign, STDPSpace
from .pruning import is_hopeless
from .storage import Witness, calm, guarded, open_storage, shown
from .task import Findings, Progress

TRAINED, HOPELESS = "trained", "hopeless"
OVER_BUDGET, KNOWN, SURPLUS, DIED = "over budget", "known", "surplus", "died"
_DECIDED = (TRAINED, HOPELESS)

GRACE_S = 30
"""Seconds without a heartbeat after which the worker of a trial counts as dead."""

Objectives = tuple[float, float, float]

_MOST_DEATHS = 3  # a design whose trials killed this many workers is not tried again
_AGREE_S = 20.0  # longest wait until running trials have stored their designs
_PATIENCE = 30  # after this many proposals in a row without a training, a remaining design is drawn at random
_WAIT_S = 0.5


class Task(Protocol):
    """Evaluates a design for a trial; see :class:`~spikewise.search.task.STDPTask`."""

    def predict(self, design: Any) -> dict[str, float]:
        """Predict memory, energy and latency before training."""

    def look(self, design: Any) -> float | None:
        """Return the accuracy after little training; None if it is not tested."""

    def train_fully(self, design: Any, progress: Progress) -> Findings:
        """Train completely and return accuracy and costs."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Stored state and results of a trial.

    Parameters
    ----------
    number : int
        Number from 0, in the order of proposal.
    state : str
        State in Optuna: WAITING, RUNNING, COMPLETE, PRUNED or FAIL.
    outcome : str
        trained, hopeless, over budget, known, surplus or died (with its worker); empty while the trial is open.
    design : STDPDesign, optional
        Proposed design; None until a worker starts the trial.
    predicted : dict
        Memory, energy and latency before training.
    look : float, optional
        Accuracy after little training.
    findings : Findings, optional
        Results of a trained design.
    """

    number: int
    state: str
    outcome: str
    design: STDPDesign | None
    predicted: dict[str, float]
    look: float | None
    findings: Findings | None


class Study:
    """A search that several workers share; make one with :meth:`open`.

    Parameters
    ----------
    study : optuna.Study
        Optuna's study, which stores the trials.
    witness : Witness
        Watches the trials of the other workers.
    space : STDPSpace
        Choices for each property of a design.
    feasible : sequence of STDPDesign
        Designs whose prediction keeps the budget.
    first : sequence of STDPDesign
        Designs to train before any other.
    planned : sequence of STDPDesign, or None
        All designs to train, in this order; None leaves the choice to Optuna's sampler.
    budget : Budget
        Limits of a design.
    n_trials : int
        Largest number of designs to train.
    seed : int
        Seed of the choices that Optuna's sampler does not make.
    """

    def __init__(
        self, study: Any, witness: Witness, space: STDPSpace, feasible: Sequence[STDPDesign],
        first: Sequence[STDPDesign], planned: Sequence[STDPDesign] | None, budget: Budget, n_trials: int, seed: int,
    ) -> None:  # fmt: skip
        self._study, self._witness, self._axes, self._budget = study, witness, space.axes, budget
        self._owed = [*first, *(planned or [])]
        self._allowed, self._is_planned = list(feasible if planned is None else planned), planned is not None
        self.n_trials, self._seed, self._latest = n_trials, seed, ""

    @classmethod
    def open(
        cls, url: str, identity: Mapping[str, Any], *, space: STDPSpace, feasible: Sequence[STDPDesign],
        first: Sequence[STDPDesign], planned: Sequence[STDPDesign] | None, budget: Budget, n_trials: int, seed: int,
        name: str = "search", worker: int | None = 0, resume: bool = True, grace_s: int = GRACE_S,
    ) -> Study:  # fmt: skip
        """Open the study in a database, or create it there.

        Parameters
        ----------
        url : str
            Address of the database, such as ``sqlite:///study.db``.
        identity : mapping
            Settings and data that must be equal for a study to be continued; values that JSON can hold.
        space, feasible, first, planned, budget, n_trials, seed
            As for the class. A helper uses the ``n_trials`` of the study.
        name : str
            Name of the study; a database may hold several.
        worker : int or None
            0 creates the study if there is none; other workers help, each with its own random choices. None is a helper
            without a number.
        resume : bool
            Whether an existing study may be continued.
        grace_s : int
            Seconds without a heartbeat after which the worker of a trial counts as dead.

        Raises
        ------
        RunError
            If the study belongs to another search, if a helper finds no study, or if the database cannot be used.
        """
        optuna = require("optuna", "search")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with guarded(url), calm():
            storage = open_storage(url, grace_s, _MOST_DEATHS - 1)
            if worker != 0 and name not in optuna.get_all_study_names(storage):
                raise RunError(f"{shown(url)} must hold a search to help with; it holds none. Begin it first.")
            if not resume and name in optuna.get_all_study_names(storage):
                raise RunError(f"{shown(url)} must not hold this search yet; it does. Go on with it by --resume.")
            study = optuna.create_study(
                storage=storage, study_name=name, directions=["minimize"] * 3, load_if_exists=True
            )
            who = f"{socket.gethostname()} {os.getpid()}" if worker is None else str(worker)
            # Each worker needs another seed, or all would propose the same; the number of trials so far changes it when
            # a search is continued. A checksum, because Python's hash of text differs from process to process.
            own = zlib.crc32(f"{seed} {who} {len(study.get_trials(deepcopy=False))}".encode())
            # constant_liar: running trials count as bad, so that workers do not propose the same design.
            study.sampler = optuna.samplers.TPESampler(seed=own, multivariate=True, constant_liar=True)
            if worker == 0:
                study.set_user_attr("n_trials", n_trials)
            n_trials = int(study.user_attrs["n_trials"])
            opened = cls(study, Witness(storage, name), space, feasible, first, planned, budget, n_trials, seed)
            found = study.user_attrs.get("identity")
            if found is None:
                study.set_user_attr("identity", dict(identity))
                for design in opened._owed:
                    opened._enqueue(design)
        differs = differences(found or dict(identity), dict(identity))
        if differs:
            raise RunError(
                f"{shown(url)} must hold a search with the same settings and data to be gone on with; it differs in "
                f"{', '.join(differs)}. Choose another folder with --out."
            )
        return opened

    def work(
        self, task: Task, progress: Progress = lambda share, note: None, is_wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """Try designs until enough are trained, none is left, or ``is_wanted`` returns False."""
        with guarded(), calm():
            idle = 0
            while is_wanted():
                self._witness.take_back_dead(self._study)
                trials = self.trials()
                n_decided = sum(trial.outcome in _DECIDED for trial in trials)
                n_waiting = sum(trial.state == "WAITING" for trial in trials)
                n_running = sum(trial.state == "RUNNING" for trial in trials)
                left, owed = self._left(self._allowed, trials), self._left(self._owed, trials)
                if n_decided >= self.n_trials or not (left or n_waiting or n_running):
                    return
                if not n_waiting and (n_decided + n_running >= self.n_trials or not left):
                    time.sleep(_WAIT_S)  # other workers run the last trials; if they die, this worker repeats those
                    continue
                if not n_waiting and owed:  # the search was interrupted before this design was trained
                    self._enqueue(owed[0])
                elif not n_waiting and idle >= _PATIENCE:
                    self._enqueue(left[np.random.default_rng([self._seed, len(trials)]).integers(len(left))])
                try:
                    self._study.optimize(lambda trial: self._try(trial, task, progress), n_trials=1)
                except ValueError as error:
                    if "Cannot tell" not in str(error):
                        raise
                    self._latest = ""  # this process was suspended so long that another one repeats the trial
                idle = 0 if self._latest in _DECIDED else idle + 1

    def trials(self) -> list[Trial]:
        """Return all trials so far, ordered by number."""
        found = []
        for each in self._study.get_trials(deepcopy=False):
            notes = each.user_attrs
            design, findings = notes.get("design"), notes.get("findings")
            outcome = notes.get("outcome", "") if each.state.name in ("COMPLETE", "PRUNED") else ""
            if each.state.name == "FAIL" and not notes.get("is_interrupted"):
                outcome = DIED
            found.append(Trial(
                each.number, each.state.name, outcome,
                STDPDesign(**design) if design else None, notes.get("predicted", {}), notes.get("look"),
                Findings.from_dict(findings) if findings else None,
            ))  # fmt: skip
        return found

    def _try(self, trial: Any, task: Task, progress: Progress) -> Objectives:
        try:
            return self._decided(trial, task, progress)
        except (Exception, KeyboardInterrupt) as error:
            if not isinstance(error, require("optuna", "search").TrialPruned):
                trial.set_user_attr("is_interrupted", True)  # a dead worker cannot set this
            raise

    def _decided(self, trial: Any, task: Task, progress: Progress) -> Objectives:
        picks = {name: values[trial.suggest_int(name, 0, len(values) - 1)] for name, values in self._axes.items()}
        design = STDPDesign(**picks)
        trial.set_user_attr("design", design.model_dump())
        predicted = task.predict(design)
        trial.set_user_attr("predicted", predicted)
        if self._budget.exceeded(predicted):
            self._skip(trial, OVER_BUDGET, self._budget.excess(predicted))
        others = self._others(trial)
        # The sampler may propose a design again: its results are copied without another training.
        twin = next((t for t in others if t.design == design and t.outcome in _DECIDED), None)
        if twin is not None:
            return self._told(trial, KNOWN, twin.look, twin.findings, predicted)
        is_open = [t for t in others if t.number < trial.number and t.state == "RUNNING"]
        if any(t.design == design for t in is_open):
            self._skip(trial, KNOWN)
        # Only lower numbers count, so that of several simultaneous trials the same ones go on in every process.
        n_before = len(is_open) + sum(t.number < trial.number and t.outcome in _DECIDED for t in others)
        is_unplanned = self._is_planned and design not in self._allowed
        if n_before >= self.n_trials or is_unplanned:
            self._skip(trial, SURPLUS)
        progress(0, design.name)
        look = task.look(design)
        if look is not None:
            trial.set_user_attr("look", look)
            rivals = [(t.predicted, t.look) for t in others if t.outcome == TRAINED and t.look is not None]
            if is_hopeless(predicted, look, rivals, self._study.user_attrs["identity"]["n_look"]):
                return self._told(trial, HOPELESS, look, None, predicted)
        return self._told(trial, TRAINED, look, task.train_fully(design, progress), predicted)

    def _others(self, trial: Any) -> list[Trial]:
        """Wait until trials with lower numbers have stored their designs, then return all trials."""
        # Of several trials with the same design only the one with the lowest number goes on.
        until = time.monotonic() + _AGREE_S
        while True:
            found = self.trials()
            is_silent = any(t.number < trial.number and t.state == "RUNNING" and t.design is None for t in found)
            if not is_silent or time.monotonic() > until:
                return found
            time.sleep(_WAIT_S / 10)

    def _told(
        self, trial: Any, outcome: str, look: float | None, findings: Findings | None, predicted: Mapping[str, float]
    ) -> Objectives:
        """Store the outcome and return the objectives: error, bits, joules; predicted ones for a hopeless design."""
        if findings is not None:
            trial.set_user_attr("findings", findings.to_dict())
        trial.set_user_attr("outcome", outcome)
        self._latest = outcome
        if findings is None:
            return 1 - (look or 0.0), predicted["memory_bits"], predicted["energy_j"]
        # Optuna knows one value per objective; the front later uses all points.
        best = max(findings.points, key=lambda point: point.accuracy)
        return 1 - best.accuracy, findings.memory_bits, best.energy_j

    def _skip(self, trial: Any, outcome: str, excess: float = 1e-9) -> NoReturn:
        trial.set_user_attr("outcome", outcome)
        trial.set_constraint("excess", excess)
        self._latest = outcome
        raise require("optuna", "search").TrialPruned(outcome)

    @staticmethod
    def _left(designs: Sequence[STDPDesign], trials: Sequence[Trial]) -> list[STDPDesign]:
        """Return the designs that no worker has taken yet, in order, without those that killed too many workers."""
        taken = {t.design for t in trials if t.design and (t.outcome in _DECIDED or t.state in ("RUNNING", "WAITING"))}
        died = Counter(t.design for t in trials if t.outcome == DIED)
        return [each for each in designs if each not in taken and died[each] < _MOST_DEATHS]

    def _enqueue(self, design: STDPDesign) -> None:
        values = design.model_dump()
        places = {name: choices.index(values[name]) for name, choices in self._axes.items()}
        self._study.enqueue_trial(places, user_attrs={"design": values})
