"""The leanest network under a budget: predict every design, train what may fit, take the best and test it.

A search is a folder: ``study.db`` with all trials, which any number of processes share, ``search.json`` with what came
out, the picture of the front, and in ``tested/`` a run of the chosen design, and of that of FSpiNN's algorithm, trained
again and tested. The test images play no part before that.
"""

import json
import multiprocessing
import signal
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spikewise._files import make_folder, remove_leftovers, write_json
from spikewise.data.images import ImageSet
from spikewise.errors import CapacityError, ParameterError, RunError, require
from spikewise.price.analysis.companions import check_platform
from spikewise.runs.folder import folder_lock
from spikewise.runs.results import DesignFigures, DesignTest, SearchResults, TakenDesign, as_plain
from spikewise.search.budget import Budget
from spikewise.search.designs import STDPDesign
from spikewise.search.outcome import candidates_of, chosen_of, front_of, rewarded, volume_of, within
from spikewise.search.storage import url_of
from spikewise.search.strategies import growing, resolve, shuffled
from spikewise.search.study import DIED, HOPELESS, KNOWN, OVER_BUDGET, TRAINED, Study, Trial
from spikewise.search.task import STDPTask
from spikewise.units import format_memory, format_si

from .learn import Progress, identify
from .settings.search import SearchSettings
from .settings.stdp import STDPSettings
from .stdp import run_stdp, splits_for
from .threshold import halves

STUDY_FILE, RESULT_FILE, TESTED = "study.db", "search.json", "tested"
_OUTCOMES = (TRAINED, HOPELESS, OVER_BUDGET, KNOWN, DIED)
_MOST_DESIGNS = 20_000
_FILE = url_of("")


@dataclass(frozen=True, slots=True)
class Plan:
    """What follows from the settings and the data before any training.

    Parameters
    ----------
    task : STDPTask
        Answers for each design.
    predicted : dict
        Figures of every design of the space.
    feasible : list of STDPDesign
        Designs whose figures keep the budget.
    first : list of STDPDesign
        FSpiNN's designs.
    strategy : str
        In which order designs are tried.
    identity : dict
        What a study must agree in.
    """

    task: STDPTask
    predicted: dict[STDPDesign, dict[str, float]]
    feasible: list[STDPDesign]
    first: list[STDPDesign]
    strategy: str
    identity: dict[str, Any]

    def open(self, settings: SearchSettings, url: str, worker: int | None = 0, *, resume: bool = True) -> Study:
        """The study in the database, named by what it must agree in, so that a database may hold several."""
        planned = {
            "enumerate": [*self.first, *(d for d in shuffled(self.feasible, settings.seed) if d not in self.first)],
            "fspinn": self.first,
        }.get(self.strategy)
        return Study.open(
            url, self.identity, space=settings.space, feasible=self.feasible,
            first=[] if planned is not None else self.first, planned=planned, budget=settings.budget,
            n_trials=settings.n_trials, seed=settings.seed, worker=worker,
            name="search" if url.startswith(_FILE) else _name(self.identity), resume=resume,
        )  # fmt: skip


def run_search(
    settings: SearchSettings, out: Path, stages: Callable[[str], Progress], root: Path | None = None, *,
    resume: bool = False, n_workers: int = 1, storage: str | None = None, is_helper: bool = False,
) -> SearchResults | None:  # fmt: skip
    """Search, choose, train the choice again, test it, and keep all of it in one folder.

    Parameters
    ----------
    settings : SearchSettings
        What to look for.
    out : Path
        Folder of the search.
    stages : callable
        Opens a progress report per stage.
    root : Path, optional
        Where to look for data first.
    resume : bool
        Whether to go on with the search that is there.
    n_workers : int
        Processes that try designs.
    storage : str, optional
        Address of a database that machines share; a file in the folder if absent.
    is_helper : bool
        Whether to try designs alone, and leave what came out to another process.

    Returns
    -------
    SearchResults or None
        None of a helper.

    Raises
    ------
    CapacityError
        If no design of the space keeps the budget.
    RunError
        If the folder holds a search and ``resume`` is false, one with other settings or data, another process works in
        it, or there is no search to help with.
    MissingExtraError
        If Optuna is not installed.
    """
    require("optuna", "search")
    if storage is not None and "://" not in storage:
        raise ParameterError(f"storage must be the address of a database, such as postgresql://...; got {storage!r}.")
    if is_helper:
        splits = splits_for(settings.data, root, settings.limit)
        plan = plan_of(settings, splits, stages(f"predict {len(settings.space)} designs"))
        study = plan.open(settings, storage or _own(out, "help with"), worker=None)
        _work(study, plan, settings, stages(f"help {out.name}"), "", root, 1)
        return None
    with folder_lock(make_folder(out)):
        remove_leftovers([out])
        if (out / STUDY_FILE).exists() and not resume:
            raise RunError(
                f"{out} must not hold a search yet; it does. Go on with it by --resume, or choose another by --out."
            )
        began = time.perf_counter()
        splits = splits_for(settings.data, root, settings.limit)
        plan = plan_of(settings, splits, stages(f"predict {len(settings.space)} designs"))
        url = storage or url_of(out / STUDY_FILE)
        study = plan.open(settings, url, resume=resume)
        _work(study, plan, settings, stages(f"search {splits['train'].name}"), url, root, n_workers)
        results = outcome_of(settings, plan, study.trials(), out, began)
        write_json(out / RESULT_FILE, as_plain(results))
        chosen, fspinn = (
            replace(taken, test=_tested(taken.figures, settings, out, stages, root)) if taken else None
            for taken in (results.chosen, results.fspinn)
        )
        results = replace(results, chosen=chosen, fspinn=fspinn, seconds=time.perf_counter() - began)
        write_json(out / RESULT_FILE, as_plain(results))
    return results


