r"""Study of many non-ideal chips: is early exit more sensitive to non-idealities than a full run?

:func:`study_chips` runs many chips and returns, per chip, the accuracy of a full run, of early exit with the bound of
the clean model, and of early exit with a bound calibrated on that chip, on validation images. A chip distorts the
scores and so their entropy, so the bound of the clean model was chosen for another distribution. The bound of a chip is
a heuristic (:mod:`~spikewise.dynamic.calibration`): it aims at a loss of accuracy, but guarantees none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from spikewise._arguments import checks_arguments
from spikewise._gates import class_numbers
from spikewise.dynamic.anytime import replay_exit
from spikewise.dynamic.calibration import calibrate
from spikewise.dynamic.exit_path import ExitPath
from spikewise.dynamic.rule import EntropyExit, ExitRule
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import ParameterError, whole_number
from spikewise.network.classifier import SpikingClassifier
from spikewise.network.inputs import check_images, sample_axis
from spikewise.network.models import SpikingNetwork

from .network import clip_shares, design_crossbars
from .settings import Nonideal

Samples = tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True, slots=True, eq=False)
class StudyRow:
    """Results of the chips of one design on the test images, with one value per seed (S,).

    Parameters
    ----------
    nonideal : Nonideal
        The design.
    accuracy_static : float array of shape (S,)
        Accuracy of full runs.
    accuracy_clean, steps_clean : float array of shape (S,)
        Accuracy and mean steps of early exit with the given rule.
    accuracy_chip, steps_chip, bound_chip : float array of shape (S,)
        Accuracy and mean steps of early exit with the bound calibrated on this chip, and that bound.
    clipped : float array of shape (S,)
        Share of conversions beyond the range of a converter.
    """

    nonideal: Nonideal
    accuracy_static: NDArray[np.float64]
    accuracy_clean: NDArray[np.float64]
    steps_clean: NDArray[np.float64]
    accuracy_chip: NDArray[np.float64]
    steps_chip: NDArray[np.float64]
    bound_chip: NDArray[np.float64]
    clipped: NDArray[np.float64]

    def mean(self) -> dict[str, float]:
        """Return the mean of each figure over the chips."""
        return {key: float(np.mean(values)) for key, values in self._figures().items()}

    def spread(self) -> dict[str, float]:
        """Return the standard deviation of each figure over the chips (with n - 1); 0 for a single chip."""
        return {key: float(np.std(v, ddof=1)) if len(v) > 1 else 0.0 for key, v in self._figures().items()}

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary, ready for JSON; exact values are None."""
        return {"nonideal": self.nonideal.to_dict(), **{key: each.tolist() for key, each in self._figures().items()}}

    def _figures(self) -> dict[str, NDArray[np.float64]]:
        return {key: getattr(self, key) for key in self.__slots__ if key != "nonideal"}


@checks_arguments
def study_chips(
    network: SpikingNetwork,
    nonideal: Nonideal,
    validation: Samples,
    test: Samples,
    rule: EntropyExit,
    *,
    seeds: Sequence[int] = tuple(range(10)),
    max_drop: float = 0.005,
    n_steps: int = 4,
    calibration_images: ArrayLike | Tensor | None = None,
    batch_size: int = 64,
    n_together: int = 4,
) -> StudyRow:
    """Measure accuracy and early exit of many chips of one design; test images are used for results only.

    Parameters
    ----------
    network : SpikingNetwork
        Trained network.
    nonideal : Nonideal
        The design.
    validation, test : pair of arrays
        Images (B, C, H, W) or recordings (T, B, C, H, W), and labels: the first pair calibrates the bound of each chip,
        the second gives the results.
    rule : EntropyExit
        Rule calibrated on the clean model.
    seeds : sequence of int
        Seeds of the chips.
    max_drop : float
        Loss of accuracy that the calibration on each chip tolerates.
    n_steps : int
        Timesteps of a full run.
    calibration_images : array, optional
        Images or recordings for the design; by default, the first 64 validation samples.
    batch_size, n_together : int
        Number of images, and of chips, that run together: memory grows with their product. Results do not depend on
        ``n_together``, except for the rounding of sums in float32.
    """
    if not isinstance(rule, EntropyExit):
        raise ParameterError(f"rule must be an EntropyExit; got {rule!r}. Calibrate one on the clean model.")
    n_together = whole_number("n_together", n_together, 1)
    seeds = tuple(seeds)
    if not seeds:
        raise ParameterError("seeds must name at least one chip; got none.")
    if calibration_images is None:
        images = np.asarray(validation[0])
        calibration_images = np.split(images, [64], sample_axis(images))[0]
    design = design_crossbars(network, nonideal, calibration_images, n_steps)
    figures: list[tuple[float, ...]] = []
    for first in range(0, len(seeds), n_together):
        some = seeds[first : first + n_together]
        chips = design.chips(some)
        found = (chip_traces(chips, len(some), *samples, n_steps, batch_size) for samples in (validation, test))
        pairs = zip(*found, strict=True)
        rows = [_one_chip(own, seen, rule, max_drop) for own, seen in pairs]
        figures += [(*row, clipped) for row, clipped in zip(rows, clip_shares(chips), strict=True)]
    return StudyRow(nonideal, *(np.array(column, np.float64) for column in zip(*figures, strict=True)))


@checks_arguments
def chip_traces(
    chips: SpikingNetwork, n_chips: int, images: ArrayLike, labels: ArrayLike, n_steps: int = 4, batch_size: int = 64
) -> list[ScoreTrace]:
    """Return the trace of each chip of :meth:`CrossbarDesign.chips`, as if it ran alone in batches of this size."""
    images = check_images(images, chips.spec.in_shape, n_frames=n_steps)
    axis = sample_axis(images)
    labels = class_numbers(labels, images.shape[axis], chips.spec.n_classes)
    classifier = SpikingClassifier(chips, n_steps, batch_size=batch_size * n_chips)
    # Copies are made batch by batch: n_chips copies of all images at once would need much memory.
    batches = np.split(images, range(batch_size, images.shape[axis], batch_size), axis)
    traces = [classifier.trace(np.repeat(some, n_chips, axis)) for some in batches]
    score_sum = np.concatenate([[scores.copy() for scores in trace.steps()] for trace in traces], 1)
    # Row i S + s of a batch is that of sample i on chip s.
    return [ScoreTrace.dense(score_sum[:, chip::n_chips], labels) for chip in range(n_chips)]


def _one_chip(validation: ScoreTrace, test: ScoreTrace, rule: EntropyExit, max_drop: float) -> tuple[float, ...]:
    """Return the figures of one chip, in the order of :class:`StudyRow`."""
    # Calibrated on validation scores of this very chip, with the accumulation of the clean rule.
    own = calibrate(validation, ExitPath.of("entropy", rule.accumulate), max_drop=max_drop).rule
    return float(test.accuracy_by_step()[-1]), *_exit(test, rule), *_exit(test, own), own.bound(1)


def _exit(trace: ScoreTrace, rule: ExitRule) -> tuple[float, float]:
    steps, classes = replay_exit(trace, rule)
    return float(np.mean(classes == trace.labels)), float(steps.mean())
