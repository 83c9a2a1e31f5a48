"""Price designs that need no training, all at once: exit thresholds x bits x platforms.

A *variant* is a trained network with some number of bits, whose scores were recorded. Recorded scores give the exit
step of each sample for each threshold; a platform gives the cost of a sample that exits after step t. A design combines
these two arrays, so thousands of designs take about a second. The cost of each step is measured on full runs of all
samples. Where energy depends on activity, the samples that stay longer may be slightly more or less active, so the
chosen design should be priced again with its own workload.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewise.dynamic.curve import ExitCurve, exit_curve
from spikewise.dynamic.exit_path import ExitPath
from spikewise.dynamic.trace import ScoreTrace
from spikewise.dynamic.uncertainty import UncertaintyExit
from spikewise.errors import CapacityError, ParameterError
from spikewise.price.protocol import Platform
from spikewise.workload.workload import Workload

from .budget import Budget
from .front import is_on_front

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Variant:
    """A trained network with some number of bits, its recorded scores and its workload.

    Parameters
    ----------
    name : str
        Name in tables, such as "8 bits".
    memory_bits : float
        Bits of weights and states.
    chosen_on, kept : ScoreTrace
        Scores of full runs on the validation images that choose the design, and on those that judge the choice.
    load : Workload
        Workload of full runs.
    """

    name: str
    memory_bits: float
    chosen_on: ScoreTrace
    kept: ScoreTrace
    load: Workload


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """Accuracy and costs of V variants on P platforms with M thresholds.

    Parameters
    ----------
    variants : tuple of Variant
        Networks.
    platforms : tuple of str
        Names of the platforms.
    path : ExitPath
        Thresholds, from the strictest to the loosest.
    accuracy, accuracy_kept, mean_steps : float arrays of shape (V, M)
        Accuracy on the images that choose and on those that judge; mean timesteps on the former.
    energy_j, latency_s, edp_js : float arrays of shape (V, P, M)
        Means per sample; infinite where a network does not fit on a chip.
    """

    variants: tuple[Variant, ...]
    platforms: tuple[str, ...]
    path: ExitPath
    accuracy: Floats
    accuracy_kept: Floats
    mean_steps: Floats
    energy_j: Floats
    latency_s: Floats
    edp_js: Floats

    @property
    def n_designs(self) -> int:
        """Number of priced designs."""
        return int(self.energy_j.size)

    @property
    def figures(self) -> dict[str, Floats]:
        """Accuracy and costs of all designs (V, P, M), by the names of the limits of a budget, and the EDP."""
        shape = self.energy_j.shape
        memory = np.array([variant.memory_bits for variant in self.variants])
        return {
            "accuracy": np.broadcast_to(self.accuracy[:, None], shape),
            "memory_bits": np.broadcast_to(memory[:, None, None], shape),
            "energy_j": self.energy_j, "latency_s": self.latency_s, "edp_js": self.edp_js,
        }  # fmt: skip

    def within(self, budget: Budget) -> NDArray[np.bool_]:
        """Return which designs (V, P, M) keep a budget and fit on their chip."""
        figures = self.figures
        kept = np.isfinite(self.energy_j)  # infinite energy marks a network that does not fit on its chip
        for key, limit in budget.model_dump(exclude_none=True).items():
            kept &= figures[key] >= limit if key == "accuracy" else figures[key] <= limit
        return np.asarray(kept)

    def best(self, is_allowed: NDArray[np.bool_]) -> tuple[int, int, int] | None:
        """Return the index of the allowed design with the least energy-delay product; None if none is allowed."""
        product = np.where(is_allowed, self.edp_js, np.inf)
        place = int(product.argmin())
        if not np.isfinite(product.flat[place]):
            return None
        v, p, m = np.unravel_index(place, product.shape)
        return int(v), int(p), int(m)

    def front(self, is_allowed: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
        """Return the indices of the Pareto front in error, energy and latency, the most accurate design first."""
        places = np.argwhere(is_allowed)
        if not len(places):
            return []
        figures = self.figures
        columns = [figures[key][tuple(places.T)] for key in ("accuracy", "energy_j", "latency_s")]
        objectives = np.stack([1 - columns[0], *columns[1:]], 1)
        # The first of equal designs has the strictest threshold.
        _, distinct = np.unique(objectives, axis=0, return_index=True)
        found = distinct[is_on_front(objectives[distinct])]
        found = found[np.lexsort(objectives[found].T[::-1])]
        return [(int(v), int(p), int(m)) for v, p, m in places[found]]

    def rule(self, place: tuple[int, int, int]) -> UncertaintyExit:
        """Return the exit rule of a design."""
        return self.path.rules[place[2]]

    def figures_at(self, place: tuple[int, int, int]) -> dict[str, float]:
        """Return accuracy and costs of a design."""
        v, _, m = place
        return {
            "accuracy": float(self.accuracy[v, m]), "accuracy_kept": float(self.accuracy_kept[v, m]),
            "mean_steps": float(self.mean_steps[v, m]), "memory_bits": float(self.variants[v].memory_bits),
            "energy_j": float(self.energy_j[place]), "latency_s": float(self.latency_s[place]),
            "edp_js": float(self.edp_js[place]),
        }  # fmt: skip


def sweep(variants: Sequence[Variant], platforms: Mapping[str, Platform], path: ExitPath) -> Sweep:
    """Price every combination of variant, platform and exit threshold.

    Parameters
    ----------
    variants : sequence of Variant
        Networks.
    platforms : mapping
        Platforms by the names that tables show.
    path : ExitPath
        Thresholds.

    Raises
    ------
    CapacityError
        If no network fits on any of the platforms.

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 2)], n_steps=2, rates=[0.1])
    >>> trace = ScoreTrace.dense([[[3.0, 0.0], [0.2, 0.0]], [[6.0, 0.0], [0.2, 2.0]]], labels=[0, 1])
    >>> toy = Variant("toy", 1024, trace, trace, load)
    >>> found = sweep([toy], {"chip": load_platform("digital-45nm")}, ExitPath.of(bounds=[0.1, 0.5, 1.0]))
    >>> found.n_designs, found.mean_steps.tolist(), found.best(found.within(Budget(accuracy=0.9)))
    (3, [[2.0, 1.5, 1.0]], (0, 0, 1))
    """
    if not variants or not platforms:
        raise ParameterError("a sweep must have at least one network and one platform; got none.")
    curves = [exit_curve(variant.chosen_on, path) for variant in variants]
    judged = [exit_curve(variant.kept, path) for variant in variants]
    shape = (len(variants), len(platforms), len(path.rules))
    energy, latency, product = (np.full(shape, np.inf) for _ in range(3))
    problem: CapacityError | None = None
    for p, platform in enumerate(platforms.values()):
        for v, variant in enumerate(variants):
            try:
                ledger = platform.estimate(variant.load).static.ledger
            except CapacityError as error:
                problem = error  # such designs stay infinite; an error only if nothing fits anywhere
                continue
            # Multiplied per exit step before the mean, because the mean of a product is not the product of means.
            energies, latencies = ledger.energies_j(), ledger.latencies_s()
            costs = (energies, latencies, energies * latencies)
            for figures, cost in zip((energy, latency, product), costs, strict=True):
                figures[v, p] = curves[v].mean(cost)
    if problem is not None and not np.isfinite(energy).any():
        raise problem

    def of(curves: Sequence[ExitCurve], what: str) -> Floats:
        return np.stack([getattr(curve, what) for curve in curves])

    return Sweep(
        tuple(variants), tuple(platforms), path, of(curves, "accuracy"), of(judged, "accuracy"),
        of(curves, "mean_steps"), energy, latency, product,
    )  # fmt: skip
