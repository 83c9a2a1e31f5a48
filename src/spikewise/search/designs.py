"""Designs of a search and the space of all designs, as plain typed values."""

from itertools import product
from math import prod
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Choice = TypeVar("Choice")
Several = Annotated[tuple[Choice, ...], Field(min_length=1)]
Neurons = Annotated[int, Field(ge=1, le=100_000)]
Bits = Annotated[int, Field(ge=1, le=8)]
Steps = Annotated[int, Field(ge=1, le=30_000)]
Drop = Annotated[float, Field(ge=0, lt=1)]


class STDPDesign(BaseModel):
    """Design of a network that learns without labels.

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
        """Short and unique name of the design."""
        return f"{self.family}-{self.n_neurons}-{self.n_bits}bit-{self.n_steps}-{self.rule}"

    @property
    def keywords(self) -> dict[str, Any]:
        """Keyword arguments of :class:`~spikewise.learn.stdp.STDPClassifier`."""
        return self.model_dump(exclude={"family"})


class STDPSpace(BaseModel):
    """Choices for each property of an :class:`STDPDesign`.

    Examples
    --------
    >>> len(STDPSpace(n_neurons=(100, 400), n_bits=(4, 8), n_steps=(350,)).designs())
    4
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_neurons: Several[Neurons] = Field(
        (50, 100, 150, 200, 250, 300, 400, 500, 600, 800, 900, 1000, 1600, 2500, 3600, 4900),
        description="Neurons to choose from.",
    )
    n_bits: Several[Bits] = Field((2, 3, 4, 8), description="Bits of a weight to choose from.")
    n_steps: Several[Steps] = Field((100, 150, 250, 350), description="Timesteps to choose from.")
    rule: Several[str] = Field(("lean",), description="Plasticity rules to choose from, such as lean,fspinn.")

    @property
    def axes(self) -> dict[str, list[Any]]:
        """Choices of each property without duplicates; numbers in rising order, names in the given order."""
        return {
            name: list(dict.fromkeys(values)) if isinstance(values[0], str) else sorted(set(values))
            for name, values in self.model_dump().items()
        }

    def __len__(self) -> int:
        """Return the number of designs."""
        return prod(len(values) for values in self.axes.values())

    def designs(self) -> list[STDPDesign]:
        """Return all designs, in the order of the axes."""
        axes = self.axes
        return [STDPDesign(**dict(zip(axes, values, strict=True))) for values in product(*axes.values())]
