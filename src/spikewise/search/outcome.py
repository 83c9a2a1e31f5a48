"""Result of a search: each trained design with each of its exits, their Pareto front, and the chosen design."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .budget import Budget
from .designs import STDPDesign
from .front import hypervolume, is_on_front
from .strategies import reward
from .study import TRAINED, Trial
from .task import Point


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained design with one of its exit thresholds.

    Parameters
    ----------
    trial : int
        Number of the trial that trained it.
    design : STDPDesign
        The design.
    point : Point
        Accuracy, energy and latency with the exit.
    memory_bits : float
        Bits of weights and states.
    n_samples : int
        Number of validation images of the accuracy.
    """

    trial: int
    design: STDPDesign
    point: Point
    memory_bits: float
    n_samples: int

    @property
    def figures(self) -> dict[str, float]:
        """Accuracy and costs, by the names of the limits of a budget."""
        point = self.point
        return {
            "accuracy": point.accuracy, "memory_bits": self.memory_bits, "energy_j": point.energy_j,
            "latency_s": point.latency_s,
        }  # fmt: skip

    @property
    def objectives(self) -> tuple[float, float, float]:
        """Error, bits, joules; smaller is better for all three."""
        return 1 - self.point.accuracy, self.memory_bits, self.point.energy_j


def candidates_of(trials: Sequence[Trial]) -> list[Candidate]:
    """Return each trained design with each of its exits, in the order of trials; of equal exits the strictest."""
    found = []
    for trial in trials:
        if trial.outcome == TRAINED and trial.findings and trial.design:
            # Reversed twice: a dictionary keeps the last of equal keys, which is then the strictest threshold.
            distinct = {(point.accuracy, point.energy_j): point for point in reversed(trial.findings.points)}
            found += [
                Candidate(trial.number, trial.design, point, trial.findings.memory_bits, trial.findings.n_samples)
                for point in reversed(distinct.values())
            ]
    return found


def within(candidates: Sequence[Candidate], budget: Budget) -> list[Candidate]:
    """Return the candidates whose measured accuracy and costs keep the budget."""
    return [each for each in candidates if not budget.exceeded(each.figures)]


def front_of(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the Pareto front in error, memory and energy, the most accurate candidate first."""
    if not candidates:
        return []
    is_best = is_on_front([each.objectives for each in candidates])
    found = [each for each, best in zip(candidates, is_best, strict=True) if best]
    return sorted(found, key=lambda each: each.objectives)


def volume_of(candidates: Sequence[Candidate], reference: Sequence[float]) -> float:
    """Return the hypervolume of the candidates as a share of the reference box (error, bits, joules).

    A network without error, memory and energy would have 1.
    """
    if not candidates:
        return 0.0
    worst: NDArray[np.float64] = np.asarray(reference, np.float64)
    scaled = np.array([each.objectives for each in candidates]) / worst
    return hypervolume(scaled, np.ones(len(worst)))


def chosen_of(candidates: Sequence[Candidate]) -> tuple[Candidate, list[str]] | None:
    """Return the chosen design with the reasons; None if there are no candidates.

    Candidates within one standard error of the highest accuracy count as equally accurate, because validation images
    are few. Of these, the one with the least product of memory and energy is chosen.
    """
    if not candidates:
        return None
    best = max(candidates, key=lambda each: (each.point.accuracy, -each.point.energy_j))
    accuracy = best.point.accuracy
    # Standard error of a share: n images are independent trials, each right with probability "accuracy".
    error = math.sqrt(accuracy * (1 - accuracy) / best.n_samples)
    as_good = [each for each in candidates if each.point.accuracy >= accuracy - error]
    taken = min(as_good, key=lambda each: (each.memory_bits * each.point.energy_j, each.trial))
    reasons = [
        f"{best.design.name} is the most accurate within the budget: {accuracy:.2%} of {best.n_samples} "
        f"validation images, give or take {error:.2%}"
    ]
    if taken is not best:
        ratio = best.memory_bits * best.point.energy_j / (taken.memory_bits * taken.point.energy_j)
        reasons.append(
            f"{len(as_good)} pairs of design and exit are as good within that; of these {taken.design.name} takes "
            f"the least memory times energy, {ratio:.2g} times less"
        )
    return taken, reasons


def rewarded(candidates: Sequence[Candidate], budget: Budget) -> Candidate | None:
    """Return the candidate with the highest FSpiNN reward; None if there are none."""
    if not candidates:
        return None
    return max(candidates, key=lambda each: reward(each.point.accuracy, each.memory_bits, each.point.energy_j, budget))
