"""Evaluate a design in three stages: predict its costs, test it after little training, and train it completely.

The results depend only on the design, the images and the seed, so a design that is tried again gives the same results
on every machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from spikewise.data.images import ImageSet
from spikewise.dynamic.calibration import calibrate
from spikewise.dynamic.curve import exit_curve
from spikewise.dynamic.exit_path import ExitPath
from spikewise.errors import ParameterError
from spikewise.learn.stdp.classifier import STDPClassifier
from spikewise.learn.stdp.encoder import STDPEncoder
from spikewise.price.platform import load_platform

from .designs import STDPDesign
from .predict import inputs_per_step, memory_bits_of, predicted, predicted_workload, quiet

Progress = Callable[[float, str], None]
"""Called with the completed share of a trial, and a note."""

DROPS = (0.0, 0.005, 0.01)
"""Tolerated losses of accuracy; each gives an exit threshold, so a trained network gives three candidates."""

_LOOK = 0.2  # share of the training images for the early test
_LEAST_LOOK = 500  # images; with fewer the early test is skipped, because chance would decide


@dataclass(frozen=True, slots=True)
class Point:
    """A trained design with one exit threshold.

    Parameters
    ----------
    max_drop : float
        Tolerated loss of accuracy for which the threshold was chosen.
    accuracy : float
        Accuracy with early exit, on validation images that chose neither weights nor threshold.
    mean_steps : float
        Mean number of timesteps of an inference.
    energy_j, latency_s : float
        Mean energy and latency of an inference.
    """

    max_drop: float
    accuracy: float
    mean_steps: float
    energy_j: float
    latency_s: float


@dataclass(frozen=True, slots=True)
class Findings:
    """Results of a completely trained design.

    Parameters
    ----------
    accuracy_full : float
        Accuracy of full runs on the validation images that also judge the exits.
    memory_bits : float
        Bits of weights and states.
    full : dict
        Energy and latency of an inference without early exit.
    points : tuple of Point
        Results with early exit, one for each threshold.
    seconds : float
        CPU seconds of the trial.
    n_samples : int
        Number of validation images of each accuracy.
    """

    accuracy_full: float
    memory_bits: float
    full: dict[str, float]
    points: tuple[Point, ...]
    seconds: float
    n_samples: int

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary that can be written as JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Findings:
        """Build findings from the result of :meth:`to_dict`."""
        return cls(**{**raw, "points": tuple(Point(**point) for point in raw["points"])})


@dataclass(slots=True)
class STDPTask:
    """Evaluates STDP designs on these images and this platform.

    Parameters
    ----------
    train : ImageSet
        Training images.
    chosen_on, kept : ImageSet
        Validation images that choose thresholds, and those that judge the result; the same if there are few.
    platform : str
        Name of the platform that is priced.
    seed : int
        Seed of all random choices.
    """

    train: ImageSet
    chosen_on: ImageSet
    kept: ImageSet
    platform: str
    seed: int = 0
    _in_spikes: dict[str, float] = field(default_factory=dict)

    def predict(self, design: STDPDesign) -> dict[str, float]:
        """Predict memory, energy and latency of full runs before training; see :mod:`spikewise.search.predict`."""
        # Input spikes depend on the images and on how strongly the rule drives the inputs, not on other choices.
        if design.rule not in self._in_spikes:
            self._in_spikes[design.rule] = inputs_per_step(self.train.images, design)
        n_inputs = int(np.prod(self.train.shape))
        return predicted(predicted_workload(design, n_inputs, self._in_spikes[design.rule]), self.platform)

    def look(self, design: STDPDesign) -> float | None:
        """Return the accuracy after training on a fifth of the images; None if there are too few images or classes."""
        n_images = int(_LOOK * self.train.n_samples)
        if n_images < _LEAST_LOOK or len(np.unique(self.train.labels[:n_images])) < 2:
            return None
        network = self._network(design, n_epochs=1)
        few = self.train.subset(slice(n_images))
        # Tested on the images that choose: the others judge the final result and must not influence the search.
        with quiet():
            network.fit(few.images, few.labels)
        return float(np.mean(network.predict(self.chosen_on.images) == self.chosen_on.labels))

    def train_fully(self, design: STDPDesign, progress: Progress) -> Findings:
        """Train on all images, assign labels, choose exit thresholds, and price the measured workloads."""
        began = time.process_time()
        network = self._network(design)
        with quiet():
            network.fit(
                self.train.images, self.train.labels,
                progress=lambda done, total: progress(0.8 * done / total, design.name),
            )  # fmt: skip
        tuning = network.trace(self.chosen_on.images, self.chosen_on.labels)
        rules = [calibrate(tuning, ExitPath.of("entropy", "sum"), max_drop=drop).rule for drop in DROPS]
        progress(0.9, design.name)
        curve = exit_curve(network.trace(self.kept.images, self.kept.labels), ExitPath(tuple(rules)))
        chip = load_platform(self.platform)
        loads = [network.workload(self.kept.images, rule) for rule in rules]
        reports = [chip.estimate(load) for load in loads]
        points = tuple(
            Point(drop, float(accuracy), float(mean_steps), report.energy_j, report.latency_s)
            for drop, accuracy, mean_steps, report in zip(DROPS, curve.accuracy, curve.mean_steps, reports, strict=True)
        )
        static = reports[0].static  # full runs cost the same for each rule
        return Findings(
            curve.accuracy_full, memory_bits_of(loads[0]),
            {"energy_j": static.energy_j, "latency_s": static.latency_s},
            points, time.process_time() - began, self.kept.n_samples,
        )  # fmt: skip

    def check(self, design: STDPDesign) -> None:
        """Raise ParameterError if the design cannot be trained."""
        keywords = {**design.keywords, "random_state": self.seed}
        try:
            STDPEncoder(**keywords).check_settings()
        except ParameterError as error:
            raise ParameterError(f"every design must be one that can be trained; {design.name}: {error}") from None

    def _network(self, design: STDPDesign, **changes: Any) -> STDPClassifier:
        return STDPClassifier(**{**design.keywords, "random_state": self.seed, **changes})
