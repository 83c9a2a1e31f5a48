"""Costs, how they combine, and the ledger of a price: cost of each layer in each component, once and per step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spikewise._arguments import checks_arguments
from spikewise.errors import ShapeError

FloatArray = NDArray[np.float64]
By = Literal["component", "layer", "timestep"]
BREAKDOWNS: tuple[By, ...] = ("component", "layer", "timestep")
Corner = Literal["low", "nominal", "high"]
CORNERS: tuple[Corner, ...] = ("low", "nominal", "high")


@dataclass(frozen=True, slots=True)
class Cost:
    """Energy, latency and area of one part or of a whole chip (SI units).

    Examples
    --------
    >>> read, add = Cost(2e-12, 1e-9, 1e-10), Cost(1e-12, 3e-9, 1e-10)
    >>> read.then(add).latency_s
    4e-09
    """

    energy_j: float = 0.0
    latency_s: float = 0.0
    area_m2: float = 0.0
    memory_bits: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the four figures by name."""
        return {key: getattr(self, key) for key in self.__slots__}

    @checks_arguments
    def then(self, other: Cost) -> Cost:
        """Return the cost of both in series, each on hardware of its own: energy, latency, area and memory add up."""
        return Cost(
            energy_j=self.energy_j + other.energy_j,
            latency_s=self.latency_s + other.latency_s,
            area_m2=self.area_m2 + other.area_m2,
            memory_bits=self.memory_bits + other.memory_bits,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """Costs by step, layer and component at one corner of the constants.

    Parameters
    ----------
    once_energy_j, once_latency_s : float array of shape (L, C)
        Paid once per inference.
    step_energy_j, step_latency_s : float array of shape (T, L, C)
        Paid by a sample that computes the step. Latencies of the components of a layer add up.
    area_m2 : float array of shape (L, C)
    memory_bits : int array of shape (L, C)
    leave_energy_j : float array of shape (T, L, C)
        Paid by a sample that leaves after the step, for later steps that had begun already.
    """

    once_energy_j: FloatArray
    step_energy_j: FloatArray
    once_latency_s: FloatArray
    step_latency_s: FloatArray
    area_m2: FloatArray
    memory_bits: NDArray[np.int64]
    leave_energy_j: FloatArray

    def __post_init__(self) -> None:
        steps = self.step_energy_j.shape
        others = self.step_latency_s.shape, self.leave_energy_j.shape
        if len(steps) != 3 or others != (steps, steps):
            raise ShapeError(f"step and leave arrays must have shape (T, L, C); got {steps}, {others[0]}, {others[1]}.")
        for key in ("once_energy_j", "once_latency_s", "area_m2", "memory_bits"):
            if getattr(self, key).shape != steps[1:]:
                raise ShapeError(f"{key} must have shape {steps[1:]} (L, C); got {getattr(self, key).shape}.")

    def energies_j(self) -> FloatArray:
        """Return the energy (T,) of a sample that leaves after step 1, 2, ..., T."""
        in_vain = self.leave_energy_j.sum((1, 2))
        return np.asarray(self.once_energy_j.sum() + np.cumsum(self.step_energy_j.sum((1, 2))) + in_vain)

    def latencies_s(self) -> FloatArray:
        """Return the time (T,) to the answer of a sample that leaves after step 1, 2, ..., T."""
        return np.asarray(self.once_latency_s.sum() + np.cumsum(self.step_latency_s.sum((1, 2))))

    def split(self, by: By, alive: FloatArray) -> list[Cost]:
        """Return the cost of each layer, of each component, or of the once-work and then each step.

        Steps are weighted with ``alive``, the share of samples (T,) that compute them.
        """
        # Who computes a step but not the next one leaves after it.
        leaves = alive - np.append(alive[1:], 0.0)
        if by == "timestep":
            rest, in_vain = np.zeros(len(alive), np.int64), leaves * self.leave_energy_j.sum((1, 2))
            columns = [
                np.append(self.once_energy_j.sum(), alive * self.step_energy_j.sum((1, 2)) + in_vain),
                np.append(self.once_latency_s.sum(), alive * self.step_latency_s.sum((1, 2))),
                np.append(self.area_m2.sum(), rest),
                np.append(self.memory_bits.sum(), rest),
            ]
        else:
            axis = 1 if by == "layer" else 0
            energy = np.tensordot(alive, self.step_energy_j, 1) + np.tensordot(leaves, self.leave_energy_j, 1)
            columns = [
                (self.once_energy_j + energy).sum(axis),
                (self.once_latency_s + np.tensordot(alive, self.step_latency_s, 1)).sum(axis),
                self.area_m2.sum(axis),
                self.memory_bits.sum(axis),
            ]
        return [Cost(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Return nested lists, ready for JSON."""
        return {item.name: getattr(self, item.name).tolist() for item in fields(self)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Ledger:
        """Inverse of :meth:`to_dict`; raises ValueError where numbers are negative or not finite."""
        arrays: dict[str, NDArray[Any]] = {
            key: np.asarray(value, np.int64 if key == "memory_bits" else np.float64) for key, value in raw.items()
        }
        for key, array in arrays.items():
            # The overlap of a pipeline is a negative latency.
            least = -np.inf if key == "step_latency_s" else 0.0
            if not np.isfinite(array).all() or (array < least).any():
                raise ValueError(f"{key} must hold finite numbers of at least {least:g}")
        return cls(**arrays)

    def same_as(self, other: Ledger) -> bool:
        """Whether every entry is equal."""
        return all(np.array_equal(getattr(self, item.name), getattr(other, item.name)) for item in fields(self))
