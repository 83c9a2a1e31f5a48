"""What a search looks for: data, space, budget, and how much may be tried."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from spikewise._choices import Strategy
from spikewise.search.budget import Budget
from spikewise.search.designs import STDPSpace


class SearchSettings(BaseModel):
    """What a search looks for.

    Examples
    --------
    >>> SearchSettings(data="mnist", budget=Budget(memory_bits=1.6e6)).n_trials
    60
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = Field("digits", description="Name of a data set, an .npz file or a folder of class folders.")
    space: STDPSpace = Field(STDPSpace(), description="Choices for each property of a design.")
    budget: Budget = Field(Budget(), description="Limits; of memory and energy before training, of all after.")
    platform: str = Field("digital-45nm", description="Platform that designs are priced on.")
    n_trials: int = Field(60, ge=1, le=100_000, description="Designs to train, at most.")
    strategy: Strategy = Field(
        "auto", description="All designs, a learning sampler, FSpiNN's growing network; auto by size of the space."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Fixes every random choice.")
    limit: int | None = Field(None, ge=1, description="Training images, for a quick look; all if absent.")

    @property
    def of_the_study(self) -> dict[str, Any]:
        """Settings that a study must agree in to be gone on with; more trials may be asked for."""
        return self.model_dump(mode="json", exclude={"n_trials"})
