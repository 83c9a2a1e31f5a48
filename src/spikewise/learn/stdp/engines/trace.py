"""Engine of the trace rules ``diehl_cook`` and ``fspinn``, with float or fixed-point weights.

Learning is strictly sequential, on one thread: a sample is presented to the network as the one before has left it.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise.errors import ParameterError
from spikewise.fixed_point import QFormat
from spikewise.learn.stdp.counters import EventCounts
from spikewise.learn.stdp.kernels import trace, trace_layer
from spikewise.learn.stdp.kernels.respond import ExitConstants, new_sheet
from spikewise.learn.stdp.responses import Responses
from spikewise.learn.stdp.rules.trace import TraceNeuronConstants, TraceRule
from spikewise.spikes.streams import SpikeStream, content_keys, spike_stream, stream_keys
from spikewise.workload.operations import Operations

from .base import ROUNDINGS, Lateral, Settings, learned_state
from .trace_operations import inference_operations, training_operations


class TraceEngine:
    """A layer of competing neurons that learns from traces of spikes.

    Parameters
    ----------
    rule : TraceRule
        Neurons and plasticity.
    settings : Settings
        Sizes, precision and seed; ``batch_size`` must be 1.

    Examples
    --------
    >>> from spikewise.learn.stdp.rules.trace import diehl_cook_defaults
    >>> engine = TraceEngine(diehl_cook_defaults(9), Settings(n_inputs=20, n_neurons=9, n_bits=None))
    >>> shares = np.full((2, 20), 65535, np.uint16)
    >>> engine.prepare(1.0)
    >>> engine.learn(shares, range(2), n_total=2)
    >>> engine.events.n_samples, engine.events.in_spikes > 1000
    (2, True)
    """

    def __init__(self, rule: TraceRule, settings: Settings) -> None:
        if settings.batch_size != 1:
            raise ParameterError(
                f"batch_size must be 1 for rules of traces, which learn sample by sample; got {settings.batch_size}. "
                "Use the lean rule for batches."
            )
        self.rule, self.settings = rule, settings
        self.n_inputs, self.n_neurons, self.n_steps = settings.n_inputs, settings.n_neurons, settings.n_steps
        self.state_bits = 32
        self.lateral: Lateral = "matrix" if rule.inhibition == "neurons" else "broadcast"
        self.norm = rule.norm
        self.events = EventCounts()
        self.theta = np.zeros(self.n_neurons, np.float32)
        self.n_fired = np.zeros(self.n_neurons, np.int64)
        rng = np.random.default_rng(int(settings.seed))
        fresh = rng.random((self.n_inputs, self.n_neurons), np.float32)
        self.weights: NDArray[np.float32] = np.float32(0.3) * fresh
        self._is_fresh = True

    def prepare(self, spread: float) -> None:
        """Scale the sum of weights to the number of active inputs of a sample, relative to handwritten digits.

        A neuron whose weights match a sample receives per event their sum divided by that number, so the sum grows with
        it. Initial weights are scaled to the sum and, for fixed point, rounded. This rounding is always stochastic:
        with few bits, all weights would otherwise be zero.
        """
        self.norm = self.rule.norm * spread**2
        if self._is_fresh:
            total = self.weights.sum(0, dtype=np.float64)
            scaled = np.clip(self.weights * (self.norm / np.maximum(total, 1e-12)), 0, 1)
            if self.settings.n_bits is not None:
                # Another stream than that of the initial weights.
                rng = np.random.default_rng([int(self.settings.seed), 1])
                scaled = QFormat(0, self.settings.n_bits, is_signed=False).quantize(scaled, "stochastic", rng)
            self.weights = np.ascontiguousarray(scaled, np.float32)
            self._is_fresh = False

    def learn(self, shares: NDArray[np.uint16], places: range, n_total: int, n_threads: int = 1) -> None:
        """Learn from the samples at these places of a sequence; rates are constant, and ``n_threads`` is not used."""
        settings, shares = self.settings, np.ascontiguousarray(shares)
        for name in ("weights", "theta", "n_fired"):
            if not getattr(self, name).flags.writeable:  # joblib hands large arrays to processes read-only
                setattr(self, name, getattr(self, name).copy())
        # State of a single sample: nothing of it outlasts the call.
        history = trace.new_history(self.n_inputs, self.rule.trace_after(self.n_steps), self.n_neurons)
        keys = stream_keys(settings.seed, places.start, len(shares))
        rule = self.rule.constants(self.n_steps, settings.n_bits, ROUNDINGS[settings.rounding], self.norm)
        neuron = self._neuron(is_learning=True)
        self.events.add(trace.learn(shares, keys, self._stream(), self._layer(), history, neuron, rule))

    def respond(self, shares: NDArray[np.uint16], evidence: NDArray[np.float64], leaves: ExitConstants) -> Responses:
        """Answer samples without learning; stop each when its evidence, by weights (K, N), satisfies the rule."""
        shares, sheet = np.ascontiguousarray(shares), new_sheet(len(shares), self.n_steps, len(evidence))
        events = trace_layer.respond(
            shares, content_keys(shares, self.settings.seed), self._stream(), self._layer(),
            self._neuron(is_learning=False), np.ascontiguousarray(evidence), leaves, sheet,
        )  # fmt: skip
        return Responses.of(sheet, events)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that was learned."""
        return {"weights": self.weights, "theta": self.theta, "n_fired": self.n_fired, "norm": np.array([self.norm])}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Restore what :meth:`arrays` returned."""
        weights, self.theta, self.n_fired, self.norm = learned_state(self.settings, arrays, "norm")
        self.weights = np.ascontiguousarray(weights)
        # Restored weights have their sum already; a later ``prepare`` must not scale them.
        self._is_fresh = False

    def operations(
        self, events: EventCounts, is_learning: bool, lateral: Lateral | None = None
    ) -> dict[str, Operations]:
        """Return the elementary operations of these events by component, mean per sample.

        By default, inhibition through inhibitory neurons is stored, and direct inhibition is broadcast.
        """
        count = training_operations if is_learning else inference_operations
        return count(events, self.settings, self.rule, lateral or self.lateral)

    def _neuron(self, is_learning: bool) -> TraceNeuronConstants:
        neurons = self.rule.neurons
        strength = neurons.w_inhibit_learning if is_learning else neurons.w_inhibit
        if strength is None:  # an exact sum, since the order of adding differs between machines
            strength = neurons.v_threshold + math.fsum(self.theta.tolist()) / self.n_neurons
        return self.rule.neuron_constants(strength)

    def _layer(self) -> trace_layer.Layer:
        return trace_layer.with_state(self.weights, self.theta, self.n_fired)

    def _stream(self) -> SpikeStream:
        return spike_stream(self.rule.events_per_step, self.n_inputs, self.n_steps)
