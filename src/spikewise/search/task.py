"""What a search asks about a design: what it will take, how it does after little training, and what it is in the end.

A trial answers all of it for one design. Its figures hang on the design, the images and the seed alone, so a design
that is tried again, on whichever machine, gives the same.
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
"""Called with the share of a trial that is done, and a remark."""

DROPS = (0.0, 0.005, 0.01)
"""Losses of accuracy for which an exit threshold is chosen: three points of the front from each trained network."""

_LOOK = 0.2  # share of the training images that the first look learns from
_LEAST_LOOK = 500  # images; smaller sets are not looked at early


@dataclass(frozen=True, slots=True)
class Point:
    """A trained design with one exit threshold.

    Parameters
    ----------
    max_drop : float
        Loss of accuracy that the threshold was chosen for.
    accuracy : float
        With early exit, on validation images that chose neither weights nor threshold.
    mean_steps : float
        Timesteps of an answer.
    energy_j, latency_s : float
        Energy and time of an answer.
    """

    max_drop: float
    accuracy: float
    mean_steps: float
    energy_j: float
    latency_s: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What the training of a design showed.

    Parameters
    ----------
    accuracy_full : float
        Accuracy of full runs on the validation images that also judge the exits.
    memory_bits : float
        Bits of weights and states.
    full : dict
        Energy, latency of an answer without early exit.
    points : tuple of Point
        With early exit.
    seconds : float
        CPU seconds of the trial.
    n_samples : int
        Validation images behind each accuracy.
    """

    accuracy_full: float
    memory_bits: float
    full: dict[str, float]
    points: tuple[Point, ...]
    seconds: float
    n_samples: int

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Findings:
        """Inverse of :meth:`to_dict`."""
        return cls(**{**raw, "points": tuple(Point(**point) for point in raw["points"])})


@dataclass(slots=True)
class STDPTask:
    """Designs that learn without labels, on these images and this platform.

    Parameters
    ----------
    train : ImageSet
        Images to learn from.
    chosen_on, kept : ImageSet
        Validation images that choose thresholds, and those that judge the result; they may be the same if few.
    platform : str
        Where energy is spent.
    seed : int
        Fixes every random choice.
    """

    train: ImageSet
    chosen_on: ImageSet
    kept: ImageSet
    platform: str
    seed: int = 0
    _in_spikes: dict[str, float] = field(default_factory=dict)

    def predict(self, design: STDPDesign) -> dict[str, float]:
        """Memory, energy and latency before any training, of full runs: see :mod:`spikewise.search.predict`."""
        if design.rule not in self._in_spikes:
            self._in_spikes[design.rule] = inputs_per_step(self.train.images, design)
        n_inputs = int(np.prod(self.train.shape))
        return predicted(predicted_workload(design, n_inputs, self._in_spikes[design.rule]), self.platform)

    def look(self, design: STDPDesign) -> float | None:
        """Accuracy after learning from a fifth of the images, on those that choose; None where there are too few."""
        n_images = int(_LOOK * self.train.n_samples)
        if n_images < _LEAST_LOOK or len(np.unique(self.train.labels[:n_images])) < 2:
            return None
        network = self._network(design, n_epochs=1)
        few = self.train.subset(slice(n_images))
        with quiet():
            network.fit(few.images, few.labels)
        return float(np.mean(network.predict(self.chosen_on.images) == self.chosen_on.labels))

    def train_fully(self, design: STDPDesign, progress: Progress) -> Findings:
        """Learn from all images, label, choose thresholds, and price what was computed."""
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
        static = reports[0].static
        return Findings(
            curve.accuracy_full, memory_bits_of(loads[0]),
            {"energy_j": static.energy_j, "latency_s": static.latency_s},
            points, time.process_time() - began, self.kept.n_samples,
        )  # fmt: skip

    def check(self, design: STDPDesign) -> None:
        """Raise ParameterError for what cannot be trained."""
        keywords = {**design.keywords, "random_state": self.seed}
        try:
            STDPEncoder(**keywords).check_settings()
        except ParameterError as error:
            raise ParameterError(f"every design must be one that can be trained; {design.name}: {error}") from None

    def _network(self, design: STDPDesign, **changes: Any) -> STDPClassifier:
        return STDPClassifier(**{**design.keywords, "random_state": self.seed, **changes})
