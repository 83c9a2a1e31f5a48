"""What a search may choose: a design, and the space of all of them, as plain typed values."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Choice = TypeVar("Choice")
Several = Annotated[tuple[Choice, ...], Field(min_length=1)]
Neurons = Annotated[int, Field(ge=1, le=100_000)]
Bits = Annotated[int, Field(ge=1, le=8)]
Steps = Annotated[int, Field(ge=1, le=30_000)]
Drop = Annotated[float, Field(ge=0, lt=1)]


class STDPDesign(BaseModel):
    """A network that learns without labels.

    Examples
    --------
    >>> STDPDesign(n_neurons=400, n_bits=4).name
    'stdp-400-4bit-350-lean'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["stdp"] = "stdp"
    n_neurons: Neurons = Field(400, description="Neurons N.")
    n_bits: Bits = Field(8, description="Bits of a weight.")
    n_steps: Steps = Field(350, description="Steps of 1 ms for which a sample is presented.")
    rule: str = Field("lean", description="How it learns: lean, first_spike, fspinn or diehl_cook.")

    @property
    def name(self) -> str:
        """Short and unique."""
        return f"{self.family}-{self.n_neurons}-{self.n_bits}bit-{self.n_steps}-{self.rule}"


class STDPSpace(BaseModel):
    """Choices for each property of an :class:`STDPDesign`.

    Examples
    --------
    >>> len(STDPSpace(n_neurons=(100, 400), n_bits=(4, 8), n_steps=(350,)).designs())
    4
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_neurons: Several[Neurons] = Field((100, 200, 400, 900, 1600, 2500, 3600, 4900), description="Neurons N.")
    n_bits: Several[Bits] = Field((2, 3, 4, 8), description="Bits of a weight.")
    n_steps: Several[Steps] = Field((100, 150, 250, 350), description="Steps of a presentation.")
    rule: Several[str] = Field(("lean",), description="How it learns.")

    def designs(self) -> list[STDPDesign]:
        """All of them, in the order of the choices."""
        return [
            STDPDesign(n_neurons=n_neurons, n_bits=n_bits, n_steps=n_steps, rule=rule)
            for n_neurons, n_bits, n_steps, rule in product(self.n_neurons, self.n_bits, self.n_steps, self.rule)
        ]
