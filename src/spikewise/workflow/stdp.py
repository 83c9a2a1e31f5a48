"""The main job without labels: learn, name the neurons, stop early, price, and draw what came out.

All of it is one run folder. What is already there is not done again, so that a run that was interrupted at any
point goes on from there and ends in the same bits.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spikewise.data.images import ImageSet, load_splits
from spikewise.dynamic.controls import stop_at_first_spike
from spikewise.dynamic.trace import ScoreTrace
from spikewise.dynamic.uncertainty import UncertaintyExit
from spikewise.energy.measurement import measured_of
from spikewise.energy.meter import EnergyMeter
from spikewise.errors import DataError, ParameterError
from spikewise.learn.stdp.classifier import STDPClassifier
from spikewise.learn.stdp.responses import Responses
from spikewise.price.analysis.companions import Prices
from spikewise.runs.exit_record import ExitRecord
from spikewise.runs.exit_settings import ExitSettings
from spikewise.runs.folder import Run
from spikewise.runs.names import PICTURES
from spikewise.runs.results import (
    AccessFigures,
    Controls,
    Costs,
    CPUSeconds,
    DataFigures,
    ExitFigures,
    HealthFigures,
    Page,
    STDPExitFigures,
    STDPResults,
)
from spikewise.spikes.decode import DECODERS, evidence_of

from .early_exit import Look, stop_and_price
from .folder import is_new, nothing_to_resume, page_of
from .learn import MUCH_VALIDATION, Progress, identify, learn_stdp
from .settings.stdp import STDPSettings

Stages = Callable[[str], Progress]
"""Opens a progress report for a stage with this title."""

_CPU_TIMES = ("test_full_cpu_s", "test_exit_cpu_s")  # of the test images, before the name of the exit setting
_MOST_PAIRS, _PAIRS_S = 3, 2.0  # measurements of CPU time, and seconds after which there is no further one
_CHOICE = 200  # validation images among which the one to be drawn is looked for


def run_stdp(
    settings: STDPSettings,
    out: Path,
    stages: Stages,
    root: Path | None = None,
    *,
    resume: bool = False,
    n_jobs: int | None = None,
    meter: EnergyMeter | None = None,
) -> STDPResults:
    """Learn without labels, label, stop early and price, with pictures and a page.

    Parameters
    ----------
    settings : STDPSettings
        What to run.
    out : Path
        Folder of the run.
    stages : callable
        Opens a progress report per stage.
    root : Path, optional
        Where to look for data first.
    resume : bool
        Whether to go on with the run that is there.
    n_jobs : int, optional
        Threads; they change no figure but the times.
    meter : EnergyMeter, optional
        Measures energy; by default with the counters that this machine has. If it was given watts, they also turn the
        seconds of a run that is there already into joules.

    Returns
    -------
    STDPResults
        All figures (fractions, SI units).

    Raises
    ------
    RunError
        If the folder holds a run and ``resume`` is false, or a run with other settings or data.
    """
    settings.check()
    is_missed = is_new(out, resume) and resume
    splits = splits_for(settings.data, root, settings.limit)
    meter = meter or EnergyMeter()
    network, run, record, prices = learn_and_stop(settings, out, splits, stages, n_jobs=n_jobs, meter=meter)
    progress = stages(f"draw {_title(settings, splits)}")
    progress(0, 2, "pictures")
    with run.locked():
        _draw(run, network, splits["validation"], record.rule)
        progress(1, 2, "report.html")
        page = page_of(run, meter.watts, *nothing_to_resume(out, is_missed))
        results = _results(settings, run, network, record, prices, page, meter.watts)
    progress(2, 2, "report.html")
    return results


def _results(
    settings: STDPSettings, run: Run, network: STDPClassifier, record: ExitRecord, prices: Prices, page: Page,
    watts: float | None,
) -> STDPResults:  # fmt: skip
    """Everything from the run folder, so that a run that is resumed after its end tells the same."""
    name, n_test, timings = record.name, record.n_test, run.record["timings"]
    full_s, exit_s = (timings.get(f"{key} ({name})") for key in _CPU_TIMES)
    full, stopped = run.load.counts, run.exit(name).load.counts
    totals = {
        "training": full and full.training_total,
        "inference": full and full.inference_total,
        "inference_exit": stopped and stopped.inference_total,
    }
    health = network.encoder_.health_
    return STDPResults(
        run=str(run.path),
        data=DataFigures(**{key: run.entry("data", key) for key in ("name", "n_train", "n_validation")}, n_test=n_test),
        settings={
            **settings.keywords,
            "n_bits": network.encoder_.engine_.settings.n_bits,  # what "auto" came to
            "max_drop": record.calibration.max_drop,
        },
        accuracy=record.accuracy_full, accuracy_by_decoder=record.accuracy_by_decoder or {},
        exit=STDPExitFigures(ExitFigures.of(record), exit_s / full_s if full_s and exit_s is not None else None),
        controls=Controls.of(record, has_first_spike=True),
        cpu_s=CPUSeconds(timings.get("train_cpu_s_per_sample"), full_s and full_s / n_test, exit_s and exit_s / n_test),
        health=HealthFigures(health, health.problems),
        operations={which: AccessFigures.of(total) for which, total in totals.items() if total},
        cost=Costs.of(prices), measured=measured_of(run, name, watts),
        n_test_evaluations=len(run.record["test_evaluations"]), pictures=str(run.path / PICTURES), page=page,
    )  # fmt: skip


def learn_and_stop(
    settings: STDPSettings,
    path: Path,
    splits: Mapping[str, ImageSet],
    stages: Stages,
    *,
    n_jobs: int | None = None,
    meter: EnergyMeter | None = None,
) -> tuple[STDPClassifier, Run, ExitRecord, Prices]:
    """Learn, label, stop early and price in one run folder; goes on from what is there.

    Returns
    -------
    STDPClassifier, Run, ExitRecord, Prices
        The labelled network, its run, its exit setting, and the prices of that.
    """
    train, validation, test = (splits[name] for name in ("train", "validation", "test"))
    asked = {"data": {**identify(dict(splits)), "limit": settings.limit}, "stdp": settings.keywords}
    run = Run.start(path, kind="stdp", settings=asked, seed=settings.seed)
    with run.locked():
        title = _title(settings, splits)
        network = learn_stdp(
            run, train, validation, settings.keywords, stages(f"learn {title}"), n_jobs=n_jobs, meter=meter
        )

        # Evidence of single spikes adds up: the more of it, the surer the answer, so the rule reads the sum.
        record, prices = stop_and_price(
            run, network, validation, test, ExitSettings(max_drop=settings.max_drop, platform=settings.platform),
            stages(f"stop {title}"), accumulate="sum", meter=meter,
            look=lambda trace, rule: look_closer(network, test, trace, rule),
        )  # fmt: skip
        run.update(metrics={"accuracy_by_decoder": record.accuracy_by_decoder})
    return network, run, record, prices


def look_closer(network: STDPClassifier, test: ImageSet, trace: ScoreTrace, rule: UncertaintyExit) -> Look:
    """What an STDP network shows in its look at the test set, besides what every network shows.

    All decoders read the same output spikes. CPU times are of one thread, full runs and early exit in turn, the best
    of up to three.
    """
    encoder, evidence = network.encoder_, network.evidence_
    seconds = dict.fromkeys(_CPU_TIMES, np.inf)

    def timed(name: str, rule: UncertaintyExit | None) -> Responses:
        began = time.process_time()
        found = encoder.respond(test.images, evidence, rule, n_jobs=1)
        seconds[name] = min(seconds[name], time.process_time() - began)
        return found

    began = time.perf_counter()
    for pair in range(_MOST_PAIRS):
        if pair == 0 or time.perf_counter() - began < _PAIRS_S:
            full, _ = timed(_CPU_TIMES[0], None), timed(_CPU_TIMES[1], rule)
    accuracy, mean_steps = stop_at_first_spike(trace)
    return Look(accuracy_by_decoder(network, full, trace.labels), accuracy, mean_steps, seconds)


def accuracy_by_decoder(network: STDPClassifier, found: Responses, index: Any) -> dict[str, float]:
    """Accuracy of each decoder on the same output spikes.

    Parameters
    ----------
    network : STDPClassifier
        A labelled network.
    found : Responses
        What it answered to B samples.
    index : int array of shape (B,)
        Place of each sample's class in ``network.classes_``.
    """
    accuracy = {}
    for name in sorted(DECODERS):
        evidence = evidence_of(name, network.class_counts_, network.n_labelled_)
        scores = np.zeros((len(index), len(evidence)))
        np.add.at(scores, found.samples, evidence.T[found.neurons])  # in the order of the compiled loop
        accuracy[name] = float(np.mean(scores.argmax(1) == index))
    return accuracy


def _title(settings: STDPSettings, splits: Mapping[str, ImageSet]) -> str:
    return f"stdp{settings.n_neurons} on {splits['train'].name}"


def splits_for(data: str, root: Path | None = None, limit: int | None = None) -> dict[str, ImageSet]:
    """Pictures to learn without labels from, of which all classes are shown.

    Parameters
    ----------
    data : str
        Name of a data set, an .npz file or a folder of class folders.
    root : Path, optional
        Where to look first.
    limit : int, optional
        Training images; all if absent.

    Raises
    ------
    ParameterError
        If they are no pictures, or fewer than the limit.
    DataError
        If classes are missing.
    """
    splits = load_splits(data, root, min_validation=MUCH_VALIDATION)
    train, name = splits["train"], splits["train"].name
    if train.n_frames is not None:
        raise ParameterError(f"data must be pictures to learn without labels; got the recordings {name}.")
    if limit is not None:
        if limit > train.n_samples:
            raise ParameterError(
                f"limit must be at most the {train.n_samples} training images of {name}; got {limit}. "
                "Leave it out to use them all."
            )
        splits["train"] = train = train.subset(slice(limit))
    there, needed = (set(np.unique(labels).tolist()) for labels in (train.labels, _held_out_labels(splits)))
    if len(there) < 2 or not needed <= there:
        few = f"of the {len(needed | there)} classes its {train.n_samples} training images show {len(there)}"
        raise DataError(f"{name} must show every class, and two at least, while learning; {few}. Use more images.")
    return splits


def _held_out_labels(splits: Mapping[str, ImageSet]) -> Any:
    return np.concatenate([splits["validation"].labels, splits["test"].labels])


def _draw(run: Run, network: STDPClassifier, validation: ImageSet, rule: Any) -> None:
    from spikewise.report.figures.stdp_run import write_pictures
    from spikewise.runs.contents import RunContents

    choice = validation.subset(slice(_CHOICE))
    answered = network.predict_with_exit(choice.images, rule)
    # The one to be drawn is typical: answered right, and after as many steps as half of the others.
    distance = np.abs(answered.steps - np.median(answered.steps)) + answered.n_steps * (
        answered.labels != choice.labels
    )
    write_pictures(RunContents.read(run), network, choice.images[[int(distance.argmin())]], rule, run.path / PICTURES)
