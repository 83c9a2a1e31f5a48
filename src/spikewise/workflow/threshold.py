"""When to stop: how the threshold is chosen on validation images.

A guarantee needs images that did nothing else. Of a deep network the first half of the validation images chose the
epoch (:func:`halves`), so they may also choose temperatures and the order of a conditional path, and the second half
alone calibrates. An STDP network chose nothing on them, and they all calibrate. Constants and recipes that ship with
the package were compared on validation images of MNIST, Fashion-MNIST and CIFAR-10, of both halves: of these sets
only the choices of the run itself are kept apart.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spikewise._choices import Accumulate
from spikewise.data.images import ImageSet
from spikewise.data.splits import stratified_holdout
from spikewise.dynamic.anytime import AnytimeClassifier
from spikewise.dynamic.calibration import Calibration, calibrate
from spikewise.dynamic.exit_path import ExitPath
from spikewise.dynamic.guarantee import Certificate, certify, samples_needed
from spikewise.dynamic.monitor import ExitProfile
from spikewise.dynamic.temperature import fit_temperature
from spikewise.dynamic.trace import ScoreTrace
from spikewise.dynamic.uncertainty import UncertaintyExit
from spikewise.price.cost import CostReport
from spikewise.runs.exit_record import CalibrationFigures
from spikewise.runs.exit_settings import ExitSettings

ENOUGH_TO_HALVE = 800
"""Fewer validation images are not divided: a half could not even promise one point with 95 %."""


@dataclass(frozen=True, slots=True)
class ChosenRule:
    """A chosen rule, what it did on the images it was chosen on, and how it leaves them.

    Parameters
    ----------
    rule : UncertaintyExit
        The rule.
    kind : str
        "heuristic" or "guarantee".
    figures : CalibrationFigures
        Target and figures on those images.
    profile : ExitProfile
        For a drift monitor.
    certificate : Certificate, optional
        Where there is a guarantee.
    """

    rule: UncertaintyExit
    kind: str
    figures: CalibrationFigures
    profile: ExitProfile
    certificate: Certificate | None = None


def halves(validation: ImageSet) -> tuple[ImageSet, ImageSet | None]:
    """Images to choose on, and images to calibrate a guarantee on; all and None of a small set."""
    if validation.n_samples < ENOUGH_TO_HALVE:
        return validation, None
    images = validation.images if validation.n_frames is None else validation.images.swapaxes(0, 1)
    chosen_on, kept = stratified_holdout(images, validation.labels, 0.5)
    return validation.subset(chosen_on), validation.subset(kept)


def choose(
    network: AnytimeClassifier,
    validation: ImageSet,
    kept: ImageSet | None,
    asked: ExitSettings,
    accumulate: Accumulate,
    *,
    identity: Mapping[str, str],
    price: Callable[[], CostReport],
) -> ChosenRule:
    """Choose a rule as it was asked for.

    Parameters
    ----------
    network : AnytimeClassifier
        The trained network.
    validation : ImageSet
        Images kept out of learning.
    kept : ImageSet, optional
        Those of them on which nothing was chosen, not even the epoch; without any there is no guarantee.
    asked : ExitSettings
        What is wanted.
    accumulate : {"mean", "sum"}
        Evidence that the rule reads.
    identity : mapping of str to str
        Of network and machine, for a certificate.
    price : callable
        Gives the price of full runs, for targets of energy.
    """
    if asked.confidence is None or kept is None:
        return _heuristic(_trace(network, validation), asked, accumulate, price)
    trace = _trace(network, kept)
    is_tuned = asked.temperature or asked.conditional
    tuning = _trace(network, halves(validation)[0]) if is_tuned else trace
    path = _path(asked, accumulate, tuning)
    if asked.conditional:
        path = ExitPath.enabling(calibrate(tuning, path, max_drop=asked.max_drop).rule, trace.n_steps)
    found = certify(
        trace, path, max_drop=asked.max_drop or 0.0, confidence=asked.confidence, form=asked.form,
        conditional=asked.conditional, identity={**identity, "data": kept.sha256},
    )  # fmt: skip
    certificate = found if found.kind == "guarantee" else None
    return ChosenRule(
        found.rule, found.kind, _figures(found, n_needed=found.n_needed), ExitProfile.of(trace, found.rule), certificate
    )


def _heuristic(
    trace: ScoreTrace, asked: ExitSettings, accumulate: Accumulate, price: Callable[[], CostReport]
) -> ChosenRule:
    found = calibrate(trace, _path(asked, accumulate, trace), **_target(asked, price))
    needed: dict[str, int] = {}
    if asked.confidence is not None and asked.max_drop:
        needed["n_needed"] = samples_needed(asked.max_drop, asked.confidence, asked.form)
        if trace.n_samples < ENOUGH_TO_HALVE:
            # A half of every class is rounded, so that up to one image of each may be missing.
            needed["n_to_halve"] = max(ENOUGH_TO_HALVE, 2 * needed["n_needed"] + trace.n_classes)
    return ChosenRule(found.rule, found.kind, _figures(found, **needed), ExitProfile.of(trace, found.rule))


def _figures(found: Calibration | Certificate, **needed: int) -> CalibrationFigures:
    return CalibrationFigures(
        max_drop=found.max_drop, accuracy_full=found.accuracy_full, accuracy_exit=found.accuracy_exit,
        mean_steps=found.mean_steps, n_samples=found.n_samples, **needed,
    )  # fmt: skip


def _trace(network: AnytimeClassifier, images: ImageSet) -> ScoreTrace:
    return network.trace(images.images, images.labels)


def _path(asked: ExitSettings, accumulate: Accumulate, trace: ScoreTrace) -> ExitPath:
    temperature = fit_temperature(trace, accumulate) if asked.temperature else 1.0
    return ExitPath.of(asked.rule, accumulate, temperature)


def _target(asked: ExitSettings, price: Callable[[], CostReport]) -> dict[str, Any]:
    if asked.max_drop is not None:
        return {"max_drop": asked.max_drop}
    if asked.max_steps is not None:
        return {"max_steps": asked.max_steps}
    report = price()
    steps = range(1, report.n_steps + 1)
    energies = [report.energy_at(step) for step in steps]
    if asked.max_energy_j is not None:
        return {"max_cost": asked.max_energy_j, "cost_by_exit": energies}
    products = [energy * report.latency_at(step) for energy, step in zip(energies, steps, strict=True)]
    return {"max_cost": asked.max_edp_js, "cost_by_exit": products}
