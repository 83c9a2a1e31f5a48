r"""Event recordings as frames: how many events each pixel had in each step.

Of a recording with times :math:`t_i` and n events, event i falls into step

.. math:: \left\lfloor T \frac{t_i - t_0}{t_{n-1} - t_0 + 1} \right\rfloor
          \quad\text{(by time)}, \qquad
          \left\lfloor T \frac{i}{n} \right\rfloor \quad\text{(by count)}.

Steps of equal time are what a device with a clock sees; steps of equal count follow the movement. A frame has one
channel per polarity, OFF and then ON.
"""

from __future__ import annotations

import math
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from spikewise.errors import ParameterError, whole_number

from .formats.event_array import Events

MAX_STEPS = 1024
Size = tuple[int, int]


class Binning(BaseModel):
    """How a recording becomes frames.

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
            raise ValueError(f"span_us must be left out by count; got {self.span_us}")
        return self

    def frame_size(self, sensor: Size) -> Size:
        """Height and width of the frames of a sensor, once they are known to be possible."""
        kept = sensor
        for name in ("crop", "size"):
            asked = getattr(self, name)
            if asked is None:
                continue
            if not all(1 <= side <= most for side, most in zip(asked, kept, strict=True)):
                raise ParameterError(f"{name} must lie in 1..{kept[0]} by 1..{kept[1]} pixels; got {asked}.")
            kept = asked
        return kept


def bin_events(
    events: Events,
    sensor: Size,
    n_steps: int,
    binning: Binning | None = None,
    dtype: DTypeLike = np.uint8,
) -> NDArray[Any]:
    """Frames of one recording.

    Parameters
    ----------
    events : structured array of shape (n,)
        Events with ``t``, ``x``, ``y`` and ``p``, in order of time.
    sensor : tuple of int
        Height and width of the sensor.
    n_steps : int
        Number of frames T, 1 to 1024.
    binning : Binning, optional
        How; by time and of the sensor's size if absent.
    dtype : type
        Integers stop at their largest value (uint8: 255 events of a pixel in a step); floats count on.

    Returns
    -------
    array of shape (T, 2, H, W)
        Number of events: channel 0 of polarity OFF, channel 1 ON. If the frame is smaller than what is kept, a pixel
        counts the events of the several pixels that it covers.

    Examples
    --------
    >>> from spikewise.data.formats.event_array import EVENT
    >>> events = np.array([(0, 1, 0, 1), (10, 0, 0, 0), (99, 1, 0, 1)], EVENT)
    >>> bin_events(events, (1, 2), 2).tolist()
    [[[[1, 0]], [[0, 1]]], [[[0, 0]], [[0, 1]]]]
    """
    binning = Binning() if binning is None else binning
    whole_number("n_steps", n_steps, 1, MAX_STEPS)
    height, width = binning.frame_size(sensor)
    steps = _steps(events, n_steps, binning)
    is_kept = steps < n_steps
    places = []
    for name, side, whole, kept in zip("yx", (height, width), sensor, binning.crop or sensor, strict=True):
        place = events[name].astype(np.int64) - (whole - kept) // 2
        is_kept &= (place >= 0) & (place < kept)
        places.append(place * side // kept)
    index = ((steps * 2 + events["p"]) * height + places[0]) * width + places[1]
    shape = (n_steps, 2, height, width)
    counts = np.bincount(index[is_kept], minlength=math.prod(shape)).reshape(shape)
    kind = np.dtype(dtype)
    return (np.minimum(counts, np.iinfo(kind).max) if kind.kind in "iu" else counts).astype(kind)


def _steps(events: Events, n_steps: int, binning: Binning) -> NDArray[np.int64]:
    """Step of each event; n_steps or more for one that is too late."""
    if binning.by == "count":
        return np.arange(len(events)) * n_steps // max(len(events), 1)
    t = events["t"].astype(np.int64)
    if binning.span_us is not None:
        # The limit comes first: a time of any size must not overflow.
        return np.minimum(t, binning.span_us) * n_steps // binning.span_us
    return (t - t[:1]) * n_steps // (t[-1] - t[0] + 1) if len(t) else t
