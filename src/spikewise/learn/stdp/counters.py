"""Counts of events in a running network, from which operations and health are computed."""

from collections import namedtuple
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise._compile import inlined
from spikewise.errors import ParameterError, whole_number
from spikewise.spikes.streams import SpikeStream


@dataclass(slots=True)
class EventCounts:
    """Counts of events over a set of presentations.

    Parameters
    ----------
    n_samples, n_silent : int
        Presentations, and those in which inputs fired but no neuron did.
    n_empty : int
        Presentations without any input.
    n_steps : int
        Computed steps of all presentations.
    n_draws : int
        Random numbers drawn to encode the inputs.
    in_spikes, out_spikes, inhibitory_spikes : int
        Spikes of inputs, of the learning neurons, and of inhibitory neurons where there are any.
    n_potentiations, n_depressions : int
        Updates triggered by output neurons (a column of weights each) and by inputs (a row each).
    n_normalisations : int
        Columns of weights that were rescaled.
    n_updates : int
        Moments at which the weights of one or more neurons were updated: ends of samples or of windows.
    """

    n_samples: int = 0
    n_silent: int = 0
    n_steps: int = 0
    n_draws: int = 0
    in_spikes: int = 0
    out_spikes: int = 0
    inhibitory_spikes: int = 0
    n_potentiations: int = 0
    n_depressions: int = 0
    n_normalisations: int = 0
    n_updates: int = 0
    n_empty: int = 0

    def __post_init__(self) -> None:
        for item in fields(self):
            whole_number(item.name, getattr(self, item.name), 0, 2**63 - 1)
        if self.n_silent + self.n_empty > self.n_samples:
            found = f"{self.n_silent} and {self.n_empty}"
            raise ParameterError(f"n_silent and n_empty must count some of {self.n_samples} samples; got {found}.")

    def add(self, events: Iterable[Any]) -> None:
        """Add events in the order of the fields, as the kernels return them; a shorter list leaves the other fields."""
        for item, count in zip(fields(self), events, strict=False):
            setattr(self, item.name, getattr(self, item.name) + int(count))

    def per_sample(self, name: str) -> float:
        """Return the mean of one kind of event per presentation."""
        return float(getattr(self, name)) / max(self.n_samples, 1)


# Derived from the fields, so that kernels and dataclass cannot differ in their order.
EVENT: Any = namedtuple("Event", [each.name for each in fields(EventCounts)])(*range(len(fields(EventCounts))))
"""Index of each kind of event in the array that a kernel fills: ``events[EVENT.n_draws]``."""


@inlined
def count_sample(events: NDArray[np.int64], stream: SpikeStream, is_active: bool, n_steps: int, n_out: int) -> None:
    """Add the events of one sample over its computed steps; it is active if it has any input."""
    events[EVENT.n_samples] += 1
    events[EVENT.n_empty] += not is_active
    events[EVENT.n_silent] += is_active and n_out == 0
    events[EVENT.n_steps] += n_steps
    # One number per step draws how many events it has; ``drawn`` holds those that choose the inputs.
    events[EVENT.n_draws] += n_steps
    events[EVENT.out_spikes] += n_out
    if is_active:
        events[EVENT.n_draws] += stream.drawn[n_steps]
        events[EVENT.in_spikes] += stream.ends[n_steps]
