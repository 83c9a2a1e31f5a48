r"""In-memory-computing chips: crossbars and what surrounds them, priced layer by layer and step by step.

.. math:: E(t) = F + \sum_{s \le t} \sum_{layer} \sum_{component} n_{event} \cdot e_{event}, \qquad
          D(t) = t \sum_{layer} P_{layer} \cdot input\ bits \cdot t_{PE}

Where layers follow one another and steps are not pipelined (:mod:`spikewise.price.schedule`), latency is
proportional to the steps. Energy is not. DT-SNN (arXiv 2305.17346) reports that eight steps cost 4.9 times
the energy of one, so some work is done once per image. In mode ``fit_proportional`` it is the fitted
:math:`F = r \cdot s`, with s the network's own energy per step (all samples, mean over the steps) and
:math:`(r + 8)/(r + 1) = 4.9`, r = 3.1/3.9. F stands for *all* once-work, so a layer marked
``once_per_inference`` is charged at every step like the others: to do both would count it twice.

With ``first_layer`` no constant is fitted: a direct-coded first layer is computed once, bit by bit of its input.

Leaves out: writing of weights, lateral inhibition; leakage and off-chip memory where a preset has no constants.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from spikewise.workload import Workload

from .charges import FIXED, LEAKAGE, columns, ledgers
from .cost import CostReport
from .ledger import Ledger
from .mapping import CrossbarArray, Placement, place
from .parts import Component, Demand, Rate, ReferenceCycle, demand_of
from .schedule import OVERLAP, SPECULATION, Schedule
from .technology import PlatformSettings, Quantity, Ratio, Tag, of_dimension, weakest

FloatArray = NDArray[np.float64]
_CHIP = "chip"
_EXIT_UNIT = "exit_unit"
_EXIT_SHARE = 0.01  # DT-SNN: the exit unit is much less than 1 % of a step; warn beyond
_LOW_UTILISATION = 0.1
_SHARED = ("pe_cycle", "crossbar_read")  # events of the reference cycle


class FixedCost(BaseModel):
    """Energy paid once per inference, whatever the number of steps.

    ``fit_proportional``: a ratio of the network's own energy per step; ``fit_per_crossbar``: an energy per crossbar;
    ``first_layer``: no fitted constant, but the layers marked ``once_per_inference`` (a direct-coded image at the first
    layer) are computed once; ``none``: nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["fit_proportional", "fit_per_crossbar", "first_layer", "none"] = Field(description="what is once")
    ratio: Ratio | None = Field(default=None, description="F over the energy of a step, for fit_proportional")
    per_crossbar: Annotated[Quantity, of_dimension("energy")] | None = Field(
        default=None, description="F over the number of crossbars, for fit_per_crossbar"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key, mode in (("ratio", "fit_proportional"), ("per_crossbar", "fit_per_crossbar")):
            if (self.mode == mode) != (getattr(self, key) is not None):
                raise ValueError(f"{key} must be given exactly if mode is {mode}")
        return self


class ImcChip(PlatformSettings):
    """An in-memory-computing chip composed of components; a platform that prices workloads.

    Build one with :func:`spikewise.price.load_platform`; every field is described in its preset.

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> chip = load_platform("rram-64-32nm")
    >>> chip.mapping.n_rows, round(chip.constants()["pe_cycle"].value)
    (64, 924)
    """

    kind: Literal["imc"] = Field(description="in-memory computing")
    beside: str | None = Field(default=None, description="platform that tables show beside this one")
    mapping: CrossbarArray = Field(description="crossbars and tiles")
    pe_cycle: Annotated[ReferenceCycle, of_dimension("energy")] | None = Field(
        default=None, description="PE cycle that the components' shares refer to"
    )
    schedule: Schedule = Field(default=Schedule(), description="order of layers and timesteps")
    fixed: FixedCost = Field(default=FixedCost(mode="none"), description="work done once per inference")
    components: dict[str, Component] = Field(min_length=1, description="parts of the chip, by name")

    @model_validator(mode="after")
    def _check(self) -> Self:
        shares = [rate for part in self.components.values() for rate in part.energy if rate.dimension == "ratio"]
        if bool(shares) != (self.pe_cycle is not None):
            raise ValueError("pe_cycle must be given exactly if energies are shares of it")
        if any(rate.per not in _SHARED for rate in shares):
            raise ValueError(f"an energy that is a share must be charged per {' or '.join(_SHARED)}")
        total = float(sum(rate.corners[1] for rate in shares))
        if shares and abs(total - 1) > 1e-12:
            raise ValueError(f"the shares of pe_cycle must sum to 1; got {total!r}")
        taken = [name for name in (FIXED, LEAKAGE, OVERLAP, SPECULATION) if name in self.components]
        if taken:
            raise ValueError(f"component name {taken[0]!r} is taken: it holds what belongs to no part of the chip")
        return self

    def constants(self) -> dict[str, Quantity]:
        """Every constant of the chip, by key."""
        fixed = self.fixed
        found = {
            "pe_cycle": self.pe_cycle, "fixed.ratio": fixed.ratio, "fixed.per_crossbar": fixed.per_crossbar
        }  # fmt: skip
        for name, part in self.components.items():
            found |= {f"{name}.{key}": rate for key, rate in part.rates()}
        return {key: quantity for key, quantity in found.items() if quantity is not None}

    @cached_property
    def weakest_tag(self) -> Tag:
        """Least certain tag among the constants."""
        return weakest(quantity.tag for quantity in self.constants().values())

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Sources of the constants, each once."""
        return tuple(dict.fromkeys(quantity.source for quantity in self.constants().values()))

    def place(self, workload: Workload) -> Placement:
        """Crossbars, tiles and cycles of each layer; raises CapacityError if they do not fit."""
        return place(workload.layers, self.mapping)

    def estimate(self, workload: Workload) -> CostReport:
        """Price a workload.

        Raises
        ------
        CapacityError
            If the network needs more tiles than the chip has.
        """
        demand = demand_of(workload, self.mapping)
        placement = demand.placement
        running, full = ledgers(self, demand, self.fixed.mode == "first_layer")
        return CostReport(
            platform=self.name,
            workload=workload.name,
            exit_histogram=workload.exit_histogram,
            layers=(*(layer.name for layer in workload.layers), _CHIP),
            components=columns(self.components, self.schedule),
            running=running,
            full=full,
            assumptions=(self.label, *self.notes, *self._remarks(workload, placement, full[1])),
            sources=self.sources,
            weakest_tag=self.weakest_tag,
        )

    def joules(self, rate: Rate) -> FloatArray:
        """Low, nominal and high energy of a rate per event; shares are taken of the PE cycle."""
        if rate.dimension == "ratio" and self.pe_cycle is not None:
            return self.pe_cycle.joules(rate)
        return rate.corners

    def fixed_j(self, demand: Demand, per_step: FloatArray) -> FloatArray:
        """Low, nominal and high energy (3,) that is fixed per inference, given that of a step (3,)."""
        if self.fixed.ratio is not None:
            return np.asarray(self.fixed.ratio.corners * per_step)
        if self.fixed.per_crossbar is not None:
            return np.asarray(self.fixed.per_crossbar.corners * demand.placement.n_crossbars.sum())
        return np.zeros(3)

    def _remarks(self, workload: Workload, placement: Placement, book: Ledger) -> list[str]:
        """What a reader of this report must know about this network on this chip."""
        remarks = []
        empty = [
            f"{layer.name} ({used:.1%})"
            for layer, used in zip(workload.layers, placement.utilisation, strict=True)
            if used < _LOW_UTILISATION
        ]
        if empty:
            remarks.append(f"these layers use little of their crossbars: {', '.join(empty)}.")
        if any(layer.lateral != "none" for layer in workload.layers):
            remarks.append("lateral inhibition is not priced.")
        if self.fixed.ratio is not None and any(layer.once_per_inference for layer in workload.layers):
            remarks.append(
                "layers computed once per inference are charged at every step: the fitted fixed cost holds that."
            )
        if _EXIT_UNIT in self.components:
            unit = book.step_energy_j[..., list(self.components).index(_EXIT_UNIT)].sum() / book.step_energy_j.sum()
            if unit > _EXIT_SHARE:
                remarks.append(f"the exit unit takes {unit:.1%} of a step, more than the expected 1 %.")
        return remarks
