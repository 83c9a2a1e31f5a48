"""Counts times constants: the ledgers of a workload on a chip, running samples and all, at the three corners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from spikewise.price.cost import OnceFigures, OnceMode
from spikewise.price.ledger import CORNERS, FloatArray, Ledger

from .components import Component, Rate, SynapticEvent
from .counts import Demand
from .fixed_cost import FixedCost, extremes
from .schedule import OVERLAP, SPECULATION, Schedule

FIXED, LEAKAGE = "fixed", "leakage"
_SYNAPTIC = get_args(SynapticEvent)
_NOMINAL = CORNERS.index("nominal")
_STEP = (slice(None), None, None, None)  # (3,) against (2, T, L + 1)


class Chip(Protocol):
    """What is charged for."""

    @property
    def components(self) -> Mapping[str, Component]:
        """Parts of the chip, by name."""

    @property
    def schedule(self) -> Schedule:
        """Order of layers and timesteps."""

    @property
    def fixed(self) -> FixedCost:
        """Energy paid once per inference."""

    def joules(self, rate: Rate) -> FloatArray:
        """Low, nominal and high energy of a rate per event; shape (3,)."""


Ledgers = tuple[Ledger, ...]


def columns(components: Mapping[str, Component], schedule: Schedule) -> tuple[str, ...]:
    """Names of the ledgers' components: the chip's own, then what belongs to no part of it."""
    leakage = (LEAKAGE,) if any(part.leakage for part in components.values()) else ()
    overlap = (OVERLAP,) if schedule.overlaps else ()
    speculation = (SPECULATION,) if schedule.mode == "pipelined" else ()
    return (*components, FIXED, *leakage, *overlap, *speculation)


def ledgers(chip: Chip, demand: Demand, leaves: FloatArray) -> tuple[Ledgers, Ledgers, tuple[OnceFigures, ...]]:
    """Ledgers of the running samples and of all samples, each at the three corners; and what each once-mode gives.

    ``leaves`` is the share of samples (T,) that leave after each step.
    """
    marked = np.array([layer.once_per_inference for layer in demand.layer_shapes] + [False])
    modes = chip.fixed.modes(bool(marked.any()))
    n_crossbars = float(demand.placement.n_crossbars.sum())
    books: dict[bool, _Books] = {}
    options: list[tuple[_Books, FloatArray]] = []
    for mode in modes:
        is_once = mode == "first_layer"
        if is_once not in books:
            books[is_once] = _Books.of(chip, demand, marked & is_once)
        options.append((books[is_once], chip.fixed.joules(mode, books[is_once].per_step_j(), n_crossbars)))
    energies = np.array([book.full_j(fixed) for book, fixed in options])
    shown = [options[place] for place in extremes(energies)]
    running, full = (
        tuple(book.ledger(corner, who, fixed) for corner, (book, fixed) in enumerate(shown)) for who in (0, 1)
    )
    return running, full, tuple(_figures(mode, *option, leaves) for mode, option in zip(modes, options, strict=True))


@dataclass(frozen=True, eq=False)
class _Books:
    """Arrays of (3 corners, 2 kinds of activity, T, L + 1, components), and without the second and third axis."""

    step: FloatArray
    time: FloatArray
    leave: FloatArray
    once: FloatArray
    once_time: FloatArray
    area: FloatArray
    memory: NDArray[np.int64]
    fixed_column: int

    @classmethod
    def of(cls, chip: Chip, demand: Demand, is_once: NDArray[np.bool_]) -> _Books:
        """Charge everything but the fixed part; the weighted sums of some layers once per inference."""
        names = columns(chip.components, chip.schedule)
        n_layers, n_parts = len(demand.layer_shapes) + 1, len(names)
        step = np.zeros((3, 2, len(demand.activity[0].in_spikes), n_layers, n_parts))
        time = np.zeros_like(step)
        once, once_time, area = (np.zeros((3, n_layers, n_parts)) for _ in range(3))
        memory, power = np.zeros((n_layers, n_parts)), np.zeros((3, n_layers))
        any_once = bool(is_once.any())

        def charge(rate: Rate, constants: FloatArray, stepwise: FloatArray, single: FloatArray, column: int) -> None:
            amount = constants[_STEP] * asked(rate)
            if any_once and rate.per in _SYNAPTIC:
                single[..., column] += np.broadcast_to(amount, stepwise.shape[:-1])[:, 1, 0] * is_once
                amount = amount * ~is_once
            stepwise[..., column] += amount

        def asked(rate: Rate) -> FloatArray:
            """Sums are kept only where layers are computed once."""
            return demand.count_of(rate) if any_once or rate.per != "kept_sum" else np.zeros(n_layers)

        for column, part in enumerate(chip.components.values()):
            for rate in part.memory:
                memory[:, column] += rate.corners[1] * asked(rate)
            for rate in part.energy:
                charge(rate, chip.joules(rate), step, once, column)
            for rate in part.latency:
                charge(rate, rate.corners, time, once_time, column)
            for rate in part.once:
                once[..., column] += rate.corners[:, None] * asked(rate)
            for built, rates in ((area[..., column], part.area), (power, part.leakage)):
                for rate in rates:
                    count = memory[:, column] if rate.per == "stored_bit" else asked(rate)
                    built += rate.corners[:, None] * count
        leave = _overlap(chip.schedule, step, time, names)
        if LEAKAGE in names:
            step[..., names.index(LEAKAGE)] = power[:, None, None] * time.sum((3, 4))[..., None]
            once[..., names.index(LEAKAGE)] = power * once_time.sum((1, 2))[:, None]
        return cls(step, time, leave, once, once_time, area, memory.astype(np.int64), names.index(FIXED))

    def per_step_j(self) -> FloatArray:
        """Energy (3,) of the layers at a step: all samples, mean over the steps."""
        return np.asarray(self.step[:, 1, :, :-1].sum((2, 3)).mean(1))

    @cached_property
    def energies_j(self) -> FloatArray:
        """Energy (3, 2, T) of a sample that leaves after step 1, 2, ..., T, but for the fixed part."""
        steps = np.cumsum(self.step.sum((3, 4)), axis=2)
        return np.asarray(self.once.sum((1, 2))[:, None, None] + steps + self.leave.sum((3, 4)))

    @cached_property
    def latencies_s(self) -> FloatArray:
        """Time (2, T) to its answer, with nominal constants."""
        return np.asarray(self.once_time[_NOMINAL].sum() + np.cumsum(self.time[_NOMINAL].sum((2, 3)), axis=1))

    def full_j(self, fixed: FloatArray) -> FloatArray:
        """Energy (3,) of a full run, mean over all samples, with a fixed part (3,)."""
        return np.asarray(fixed + self.energies_j[:, 1, -1])

    def ledger(self, corner: int, who: int, fixed: FloatArray) -> Ledger:
        """One corner of the running (0) or of all (1) samples, with a fixed part (3,)."""
        once = self.once[corner].copy()
        once[-1, self.fixed_column] += fixed[corner]
        return Ledger(
            once, self.step[corner, who], self.once_time[corner], self.time[corner, who], self.area[corner],
            self.memory, self.leave[corner, who],
        )  # fmt: skip


def _figures(mode: OnceMode, book: _Books, fixed: FloatArray, leaves: FloatArray) -> OnceFigures:
    """What a mode gives with nominal constants."""
    energies, latencies = book.energies_j[_NOMINAL] + fixed[_NOMINAL], book.latencies_s
    static = energies[1, -1] * latencies[1, -1]
    saving = 1 - leaves @ (energies[0] * latencies[0]) / static if static else 0.0
    return OnceFigures(mode, float(leaves @ energies[0]), float(saving))


def _overlap(schedule: Schedule, step: FloatArray, time: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """Let layers and steps overlap: fills the saved time in, and returns the energy of steps begun in vain."""
    leave = np.zeros_like(step)
    if schedule.overlaps:
        durations = time[..., :-1, :].sum(-1)
        time[..., -1, names.index(OVERLAP)] = schedule.overlap(durations)
    if schedule.mode == "pipelined":
        energies = step.sum(-1)
        for corner in range(len(CORNERS)):
            # Who leaves is gone from the running samples, so what is begun in vain is as busy as all samples are.
            wasted = schedule.in_vain(durations[corner, 1], energies[corner, 1, :, :-1])
            leave[corner, :, :, :-1, names.index(SPECULATION)] = wasted
    return leave
