"""Engines: a layer of neurons with its rule, which learns from samples and answers them.

An engine owns weights, thresholds and the compiled loops; the estimators around it handle data, labels and files. The
type of the rule decides which engine runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from spikewise._choices import Rounding
from spikewise.errors import ShapeError
from spikewise.learn.stdp.counters import EventCounts
from spikewise.learn.stdp.kernels.lean import NEAREST, STOCHASTIC, TRUNCATE
from spikewise.learn.stdp.kernels.respond import ExitConstants
from spikewise.learn.stdp.responses import Responses
from spikewise.workload.operations import Operations

ROUNDINGS: dict[str, int] = {"truncate": TRUNCATE, "nearest": NEAREST, "stochastic": STOCHASTIC}
"""Numbers of the roundings in the compiled loops."""

Lateral = Literal["broadcast", "matrix"]
"""Inhibition as one sum that is sent to all neurons, or as a stored matrix of one weight per pair."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that every engine needs, in addition to its rule.

    Parameters
    ----------
    n_inputs, n_neurons, n_steps : int
        Sizes, and steps of a presentation.
    n_bits : int or None
        Bits of a weight, 1 to 8; None for 32-bit floats.
    rounding : str
        How weight updates are rounded to these bits.
    seed : np.uint64
        Seed of all random numbers.
    batch_size : int
        Samples that meet the same frozen network while learning.
    """

    n_inputs: int
    n_neurons: int
    n_steps: int = 350
    n_bits: int | None = 8
    rounding: Rounding = "stochastic"
    seed: np.uint64 = np.uint64(0)  # noqa: RUF009
    batch_size: int = 1


def no_fit(settings: Settings, arrays: Mapping[str, NDArray[Any]]) -> ShapeError:
    """Return the error for saved arrays that do not fit the sizes of an engine."""
    shapes = {name: arrays[name].shape for name in ("weights", "theta", "n_fired")}
    n, inputs = settings.n_neurons, settings.n_inputs
    return ShapeError(
        f"weights, theta and n_fired must have shapes ({inputs}, {n}), ({n},) and ({n},); got {shapes}. "
        "The file does not match its own description."
    )


class Engine(Protocol):
    """A layer of N neurons that learns by one rule."""

    rule: Any
    settings: Settings
    n_inputs: int
    n_neurons: int
    n_steps: int
    state_bits: int
    lateral: Lateral
    events: EventCounts
    """Events of all learning so far."""

    @property
    def weights(self) -> NDArray[np.float32]:
        """Weights (n_inputs, N) in [0, 1]."""

    @property
    def theta(self) -> NDArray[np.float32]:
        """Adaptive thresholds (N,) in mV."""

    @property
    def n_fired(self) -> NDArray[np.int64]:
        """Spikes of each neuron, shape (N,), in all learning so far."""

    def prepare(self, spread: float) -> None:
        """Scale gains, or the sum of weights, to the spread of the samples; called before learning."""

    def learn(self, shares: NDArray[np.uint16], places: range, n_total: int, n_threads: int = 1) -> None:
        """Learn from the samples at these places of a sequence of ``n_total`` presentations."""

    def respond(self, shares: NDArray[np.uint16], evidence: NDArray[np.float64], leaves: ExitConstants) -> Responses:
        """Answer samples without learning; stop each when its evidence, by weights (K, N), satisfies the rule."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that was learned."""

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Restore what :meth:`arrays` returned."""

    def operations(
        self, events: EventCounts, is_learning: bool, lateral: Lateral | None = None
    ) -> dict[str, Operations]:
        """Return the elementary operations of these events by component, mean per sample."""
