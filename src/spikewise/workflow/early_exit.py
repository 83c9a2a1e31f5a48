"""Second and third stage of a run: choose when to stop, really stop and measure it, and price what was computed.

The threshold is chosen on validation images and is called what it is, a heuristic or a guarantee. The test set is then
looked at once, and the look is logged in ``run.json``. Beside each early exit stand controls that spend as many steps
without asking the evidence: all samples cut at the same step, and exits at random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spikewise._choices import Accumulate
from spikewise.data.images import ImageSet
from spikewise.dynamic.anytime import AnytimeClassifier, ExitResult
from spikewise.dynamic.controls import cut_at, random_exit_accuracy
from spikewise.dynamic.fingerprint import model_identity
from spikewise.dynamic.rule import NeverExit
from spikewise.dynamic.trace import ScoreTrace
from spikewise.dynamic.uncertainty import UncertaintyExit
from spikewise.energy.measurement import INFERENCE, INFERENCE_EXIT, Measurement, entry
from spikewise.energy.meter import EnergyMeter
from spikewise.price.analysis.companions import PriceFigures, Prices, price_all
from spikewise.runs.exit_folder import ExitFolder
from spikewise.runs.exit_record import ChoiceRecord, ExitRecord
from spikewise.runs.exit_settings import ExitSettings
from spikewise.runs.folder import Run
from spikewise.runs.gallery import Gallery
from spikewise.runs.names import TRACE_FILE, WORKLOAD_FILE
from spikewise.workload.metrics import in_spike_share
from spikewise.workload.workload import Workload

from .learn import Progress

if TYPE_CHECKING:
    from .threshold import ChosenRule

_GALLERY_SIZE = 10


@dataclass(frozen=True, slots=True)
class Look:
    """What else a look at the test set found: figures of networks without labels, and seconds for ``run.json``."""

    accuracy_by_decoder: dict[str, float]
    accuracy_first_spike: float
    first_spike_steps: float
    seconds: dict[str, float]


LookCloser = Callable[[ScoreTrace, UncertaintyExit], Look]
"""What else to find out in the one look at the test set, given its trace and the chosen rule."""


def stop_early(
    run: Run,
    network: AnytimeClassifier,
    validation: ImageSet,
    test: ImageSet,
    asked: ExitSettings,
    *,
    accumulate: Accumulate,
    look: LookCloser | None = None,
    meter: EnergyMeter | None = None,
) -> ExitRecord:
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
    ExitRecord
        Rule, calibration and test figures; also in ``exits/.../exit.json``.
    """
    identity = model_identity(network)
    there = run.exit(asked.name)
    is_whole = there.is_complete and all((run.path / name).exists() for name in (TRACE_FILE, WORKLOAD_FILE))
    if is_whole and (there.record.decided, there.record.identity) == (asked.decides, identity):
        return there.record.model_copy(update={"asked": asked})
    from .energy import measure_answers
    from .threshold import choose

    run.check_exits(but=asked.name)  # or the end of the work would be an error
    chosen = choose(
        network, validation, _kept(run, validation), asked, accumulate, identity=identity,
        price=lambda: price_all(network.workload(validation.images), asked.platform)[0],
    )  # fmt: skip
    run.log_test_evaluation(f"static curve and exit {asked.name}", test.n_samples)
    trace = network.trace(test.images, test.labels)
    meter = meter or EnergyMeter()

    def answer(rule: UncertaintyExit | NeverExit) -> tuple[ExitResult, Measurement]:
        return measure_answers(meter, lambda: network.predict_with_exit(test.images, rule), test.n_samples)

    (static, took_full), (result, took_exit) = answer(NeverExit()), answer(chosen.rule)
    full_load, exit_load = network.workload(test.images), network.workload(test.images, chosen.rule)
    closer = look(trace, chosen.rule) if look else None
    record = _record(asked, identity, chosen, trace, result, exit_load, test, closer)
    run.write_test(trace, full_load)
    there = ExitFolder(run.path / "exits" / asked.name)  # whatever was read of an older one
    there.write(ChoiceRecord(chosen.certificate, chosen.profile), exit_load, _gallery(test, result))
    seconds = {
        "test_full_s": static.wall_time_s,
        "test_exit_s": result.wall_time_s,
        **(closer.seconds if closer else {}),
    }
    run.add_exit(
        there, record,
        timings={f"{key} ({record.name})": value for key, value in seconds.items()},
        measured={entry(INFERENCE, record.name): took_full, entry(INFERENCE_EXIT, record.name): took_exit},
        accuracy_by_step={str(step): float(trace.accuracy_by_step()[step - 1]) for step in kept_steps(trace.n_steps)},
    )  # fmt: skip
    return record


def _record(
    asked: ExitSettings, identity: dict[str, str], chosen: ChosenRule, trace: ScoreTrace, result: ExitResult,
    load: Workload, test: ImageSet, closer: Look | None,
) -> ExitRecord:  # fmt: skip
    """Accuracy and steps with early exit, beside all steps and the controls."""
    accuracy = trace.accuracy_by_step()
    more = {} if closer is None else {key: getattr(closer, key) for key in _OF_A_LOOK}
    return ExitRecord(
        name=asked.name, rule=chosen.rule, asked=asked, decided=asked.decides, identity=identity,
        threshold=chosen.kind, calibration=chosen.figures, n_steps=result.n_steps, n_test=test.n_samples,
        accuracy_full=float(accuracy[-1]),
        accuracy_exit=float(np.mean(result.labels == test.labels)),
        accuracy_random_exit=random_exit_accuracy(trace, result.histogram),
        accuracy_truncated=float(accuracy[cut_at(result.mean_steps) - 1]),
        in_spike_share=in_spike_share(load), mean_steps=result.mean_steps,
        median_steps=float(np.median(result.steps)), p95_steps=float(np.quantile(result.steps, 0.95)),
        histogram=tuple(result.histogram.tolist()), **more,
    )  # fmt: skip


_OF_A_LOOK = ("accuracy_by_decoder", "accuracy_first_spike", "first_spike_steps")


def stop_and_price(
    run: Run,
    network: AnytimeClassifier,
    validation: ImageSet,
    test: ImageSet,
    asked: ExitSettings,
    progress: Progress,
    **how: Any,
) -> tuple[ExitRecord, Prices]:
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
    from .threshold import halves

    chosen_on, kept = halves(validation)
    return kept if run.record["data"].get("epoch_chosen_on") == chosen_on.sha256 else None


def price_exit(run: Run, name: str, platform: str) -> Prices:
    """Price the workload of an exit setting, and keep the reports in one file.

    Returns
    -------
    tuple of CostReport
        For the platform that was asked for, then for those that must be seen beside it.
    """
    folder = run.exit(name)
    prices = price_all(folder.load, platform)
    folder.write_prices(prices)
    figures = {f"{name} on {report.platform}": asdict(PriceFigures.of(report)) for report in prices}
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


def _gallery(test: ImageSet, result: ExitResult) -> Gallery:
    """The clearest of the images that left first, one class after the other, and the least clear of the last."""
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
    return Gallery(
        _pictures(test.subset(rows)), test.labels[rows], result.labels[rows], result.steps[rows], np.arange(2 * n) < n
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
