r"""In-memory-computing chips: crossbars and the components around them, priced layer by layer and step by step.

.. math:: E(t) = F + \sum_{s \le t} \sum_{layer} \sum_{component} n_{event} \cdot e_{event}, \qquad
          D(t) = t \sum_{layer} P_{layer} \cdot input\ bits \cdot t_{PE}

Where layers follow one another and steps are not pipelined (:mod:`spikewise.price.imc.schedule`), latency is
proportional to the steps. Energy is not: some work is done once per image (:mod:`spikewise.price.imc.fixed_cost`).

Leaves out: writing of weights, lateral inhibition; leakage and off-chip memory where a preset has no constants.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from spikewise._arguments import checks_arguments
from spikewise.price.accounts import FIXED, report_of
from spikewise.price.cost import CostReport
from spikewise.price.ledger import FloatArray
from spikewise.price.quantity import PlatformSettings, Quantity, of_dimension
from spikewise.workload.workload import Workload

from .charges import LEAKAGE, options_of
from .components import Component, Rate, ReferenceCycle
from .counts import demand_of
from .fixed_cost import FixedCost
from .mapping import CrossbarArray, Placement, place
from .notes import notes_on
from .schedule import OVERLAP, SPECULATION, Schedule

_SHARED = ("pe_cycle", "crossbar_read")  # events of the reference cycle


class ImcChip(PlatformSettings):
    """An in-memory-computing chip composed of components; a platform that prices workloads.

    Build one with :func:`spikewise.price.load_platform`; every field is described in its preset.

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> chip = load_platform("rram-64-32nm")
    >>> chip.mapping.n_rows, round(chip.constants["pe_cycle"].value)
    (64, 924)
    """

    kind: Literal["imc"] = Field(description="in-memory computing")
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
        if self.pe_cycle is not None:
            self.pe_cycle.check(self.mapping)
        taken = [name for name in (FIXED, LEAKAGE, OVERLAP, SPECULATION) if name in self.components]
        if taken:
            raise ValueError(f"component name {taken[0]!r} is taken: it holds what belongs to no part of the chip")
        return self

    def quantities(self) -> tuple[Quantity, ...]:
        """Return every constant."""
        # Without the keys that PlatformSettings collects: building these takes longer than a price.
        alone = (self.pe_cycle, self.fixed.ratio, self.fixed.per_crossbar)
        rates = (rate for part in self.components.values() for rate in part.rates())
        return (*(quantity for quantity in alone if quantity is not None), *rates)

    def place(self, workload: Workload) -> Placement:
        """Return crossbars, tiles and cycles of each layer; raises CapacityError if the layers do not fit."""
        return place(workload.layers, self.mapping)

    @checks_arguments
    def estimate(self, workload: Workload) -> CostReport:
        """Price a workload.

        Raises
        ------
        CapacityError
            If the network needs more tiles than the chip has.
        """
        demand = demand_of(workload, self.mapping)
        options = options_of(self, demand)
        notes = notes_on(self, workload, demand.placement, options[0].accounts)
        return report_of(options, self, workload, workload.exit_histogram, notes)

    def joules(self, rate: Rate) -> FloatArray:
        """Return low, nominal and high energy of a rate per event; a share is multiplied by the PE cycle's energy."""
        if rate.dimension == "ratio" and self.pe_cycle is not None:
            return self.pe_cycle.joules(rate)
        return rate.corners