def _name(identity: Mapping[str, Any]) -> str:
    return f"search-{zlib.crc32(json.dumps(identity, sort_keys=True).encode()):08x}"


def _own(out: Path, purpose: str) -> str:
    """Address of the study of a folder, which must be there."""
    if not (out / STUDY_FILE).exists():
        raise RunError(f"{out} must hold a search to {purpose}; it holds none. Begin it first, without --helper.")
    return url_of(out / STUDY_FILE)


def _tested(
    row: DesignFigures, settings: SearchSettings, out: Path, stages: Callable[[str], Progress], root: Path | None
) -> DesignTest:
    """Train a design again, in a run of its own, and look at the test images."""
    design = row.design
    asked = STDPSettings(
        **{**design.keywords, "data": settings.data, "max_drop": row.max_drop},
        platform=settings.platform, seed=settings.seed, limit=settings.limit,
    )  # fmt: skip
    folder = out / TESTED / design.name
    found = run_stdp(asked, folder, stages, root, resume=(folder / "run.json").exists())
    priced, stopped = found.cost.with_exit.asked, found.exit.figures
    figures = {"energy_j": priced.energy_j, "latency_s": priced.latency_s, "memory_bits": row.memory_bits}
    return DesignTest(
        run=found.run, accuracy=found.accuracy, accuracy_exit=stopped.accuracy, mean_steps=stopped.mean_steps,
        n_test=found.data.n_test, n_test_evaluations=found.n_test_evaluations, **figures,
        energy_full_j=found.cost.without_exit.asked.energy_j,
        exceeded=settings.budget.exceeded({**figures, "accuracy": stopped.accuracy}),
    )  # fmt: skip


def plan_of(settings: SearchSettings, splits: Mapping[str, ImageSet], progress: Progress) -> Plan:
    """Predict every design of the space and keep those within the budget.

    Raises
    ------
    CapacityError
        If there is none.
    ParameterError
        If the space is too large, or a design cannot be trained.
    """
    check_platform(settings.platform)
    chosen_on, kept = halves(splits["validation"])
    task = STDPTask(splits["train"], chosen_on, kept or chosen_on, settings.platform, settings.seed)
    if len(settings.space) > _MOST_DESIGNS:
        raise ParameterError(
            f"a space must hold at most {_MOST_DESIGNS:,} designs; got {len(settings.space):,}. Name fewer choices."
        )
    designs = settings.space.designs()
    for rule in settings.space.rule:
        task.check(next(design for design in designs if design.rule == rule))
    predicted = {}
    for place, design in enumerate(designs):
        predicted[design] = task.predict(design)
        progress(place + 1, len(designs), "")
    feasible = [design for design in designs if not settings.budget.exceeded(predicted[design])]
    if not feasible:
        raise CapacityError(_no_fit(settings, predicted))
    first = growing(settings.space, lambda design: not settings.budget.exceeded(predicted[design]))
    strategy = resolve(settings.strategy, len(feasible), settings.n_trials)
    if strategy == "fspinn" and not first:
        raise CapacityError(
            "FSpiNN's algorithm must find its smallest network within the budget; with most bits and the longest "
            "presentation none is. Give less bits or steps to choose from, or another strategy."
        )
    identity = {**settings.of_the_study, "data": identify(dict(splits)), "n_look": chosen_on.n_samples}
    return Plan(task, predicted, feasible, first, strategy, identity)


