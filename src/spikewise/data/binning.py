"""Settings that say how event recordings become frames; :mod:`spikewise.data.frames` makes the frames."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from spikewise.errors import ParameterError

Size = tuple[int, int]


class Binning(BaseModel):
    """Settings that turn an event recording into frames.

    Examples
    --------
    >>> Binning(by="count", size=(48, 48)).frame_size((128, 128))
    (48, 48)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Literal["time", "count"] = Field("time", description="Whether steps share the time or the number of events.")
    span_us: int | None = Field(
        None,
        ge=1,
        le=2**40,
        description="By time: microseconds from 0 that the steps share; later events are left out.",
    )
    crop: Size | None = Field(None, description="Height and width of the middle part that is kept, in pixels.")
    size: Size | None = Field(None, description="Height and width of a frame, at most those of what is kept.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.by == "count" and self.span_us is not None:
            # ValueError, because pydantic reports it as an error of the settings.
            raise ValueError(f"span_us must be left out by count; got {self.span_us}")
        return self

    def frame_size(self, sensor: Size) -> Size:
        """Return height and width of the frames; raise ParameterError if crop or size exceeds what it is taken from."""
        kept = sensor  # the crop is taken from the sensor, the frame from the crop
        for name in ("crop", "size"):
            asked = getattr(self, name)
            if asked is None:
                continue
            if not all(1 <= side <= most for side, most in zip(asked, kept, strict=True)):
                raise ParameterError(f"{name} must lie in 1..{kept[0]} by 1..{kept[1]} pixels; got {asked}.")
            kept = asked
        return kept
