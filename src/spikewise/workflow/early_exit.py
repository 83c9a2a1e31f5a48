"""Second and third stage of a run: choose when to stop, really stop and measure it, and price what was computed.

The threshold is chosen on validation images and is called what it is, a heuristic or a guarantee. The test set is then
looked at once, and the look is logged in ``run.json``. Beside each early exit stand controls that spend as many steps
without asking the evidence: all samples cut at the same step, and exits at random.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise._choices import Accumulate
from spikewise._files import make_folder, mendable, read_json, replacing, write_json
from spikewise.data.images import ImageSet
from spikewise.dynamic.anytime import AnytimeClassifier, ExitResult
from spikewise.dynamic.controls import cut_at, random_exit_accuracy
from spikewise.dynamic.fingerprint import model_identity
from spikewise.dynamic.rule import NeverExit, rule_to_dict
from spikewise.dynamic.trace import ScoreTrace
from spikewise.dynamic.uncertainty import DoubtExit
from spikewise.energy.measurement import INFERENCE, INFERENCE_EXIT, Measurement, entry
from spikewise.energy.meter import EnergyMeter
from spikewise.errors import DataError
from spikewise.price.analysis.companions import Prices, figures_of, price_all, write_prices
from spikewise.runs.folder import CHOICE_FILE, COST_FILE, EXIT_FILE, GALLERY_FILE, TRACE_FILE, WORKLOAD_FILE, Run
from spikewise.workload.metrics import in_spike_share
from spikewise.workload.workload import Workload

from .energy import measure_answers
from .folder import check_others
from .learn import Progress
from .settings.exit import ExitSettings
from .threshold import choose, halves

_GALLERY_SIZE = 10
_FIGURES = {
    "accuracy_full", "accuracy_exit", "accuracy_random_exit", "accuracy_truncated", "in_spike_share", "mean_steps",
    "n_steps", "n_test", "histogram", "rule", "asked", "decided", "identity", "threshold", "calibration",
    "median_steps", "p95_steps",
}  # fmt: skip

Look = Callable[[ScoreTrace, DoubtExit], tuple[dict[str, Any], dict[str, float]]]
"""What else to find out in the one look at the test set, given its trace and the chosen rule: figures, and seconds."""


def stop_early(
    run: Run,
    network: AnytimeClassifier,
    validation: ImageSet,
    test: ImageSet,
    asked: ExitSettings,
    *,
    accumulate: Accumulate,
    look: Look | None = None,
    meter: EnergyMeter | None = None,
) -> dict[str, Any]:
    """Choose a threshold on validation images and really stop on test images.

    Parameters
    ----------
    run : Run
        Receives ``trace.npz``, ``workload.json`` (full runs), ``exits/NAME/``, and what the answers took.
    network : AnytimeClassifier
        The trained network.
    validation, test : ImageSet
        Images to choose the threshold on, and to report on.
    asked : ExitSettings
        When to stop.
    accumulate : {"mean", "sum"}
        Evidence that the rule reads.
    look : callable, optional
        What else to find out while the test set is being looked at; its figures join those of the exit setting.
    meter : EnergyMeter, optional
        Measures energy; by default with the counters that this machine has.

    Returns
    -------
    dict
        Rule, calibration and test figures; also in ``exits/.../exit.json``.
    """
    name = asked.name
    folder = run.exit_folder(name)
    identity = model_identity(network)
    if all(path.exists() for path in _files_of(run, folder)):
        found = _read_exit(folder / EXIT_FILE)
        if (found["decided"], found["identity"]) == (asked.decides, identity):
            return {**found, "asked": asked.model_dump(exclude_none=True)}
    check_others(run, name)  # or the end of the work would be an error
    chosen = choose(
        network, validation, _kept(run, validation), asked, accumulate, identity=identity,
        price=lambda: price_all(network.workload(validation.images), asked.platform)[0],
    )  # fmt: skip
    run.log_test_evaluation(f"static curve and exit {name}", test.n_samples)
    trace = network.trace(test.images, test.labels)
    meter = meter or EnergyMeter()

    def answer(rule: DoubtExit | NeverExit) -> tuple[ExitResult, Measurement]:
        return measure_answers(meter, lambda: network.predict_with_exit(test.images, rule), test.n_samples)

    (static, took_full), (result, took_exit) = answer(NeverExit()), answer(chosen.rule)
    full_load = network.workload(test.images)
    exit_load = network.workload(test.images, chosen.rule)
    accuracy = trace.accuracy_by_step()
    figures, seconds = look(trace, chosen.rule) if look else ({}, {})
    report = {
        "name": name,
        "rule": rule_to_dict(chosen.rule),
        "asked": asked.model_dump(exclude_none=True),
        "decided": asked.decides,
        "identity": identity,
        "threshold": chosen.kind,
        "calibration": chosen.figures,
        **_test_figures(trace, result, test),
        "in_spike_share": in_spike_share(exit_load),
        **figures,
    }
    make_folder(folder)
    trace.write(run.path / TRACE_FILE)
    full_load.write(run.path / WORKLOAD_FILE)
    exit_load.write(folder / WORKLOAD_FILE)
    _write_gallery(folder / GALLERY_FILE, test, result)
    certificate = chosen.certificate.to_dict() if chosen.certificate else None
    others = {key: value for key, value in run.record["metrics"].get("exits", {}).items() if key != name}
    write_json(folder / CHOICE_FILE, {"certificate": certificate, "profile": chosen.profile.to_dict()})
    run.update(
        metrics={
            "exits": {**others, name: report},  # the newest comes last
            "accuracy_by_step": {str(step): float(accuracy[step - 1]) for step in kept_steps(len(accuracy))},
        },
        timings={
            f"test_full_s ({name})": static.wall_time_s,
            f"test_exit_s ({name})": result.wall_time_s,
            **{f"{key} ({name})": value for key, value in seconds.items()},
        },
        measured={entry(INFERENCE, name): took_full.to_dict(), entry(INFERENCE_EXIT, name): took_exit.to_dict()},
    )
    write_json(folder / EXIT_FILE, report)  # last: its presence means that the stage is complete
    return report


def _test_figures(trace: ScoreTrace, result: ExitResult, test: ImageSet) -> dict[str, Any]:
    """Accuracy and steps with early exit, beside all steps and the controls."""
    accuracy = trace.accuracy_by_step()
    return {
        "n_steps": result.n_steps,
        "n_test": test.n_samples,
        "accuracy_full": float(accuracy[-1]),
        "accuracy_exit": float(np.mean(result.labels == test.labels)),
        "accuracy_random_exit": random_exit_accuracy(trace, result.histogram),
        "accuracy_truncated": float(accuracy[cut_at(result.mean_steps) - 1]),
        "mean_steps": result.mean_steps,
        "median_steps": float(np.median(result.steps)),
        "p95_steps": float(np.quantile(result.steps, 0.95)),
        "histogram": result.histogram.tolist(),
    }


def stop_and_price(
    run: Run,
    network: AnytimeClassifier,
    validation: ImageSet,
    test: ImageSet,
    asked: ExitSettings,
    progress: Progress,
    **how: Any,
) -> tuple[dict[str, Any], Prices]:
    """:func:`stop_early` with these settings, then :func:`price_exit`, with progress in two steps."""
    progress(0, 2, "threshold, then the test images")
    found = stop_early(run, network, validation, test, asked, **how)
    progress(1, 2, f"price on {asked.platform}")
    prices = price_exit(run, asked.name, asked.platform)
    progress(2, 2, "priced")
    return found, prices


def _kept(run: Run, validation: ImageSet) -> ImageSet | None:
    """Validation images on which learning chose nothing."""
    if run.record["kind"] == "stdp":
        return validation
    chosen_on, kept = halves(validation)
    return kept if run.record["data"].get("epoch_chosen_on") == chosen_on.sha256 else None


def _files_of(run: Run, folder: Path) -> list[Path]:
    """Every file that :func:`stop_early` leaves; if one is missing, the stage is done again."""
    here = [folder / name for name in (EXIT_FILE, WORKLOAD_FILE, GALLERY_FILE, CHOICE_FILE)]
    return [run.path / TRACE_FILE, run.path / WORKLOAD_FILE, *here]


def _read_exit(path: Path) -> dict[str, Any]:
    from spikewise.runs.exit_record import read_figures

    with mendable(path):
        found = read_json(path, "exit setting")
        if not isinstance(found, dict) or not found.keys() >= _FIGURES:
            raise DataError(f"{path} must hold {', '.join(sorted(_FIGURES))}.")
    read_figures(path)
    return found


def price_exit(run: Run, name: str, platform: str) -> Prices:
    """Price the workload of an exit setting, and keep the reports in one file.

    Returns
    -------
    tuple of CostReport
        For the platform that was asked for, then for those that must be seen beside it.
    """
    folder = run.exit_folder(name)
    with mendable(folder / WORKLOAD_FILE):
        load = Workload.read(folder / WORKLOAD_FILE)
    prices = price_all(load, platform)
    write_prices(folder / COST_FILE, prices)
    figures = {f"{name} on {report.platform}": figures_of(report) for report in prices}
    run.update(metrics={"cost": {**run.record["metrics"].get("cost", {}), **figures}})
    return prices


def kept_steps(n_steps: int) -> list[int]:
    """Steps, up to about 50, whose accuracy ``run.json`` holds; the last is one of them.

    Examples
    --------
    >>> kept_steps(4), len(kept_steps(350))
    ([1, 2, 3, 4], 51)
    """
    return sorted({*range(1, n_steps, max(1, n_steps // 50)), n_steps})


def _write_gallery(path: Any, test: ImageSet, result: ExitResult) -> None:
    """Keep the clearest of the images that left first, one class after the other, and the least clear of the last."""
    ordered = np.sort(result.scores, axis=1)
    margin = ordered[:, -1] - ordered[:, -2]
    easiest_first = np.lexsort((-margin, result.steps))
    n = min(_GALLERY_SIZE, len(easiest_first) // 2)
    # Rank of each image within its class; the first of every class come before the second of any.
    rank = np.empty(len(easiest_first), np.int64)
    for label in np.unique(test.labels):
        of_class = easiest_first[test.labels[easiest_first] == label]
        rank[of_class] = np.arange(len(of_class))
    easy = easiest_first[np.argsort(rank[easiest_first], kind="stable")][:n]
    hard = easiest_first[~np.isin(easiest_first, easy)][::-1][:n]
    rows = np.concatenate([easy, hard])
    with replacing(path) as handle:
        np.savez_compressed(
            handle,
            images=_pictures(test.subset(rows)),
            labels=test.labels[rows],
            predicted=result.labels[rows],
            steps=result.steps[rows],
            is_easy=np.arange(2 * n) < n,
        )


def _pictures(images: ImageSet) -> NDArray[np.uint8]:
    """Pictures (B, C, H, W) of images, as they are; of recordings all frames in one, a colour for each polarity."""
    if images.n_frames is None:
        return images.images
    events = images.images.sum(0, dtype=np.float64)
    brightest = np.maximum(events.max((1, 2, 3), keepdims=True), 1)
    scaled = np.zeros((len(events), 3, *events.shape[2:]), np.uint8)
    scaled[:, : events.shape[1]] = 255 * events / brightest
    return scaled


def read_trace(run: Run) -> ScoreTrace:
    """Scores of the test images, as :func:`stop_early` left them."""
    return ScoreTrace.read(run.path / TRACE_FILE)