def outcome_of(settings: SearchSettings, plan: Plan, trials: Sequence[Trial], out: Path, began: float) -> SearchResults:
    """Counts, front, hypervolume, and the choice of the search beside that of FSpiNN's algorithm, before any test."""
    found = candidates_of(trials)
    kept = within(found, settings.budget)
    of_fspinn = [each for each in kept if each.design in plan.first]
    limits = settings.budget
    reference = (
        1 - 1 / len(plan.task.train.classes),
        limits.memory_bits or max((each.memory_bits for each in found), default=1.0),
        limits.energy_j or max((each.point.energy_j for each in found), default=1.0),
    )
    chosen, theirs = chosen_of(kept), rewarded(of_fspinn, limits)
    counts = {word: sum(trial.outcome == word for trial in trials) for word in _OUTCOMES}
    trained = [(t.design, t.predicted, t.findings) for t in trials if t.outcome == TRAINED and t.findings and t.design]
    results = SearchResults(
        data=settings.data, settings=settings.model_dump(mode="json"), strategy=plan.strategy,
        n_designs=len(plan.predicted), n_feasible=len(plan.feasible), n_trials=len(trials), n_trained=counts[TRAINED],
        n_hopeless=counts[HOPELESS], n_over_budget_proposed=counts[OVER_BUDGET],
        n_over_budget_trained=sum(design not in plan.feasible for design, _, _ in trained),
        n_taken_up_again=counts[DIED], judged_apart=plan.task.kept is not plan.task.chosen_on,
        n_over_budget_measured=len({each.trial for each in found} - {each.trial for each in kept}),
        energy_measured_by_predicted=_spread(
            [findings.full["energy_j"] / predicted["energy_j"] for _, predicted, findings in trained]
        ),
        memory_is_as_predicted=all(
            findings.memory_bits == predicted["memory_bits"] for _, predicted, findings in trained
        ),
        trial_cpu_s=sum(findings.seconds for _, _, findings in trained), reference=reference,
        hypervolume={"search": volume_of(kept, reference), "fspinn": volume_of(of_fspinn, reference)},
        n_trained_fspinn=len({each.trial for each in of_fspinn}),
        front=[DesignFigures.of(each) for each in front_of(kept)], trained=[DesignFigures.of(each) for each in found],
        chosen=TakenDesign(DesignFigures.of(chosen[0]), chosen[1]) if chosen else None,
        fspinn=TakenDesign(DesignFigures.of(theirs)) if theirs else None,
        search=str(out), seconds=time.perf_counter() - began, picture=None,
    )  # fmt: skip
    return replace(results, picture=_draw(results, limits, out))


def _work(
    study: Study, plan: Plan, settings: SearchSettings, progress: Progress, url: str, root: Path | None, n_workers: int
) -> None:
    """Try designs here and in further processes, until there are enough."""
    context = multiprocessing.get_context("spawn")
    helpers = [
        context.Process(target=_help, args=(settings, url, root, worker), daemon=True) for worker in range(1, n_workers)
    ]
    for each in helpers:
        each.start()

    def show(share: float, note: str) -> None:
        done = sum(trial.outcome in (TRAINED, HOPELESS) for trial in study.trials())
        goal = min(study.n_trials, len(plan.feasible))
        progress(min(done + share, goal), goal, note)

    try:
        study.work(plan.task, show)
    finally:
        for each in helpers:
            each.terminate()
        for each in helpers:
            each.join()
    done = sum(trial.outcome in (TRAINED, HOPELESS) for trial in study.trials())
    progress(done, done, "designs tried")


def _help(settings: SearchSettings, url: str, root: Path | None, worker: int) -> None:
    """A further process: try designs as long as the first one lives."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends this one
    parent = multiprocessing.parent_process()
    splits = splits_for(settings.data, root, settings.limit)
    plan = plan_of(settings, splits, lambda done, total, note: None)
    study = plan.open(settings, url, worker)
    study.work(plan.task, is_wanted=lambda: parent is None or parent.is_alive())


def _draw(results: SearchResults, budget: Budget, out: Path) -> str | None:
    from spikewise.report.figures.front import write_front

    return str(write_front(results, budget, out / "front.png")) if results.trained else None


def _spread(ratios: Sequence[float]) -> tuple[float, float, float] | None:
    return (min(ratios), sorted(ratios)[len(ratios) // 2], max(ratios)) if ratios else None


def _no_fit(settings: SearchSettings, predicted: Mapping[STDPDesign, Mapping[str, float]]) -> str:
    def least(key: str) -> float:
        return min(figures[key] for figures in predicted.values())

    words = {
        "memory_bits": f"{format_memory(least('memory_bits'))} of memory",
        "energy_j": format_si(least("energy_j"), "J"),
        "latency_s": format_si(least("latency_s"), "s"),
    }
    limited = [text for key, text in words.items() if getattr(settings.budget, key) is not None]
    return (
        f"some design must keep the budget; of {len(predicted)} none does. The least that any takes on "
        f"{settings.platform}: {', '.join(limited)}. Raise a limit, or give smaller designs to choose from "
        "(--neurons, --bits, --steps)."
    )
