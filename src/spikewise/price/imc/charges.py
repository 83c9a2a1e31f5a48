"""Charge the rates of a chip: multiply each rate by the count of its event, and enter the product into accounts."""

from collections.abc import Mapping, Sequence
from typing import Protocol, get_args

import numpy as np

from spikewise.price.accounts import FIXED, Accounts, Option
from spikewise.price.ledger import FloatArray

from .components import Component, Rate, SynapticEvent
from .counts import Demand
from .fixed_cost import FixedCost
from .mapping import CrossbarArray
from .schedule import OVERLAP, SPECULATION, Schedule

LEAKAGE = "leakage"
_SYNAPTIC = get_args(SynapticEvent)


class Chip(Protocol):
    """Settings of a chip that its price depends on."""

    @property
    def mapping(self) -> CrossbarArray:
        """Crossbars and tiles."""

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


def columns(chip: Chip) -> tuple[str, ...]:
    """Return the names of the accounts' components: the parts of the chip, then costs that belong to no part."""
    leakage = (LEAKAGE,) if any(part.leakage for part in chip.components.values()) else ()
    overlap = (OVERLAP,) if chip.schedule.overlaps else ()
    speculation = (SPECULATION,) if chip.schedule.mode == "pipelined" else ()
    return (*chip.components, FIXED, *leakage, *overlap, *speculation)


def options_of(chip: Chip, demand: Demand) -> list[Option]:
    """Return each way to charge work done once per inference; the mode that the chip has set comes first."""
    marked = [layer.once_per_inference for layer in demand.layer_shapes]
    modes = chip.fixed.modes(any(marked))
    # Modes differ only in the fixed energy, except "first_layer", which computes layers once: at most two accounts.
    accounts = {
        is_once: charged(chip, demand, marked if is_once else ())
        for is_once in dict.fromkeys(mode == "first_layer" for mode in modes)
    }
    n_crossbars = float(demand.placement.n_crossbars.sum())
    found = [(mode, accounts[mode == "first_layer"]) for mode in modes]
    return [Option(mode, each, chip.fixed.joules(mode, each, n_crossbars)) for mode, each in found]


def charged(chip: Chip, demand: Demand, is_once: Sequence[bool]) -> Accounts:
    """Charge everything except the fixed energy; layers marked ``is_once`` do weighted sums once per inference."""
    names = [layer.name for layer in demand.layer_shapes]
    accounts = Accounts(names, columns(chip), len(demand.activity[0].in_spikes), is_once)
    nothing, power = np.zeros(len(names) + 1), np.zeros((3, len(names) + 1))

    def count(rate: Rate) -> FloatArray:
        # Weighted sums are stored only if layers are computed once.
        return demand.count_of(rate) if accounts.has_once or rate.per != "kept_sum" else nothing

    def built(rate: Rate, stored: FloatArray) -> FloatArray:
        return rate.corners[:, None] * (stored if rate.per == "stored_bit" else count(rate))

    for name, part in chip.components.items():
        stored = sum((rate.corners[1] * count(rate) for rate in part.memory), nothing)
        if part.memory:
            accounts.memory(name, np.floor(stored))  # whole bits; area and leakage of a stored bit take fractions
        for rate in part.energy:
            accounts.energy(name, chip.joules(rate), count(rate), once=rate.per in _SYNAPTIC)
        for rate in part.latency:
            accounts.latency(name, rate.corners, count(rate), once=rate.per in _SYNAPTIC)
        for rate in part.once:
            accounts.energy_once(name, rate.corners[:, None] * count(rate))
        for rate in part.area:
            accounts.area(name, built(rate, stored))
        for rate in part.leakage:
            power += built(rate, stored)
    _overlap(accounts, chip.schedule)
    if power.any():
        accounts.leak(LEAKAGE, power)
    return accounts


def _overlap(accounts: Accounts, schedule: Schedule) -> None:
    """Charge the overlap of layers and steps: the time that it saves, and the energy that speculation wastes."""
    if not schedule.overlaps:
        return
    durations = accounts.step_s[..., :-1, :].sum(-1)
    accounts.latency(OVERLAP, accounts.on_chip(schedule.overlap(durations)))
    if schedule.mode == "pipelined":
        energies = accounts.step_j.sum(-1)[:, 1, :, :-1]
        # A sample that leaves is no longer among the running ones, so its later steps have the activity of all samples.
        wasted = [schedule.in_vain(time, energy) for time, energy in zip(durations[:, 1], energies, strict=True)]
        accounts.leave(SPECULATION, np.array(wasted))
