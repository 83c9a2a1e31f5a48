"""What a sweep tries for a network that is there: widths of weights, platforms and their settings, under limits."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from spikewise.search.budget import Budget


class SweepSettings(BaseModel):
    """What a sweep tries.

    Examples
    --------
    >>> SweepSettings(bits=(4,), vary={"mapping.adc_bits": (4, 6)}).platform
    ('rram-64-32nm-physical',)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bits: tuple[int, ...] = Field((8, 6, 4), description="Widths of weights to try, such as 8,6,4; none if empty.")
    platform: tuple[str, ...] = Field(
        ("rram-64-32nm-physical",), min_length=1,
        description="Name of a platform, or its TOML file; several to compare.",
    )  # fmt: skip
    vary: dict[str, tuple[Any, ...]] = Field(
        {}, description="Values to try for a setting of the platforms, such as mapping.adc_bits=4,6,8."
    )
    max_drop: float = Field(0.005, ge=0, lt=1, description="Loss of accuracy that may be, as a fraction.")
    budget: Budget = Field(Budget(), description="Limits of a design.")
    n_images: int = Field(2000, ge=2, description="Validation images to record, at most.")
