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
from spikewise.errors import ParameterError, ShapeError, unknown_name, whole_number
from spikewise.learn.stdp.counters import EventCounts
from spikewise.learn.stdp.kernels.lean import NEAREST, STOCHASTIC, TRUNCATE
from spikewise.learn.stdp.kernels.respond import ExitConstants
from spikewise.learn.stdp.responses import Responses
from spikewise.workload.operations import Operations

ROUNDINGS: dict[str, int] = {"truncate": TRUNCATE, "nearest": NEAREST, "stochastic": STOCHASTIC}
"""Numbers of the roundings in the compiled loops."""

# Steps are counted in 16 bits, weights have 8; the others only catch mistakes.
LIMITS = {"n_neurons": 100_000, "n_steps": 30_000, "n_bits": 8, "batch_size": 1_000_000}
"""Largest values of what every engine needs; the least is 1."""


def check_rounding(name: object) -> None:
    """Raise ParameterError unless there is a rounding of this name."""
    if not isinstance(name, str) or name not in ROUNDINGS:
        raise unknown_name("rounding", str(name), ROUNDINGS)


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

    def __post_init__(self) -> None:
        whole_number("n_inputs", self.n_inputs, 1)
        for name, most in LIMITS.items():
            if name != "n_bits" or self.n_bits is not None:
                whole_number(name, getattr(self, name), 1, most)
        check_rounding(self.rounding)


def learned_state(
    settings: Settings, arrays: Mapping[str, NDArray[Any]], scalar: str
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64], float]:
    """Return weights, thresholds, spikes of each neuron, and one number, out of saved arrays.

    Raises
    ------
    ShapeError, ParameterError
        If an array is absent, does not fit the sizes of the engine, or holds what cannot have been learned.
    """
    n, inputs = settings.n_neurons, settings.n_inputs
    wanted = {"weights": (inputs, n), "theta": (n,), "n_fired": (n,), scalar: (1,)}
    for name, shape in wanted.items():
        if name not in arrays or arrays[name].shape != shape:
            found = arrays[name].shape if name in arrays else "none"
            raise ShapeError(f"{name} must have shape {shape}; got {found}. The file does not match its description.")
        values, kind = arrays[name], "iu" if name == "n_fired" else "f"
        if values.dtype.kind not in kind or not (np.isfinite(values) & (values >= 0)).all():
            raise ParameterError(f"{name} must hold finite numbers of at least 0; got {values.dtype}. Is it damaged?")
    if (highest := arrays["weights"].max()) > 1:
        raise ParameterError(f"weights must lie in [0, 1]; got up to {highest:g}. Is the file damaged?")
    weights, theta, n_fired, number = (arrays[name] for name in wanted)
    return weights.astype(np.float32), theta.astype(np.float32), n_fired.astype(np.int64), float(number[0])


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
