"""Counts times constants: the ledgers of a workload on a chip, running samples and all, at the three corners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from .ledger import CORNERS, FloatArray, Ledger
from .parts import Component, Demand, Event, Rate
from .schedule import OVERLAP, SPECULATION, Schedule

FIXED, LEAKAGE = "fixed", "leakage"
SYNAPTIC: tuple[Event, ...] = (
    "pe_cycle", "crossbar_read", "serial_cycle", "conversion", "partial_sum", "output", "input_read_bit",
    "active_input", "active_cell", "in_spike",
)  # fmt: skip
"""Events of a layer's weighted sum, which a layer that is computed once per inference has once."""

_STEP = (slice(None), None, None, None)  # (3,) against (2, T, L + 1)


class Chip(Protocol):
    """What is charged for."""

    @property
    def components(self) -> Mapping[str, Component]:
        """Parts of the chip, by name."""

    @property
    def schedule(self) -> Schedule:
        """Order of layers and timesteps."""

    def joules(self, rate: Rate) -> FloatArray:
        """Low, nominal and high energy of a rate per event; shape (3,)."""

    def fixed_j(self, demand: Demand, per_step: FloatArray) -> FloatArray:
        """Low, nominal and high energy (3,) that is fixed per inference, given that of a step (3,)."""


def columns(components: Mapping[str, Component], schedule: Schedule) -> tuple[str, ...]:
    """Names of the ledgers' components: the chip's own, then what belongs to no part of it."""
    leakage = (LEAKAGE,) if any(part.leakage for part in components.values()) else ()
    pipeline = (OVERLAP, SPECULATION) if schedule.mode == "pipelined" else ()
    return (*components, FIXED, *leakage, *pipeline)


def ledgers(chip: Chip, demand: Demand, computes_once: bool) -> list[tuple[Ledger, ...]]:
    """Ledgers of the running samples and of all samples, each at the three corners.

    With ``computes_once`` the weighted sums of layers that are marked so are charged once per inference.
    """
    names = columns(chip.components, chip.schedule)
    n_layers, n_parts = len(demand.layer_shapes) + 1, len(names)
    step = np.zeros((3, 2, len(demand.activity[0].in_spikes), n_layers, n_parts))
    time = np.zeros_like(step)
    once, once_time, area = (np.zeros((3, n_layers, n_parts)) for _ in range(3))
    memory, power = np.zeros((n_layers, n_parts)), np.zeros((3, n_layers))
    is_once = np.array([computes_once and layer.once_per_inference for layer in demand.layer_shapes] + [False])

    def charge(rate: Rate, constants: FloatArray, stepwise: FloatArray, single: FloatArray, column: int) -> None:
        amount = np.broadcast_to(constants[_STEP] * demand.count_of(rate), stepwise.shape[:-1])
        if rate.per in SYNAPTIC and is_once.any():
            single[..., column] += amount[:, 1, 0] * is_once
            amount = amount * ~is_once
        stepwise[..., column] += amount

    for column, part in enumerate(chip.components.values()):
        for rate in part.memory:
            memory[:, column] += rate.corners[1] * demand.count_of(rate)
        for rate in part.energy:
            charge(rate, chip.joules(rate), step, once, column)
        for rate in part.latency:
            charge(rate, rate.corners, time, once_time, column)
        for rate in part.once:
            once[..., column] += rate.corners[:, None] * demand.count_of(rate)
        for built, rates in ((area[..., column], part.area), (power, part.leakage)):
            for rate in rates:
                count = memory[:, column] if rate.per == "stored_bit" else demand.count_of(rate)
                built += rate.corners[:, None] * count
    fixed = names.index(FIXED)
    once[:, -1, fixed] = chip.fixed_j(demand, step[:, 1, :, :-1].sum((2, 3)).mean(1))
    time *= chip.schedule.weights(n_layers - 1)[:, None]
    leave = _overlap(chip.schedule, step, time, names)
    if LEAKAGE in names:
        step[..., names.index(LEAKAGE)] = power[:, None, None] * time.sum((3, 4))[..., None]
        once[..., names.index(LEAKAGE)] = power * once_time.sum((1, 2))[:, None]
    bits = memory.astype(np.int64)
    return [
        tuple(
            Ledger(once[c], step[c, who], once_time[c], time[c, who], area[c], bits, leave[c, who])
            for c in range(len(CORNERS))
        )
        for who in (0, 1)
    ]


def _overlap(schedule: Schedule, step: FloatArray, time: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """Let steps overlap: fills the saved time in, and returns the energy of steps that were begun in vain."""
    leave = np.zeros_like(step)
    if schedule.mode == "sequential":
        return leave
    durations, energies = time[..., :-1, :].sum(-1), step.sum(-1)
    time[..., -1, names.index(OVERLAP)] = schedule.saved(durations)
    for corner in range(len(CORNERS)):
        # Who leaves is gone from the running samples, so what is begun in vain is as busy as all samples are.
        wasted = schedule.in_vain(durations[corner, 1], energies[corner, 1, :, :-1])
        leave[corner, :, :, :-1, names.index(SPECULATION)] = wasted
    return leave
