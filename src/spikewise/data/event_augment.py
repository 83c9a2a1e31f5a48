"""Random augmentation of one event recording, with a given generator; it needs NumPy only.

Each function returns events on the same sensor in order of time. Events that leave the sensor are dropped, and no
function adds events.
"""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from .formats.event_checks import Events

Size = tuple[int, int]


class EventAugmentation(BaseModel):
    """Which variants of its recordings a network sees in training; by default the recordings as they are.

    Examples
    --------
    >>> EventAugmentation(max_shift=5, flip=True).drop
    0.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_shift: int = Field(0, ge=0, le=1024, description="Largest shift in each direction, in pixels.")
    flip: bool = Field(False, description="Whether recordings are mirrored left to right at random.")
    drop: float = Field(0.0, ge=0, lt=1, description="Probability that an event is left out.")
    jitter_us: float = Field(0.0, ge=0, le=1e9, description="Standard deviation of a shift in time, in microseconds.")

    def vary(self, events: Events, sensor: Size, rng: np.random.Generator) -> Events:
        """Shift and flip a recording, drop events and jitter their times, in this order.

        Parameters
        ----------
        events : structured array of shape (n,)
            Events of one recording.
        sensor : tuple of int
            Height and width of the sensor.
        rng : numpy.random.Generator
            Random generator; equal generators give equal variants.

        Examples
        --------
        >>> from spikewise.data.formats.event_checks import EVENT
        >>> events = np.array([(0, 1, 0, 1), (10, 0, 0, 0)], EVENT)
        >>> EventAugmentation(jitter_us=3).vary(events, (1, 2), np.random.default_rng(0))["t"].tolist()
        [2, 10]
        """
        varied = shift_events(events, sensor, self.max_shift, rng)
        if self.flip:
            varied = flip_events(varied, sensor, rng)
        return jitter_events(drop_events(varied, self.drop, rng), self.jitter_us, rng)


def shift_events(events: Events, sensor: Size, max_shift: int, rng: np.random.Generator) -> Events:
    """Shift a whole recording by whole pixels, uniform in -max_shift..max_shift for each axis."""
    down, right = rng.integers(-max_shift, max_shift, 2, endpoint=True)
    # Signed integers, because the stored coordinates are unsigned and would wrap around below 0.
    y, x = events["y"].astype(np.int64) + down, events["x"].astype(np.int64) + right
    is_inside = (y >= 0) & (y < sensor[0]) & (x >= 0) & (x < sensor[1])
    moved: Events = events[is_inside]  # a mask copies, so the caller's events stay unchanged
    moved["y"], moved["x"] = y[is_inside], x[is_inside]
    return moved


def flip_events(events: Events, sensor: Size, rng: np.random.Generator) -> Events:
    """Mirror a recording left to right with probability one half."""
    flipped = events.copy()
    if rng.random() < 0.5:
        flipped["x"] = sensor[1] - 1 - events["x"]
    return flipped


def drop_events(events: Events, probability: float, rng: np.random.Generator) -> Events:
    """Drop each event independently with this probability."""
    kept: Events = events[rng.random(len(events)) >= probability]
    return kept


def jitter_events(events: Events, deviation_us: float, rng: np.random.Generator) -> Events:
    """Add independent normal noise (in microseconds) to the event times, not below 0, and sort the events."""
    moved = events.copy()
    moved["t"] = np.maximum(events["t"] + np.rint(rng.normal(0.0, deviation_us, len(events))).astype(np.int64), 0)
    in_order: Events = moved[np.argsort(moved["t"], kind="stable")]
    return in_order
