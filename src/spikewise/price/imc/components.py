r"""Components of a chip: each one has a constant cost per event.

Every component follows the same law, count times constant,

.. math:: E_{component} = \sum_{event} n_{event} \cdot e_{event},

and the same for latency, area and memory. The constants are data (a preset). The counts follow from the network:
:class:`~spikewise.price.imc.counts.Demand` computes them from its placement and from its measured activity. A component
whose energy depends on the data is charged per ``active_input`` or ``out_spike``, any other per ``pe_cycle``; there is
no other difference between them.

If the constants of a converter are known for another resolution, they are scaled: from 4 to 10 bits by the ratios of
ISAAC's 8-bit SAR converter at other resolutions, at 32 nm (as in the plug-ins of Accelergy and hwcomponents). Outside
this range the table is extrapolated. Converters of more than 8 bits may well cost more: a regression over published
ones (arXiv 2404.06553) has a factor of 3.3 from 8 to 10 bits where this table has 1.4.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from spikewise.price.ledger import FloatArray
from spikewise.price.quantity import Dimension, Quantity, of_dimension

from .mapping import CrossbarArray, Scheme, Sign, TapSum

_ENERGY_PJ = {4: 0.79, 5: 0.99, 6: 1.20, 7: 1.42, 8: 1.67, 9: 1.97, 10: 2.38}
_AREA_UM2 = {4: 361.0, 5: 477.0, 6: 627.0, 7: 845.0, 8: 1200.0}


def scaled(dimension: Dimension, known_bits: int, bits: int) -> float:
    """Return the energy (or area) of a converter of some bits over that of a converter of known bits.

    Examples
    --------
    >>> round(scaled("energy", 4, 8), 2), round(scaled("area", 8, 4), 2)
    (2.11, 0.3)
    """
    table = _AREA_UM2 if dimension == "area" else _ENERGY_PJ
    return _at(table, bits) / _at(table, known_bits)


def _at(table: dict[int, float], bits: int) -> float:
    low, high = min(table), max(table)
    # Proportional to the bits below the table; above it, the last ratio of the table repeats for each further bit.
    if bits < low:
        return table[low] * (bits / low)
    if bits > high:
        return table[high] * math.pow(table[high] / table[high - 1], bits - high)
    return table[bits]


SynapticEvent = Literal[
    "pe_cycle", "crossbar_read", "serial_cycle", "phase", "conversion", "conversion_bit", "partial_sum", "output",
    "input_read_bit", "active_input", "active_cell", "idle_cell", "in_spike",
]  # fmt: skip
"""Events of the weighted sums of a layer; a layer computed once per inference has them once."""
StepEvent = Literal["neuron_update", "state_update_bit", "out_spike", "noc_bit_hop", "kept_sum", "decision"]
"""Events of every step, even if a layer is computed once."""
Built = Literal[
    "image_bit", "input", "neuron", "cell", "row", "crossbar", "pe", "adc", "tile", "chip",
    "weight_bit", "state_bit", "input_bit", "stored_bit",
]  # fmt: skip
"""Things that are built or stored: they have a count, but no time."""
Event = Literal[SynapticEvent, StepEvent, Built]


class Rate(Quantity):
    """A constant charged once per event."""

    per: Event = Field(description="what it is charged for")
    first_layers: int | None = Field(default=None, ge=1, description="charged in so many layers only; in all if absent")
    at_adc_bits: int | None = Field(
        default=None, ge=1, le=12, description="converter resolution that it holds for; scaled to that of the chip"
    )


class ReferenceCycle(Quantity):
    """Energy of the PE cycle on which a chip was calibrated; components may be shares of it.

    A share charged per ``crossbar_read`` is what all crossbars of this cycle take together, so that a layer whose
    kernel has fewer or more taps pays for the crossbars that it reads. It holds for crossbars of one geometry alone.
    """

    n_crossbars: int = Field(ge=1, description="crossbars read in this cycle: taps of the kernel it was calibrated on")
    n_rows: int = Field(ge=1, description="mapping.n_rows that it holds for")
    n_cols: int = Field(ge=1, description="mapping.n_cols that it holds for")
    cell_bits: int = Field(ge=1, description="mapping.cell_bits that it holds for")
    cols_per_adc: int = Field(ge=1, description="mapping.cols_per_adc that it holds for")
    adc_bits: int = Field(ge=1, description="mapping.adc_bits that it holds for")
    sign: Sign = Field(description="mapping.sign that it holds for")
    scheme: Scheme = Field(description="mapping.scheme that it holds for")
    tap_sum: TapSum = Field(description="mapping.tap_sum that it holds for")

    def check(self, array: CrossbarArray) -> None:
        """Raise ValueError if the crossbars are others than those of this cycle."""
        for key in ("n_rows", "n_cols", "cell_bits", "cols_per_adc", "adc_bits", "sign", "scheme", "tap_sum"):
            mine, theirs = getattr(self, key), getattr(array, key)
            if mine != theirs:
                raise ValueError(
                    f"pe_cycle holds for mapping.{key} = {mine}; got {theirs}. Give a pe_cycle of that geometry, or "
                    "extend a chip that is priced by its parts, such as rram-64-32nm-physical"
                )

    def joules(self, share: Rate) -> FloatArray:
        """Return low, nominal and high energy per event of a share of this cycle; shape (3,)."""
        n_events = self.n_crossbars if share.per == "crossbar_read" else 1
        return np.asarray(share.corners * self.corners / n_events)


def _as_list(raw: Any) -> Any:
    """Turn a single rate into a list of one."""
    return [raw] if isinstance(raw, Mapping | Rate) else raw


def _never_per(*events: str, because: str) -> AfterValidator:
    """Return a pydantic check that no rate is charged for one of these events."""

    def check(rates: tuple[Rate, ...]) -> tuple[Rate, ...]:
        for rate in rates:
            if rate.per in events:
                raise ValueError(f"per must not be {rate.per!r} here, since {because}")
        return rates

    return AfterValidator(check)


_listed = BeforeValidator(_as_list)
_no_memory = _never_per("stored_bit", because="only area and leakage are charged for the bits that a part stores")
_no_activity = _never_per(
    "active_input", "active_cell", "idle_cell", "in_spike", "out_spike", "noc_bit_hop",
    because="its count differs from step to step; charge energy or latency for it",
)  # fmt: skip
EnergyRates = Annotated[tuple[Rate, ...], of_dimension("energy", "ratio"), _listed, _no_memory]
EnergyOnce = Annotated[tuple[Rate, ...], of_dimension("energy"), _listed, _no_memory, _no_activity]
PowerRates = Annotated[tuple[Rate, ...], of_dimension("power"), _listed, _no_activity]
TimeRates = Annotated[tuple[Rate, ...], of_dimension("time"), _listed, _no_memory]
AreaRates = Annotated[tuple[Rate, ...], of_dimension("area"), _listed, _no_activity]
MemoryRates = Annotated[tuple[Rate, ...], of_dimension("memory"), _listed, _no_memory, _no_activity]


class Component(BaseModel):
    """A part of a chip, as rates per event.

    An energy with the unit of a ratio is a share of the chip's :class:`ReferenceCycle`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    energy: EnergyRates = Field(default=(), description="per event of a timestep")
    once: EnergyOnce = Field(default=(), description="energy per event, once per inference")
    latency: TimeRates = Field(default=(), description="per event of a timestep, in series with the others")
    leakage: PowerRates = Field(default=(), description="power per thing built, for as long as an inference takes")
    area: AreaRates = Field(default=(), description="per thing built")
    memory: MemoryRates = Field(default=(), description="bits per thing stored")

    def rates(self) -> tuple[Rate, ...]:
        """Return every constant."""
        return (*self.energy, *self.once, *self.latency, *self.leakage, *self.area, *self.memory)
