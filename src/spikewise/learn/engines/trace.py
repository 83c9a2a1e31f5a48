"""Engine of the rules of traces, ``diehl_cook`` and ``fspinn``: float weights, or on the grid of fixed point.

Learning is strictly sequential: a sample meets the network that the one before it has left, on one thread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise.errors import ParameterError, ShapeError
from spikewise.fixed_point import QFormat
from spikewise.learn.kernels import lean, trace, trace_layer
from spikewise.learn.responses import Responses
from spikewise.learn.rules.lean import spread_of
from spikewise.learn.rules.trace import TraceNeuronConstants, TraceRule
from spikewise.learn.tally import Tally
from spikewise.operations import Operations
from spikewise.spikes.streams import SpikeStream, content_keys, spike_stream

from . import Lateral, Settings
from .trace_operations import inference_operations, training_operations

_ROUNDINGS = {"truncate": lean.TRUNCATE, "nearest": lean.NEAREST, "stochastic": lean.STOCHASTIC}


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
    >>> from spikewise.learn.rules.trace import diehl_cook_defaults
    >>> engine = TraceEngine(diehl_cook_defaults(9), Settings(n_inputs=20, n_neurons=9, n_bits=None))
    >>> shares = np.full((2, 20), 65535, np.uint16)
    >>> engine.prepare(shares)
    >>> engine.learn(shares, range(2), n_total=2)
    >>> engine.tally.n_samples, engine.tally.in_spikes > 1000
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
        self.tally = Tally()
        self.theta = np.zeros(self.n_neurons, np.float32)
        self.n_fired = np.zeros(self.n_neurons, np.int64)
        rng = np.random.default_rng(int(settings.seed))
        fresh = rng.random((self.n_inputs, self.n_neurons), np.float32)
        self.weights: NDArray[np.float32] = np.float32(0.3) * fresh
        self._is_fresh = True

    def prepare(self, shares: NDArray[np.uint16]) -> None:
        """Scale the sum of weights to how many inputs share the intensity of these samples (B, n_inputs).

        A neuron whose weights match a sample receives per event their sum over that number, so the sum grows with
        it. Fresh weights are brought to the sum at once, and with fixed point to the grid, by chance even where updates
        are truncated: a grid of few bits would otherwise hold nothing but zeros.
        """
        self.norm = self.rule.norm * spread_of(shares) ** 2
        if self._is_fresh:
            total = self.weights.sum(0, dtype=np.float64)
            scaled = np.clip(self.weights * (self.norm / np.maximum(total, 1e-12)), 0, 1)
            if self.settings.n_bits is not None:
                rng = np.random.default_rng([int(self.settings.seed), 1])
                scaled = QFormat(0, self.settings.n_bits, is_signed=False).quantize(scaled, "stochastic", rng)
            self.weights = np.ascontiguousarray(scaled, np.float32)
            self._is_fresh = False

    def learn(self, shares: NDArray[np.uint16], places: range, n_total: int, n_threads: int = 1) -> None:
        """Learn from samples that stand at these places of a sequence; rates are constant and threads unused."""
        settings, shares = self.settings, np.ascontiguousarray(shares)
        history = trace.new_history(self.n_inputs, self.rule.trace_after(self.n_steps), self.n_neurons)
        silent, steps, draws, n_in, n_out, columns, rows, rescaled, updates = trace.learn(
            shares, places.start, settings.seed, self._stream(), self.weights, self.theta, self.n_fired,
            trace_layer.new_layer(self.n_neurons), history, self._neuron(is_learning=True),
            self.rule.constants(self.n_steps, settings.n_bits, _ROUNDINGS[settings.rounding], self.norm), self.n_steps,
        )  # fmt: skip
        self.tally.n_samples += len(shares)
        self.tally.n_silent += silent
        self.tally.n_steps += steps
        self.tally.n_draws += draws
        self.tally.in_spikes += n_in
        self.tally.out_spikes += n_out
        self.tally.inhibitory_spikes += n_out if self.rule.inhibition == "neurons" else 0
        self.tally.n_potentiations += columns
        self.tally.n_depressions += rows
        self.tally.n_normalisations += rescaled
        self.tally.n_updates += updates

    def respond(
        self, shares: NDArray[np.uint16], evidence: NDArray[np.float64], exit_kind: int, max_entropy: float
    ) -> Responses:
        """Answer samples without learning; stop each when the rule is satisfied by the evidence (K, N) so far."""
        n, shares = len(shares), np.ascontiguousarray(shares)
        neuron, step = np.empty((n, self.n_steps), np.int32), np.empty((n, self.n_steps), np.int32)
        n_fired, exit_step, scores = np.empty(n, np.int64), np.empty(n, np.int32), np.empty((n, len(evidence)))
        in_spikes, out_spikes = np.zeros(self.n_steps, np.int64), np.zeros(self.n_steps, np.int64)
        n_drawn = trace_layer.respond(
            shares, content_keys(shares, self.settings.seed), self._stream(), self.weights, self.theta,
            trace_layer.new_layer(self.n_neurons), self._neuron(is_learning=False), self.n_steps,
            np.ascontiguousarray(evidence), exit_kind, max_entropy,
            neuron, step, n_fired, exit_step, scores, in_spikes, out_spikes,
        )  # fmt: skip
        there = np.arange(self.n_steps) < n_fired[:, None]
        n_computed, n_out = int(exit_step.sum(dtype=int)), int(n_fired.sum())
        tally = Tally(
            n_samples=n, n_silent=int((n_fired == 0).sum()), n_steps=n_computed, n_draws=n_computed + n_drawn,
            in_spikes=int(in_spikes.sum()), out_spikes=n_out,
            inhibitory_spikes=n_out if self.rule.inhibition == "neurons" else 0,
        )  # fmt: skip
        return Responses(
            np.repeat(np.arange(n), n_fired), step[there].astype(np.int64), neuron[there].astype(np.int64),
            exit_step.astype(np.int64), scores, in_spikes, out_spikes, tally,
        )  # fmt: skip

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that was learned."""
        return {"weights": self.weights, "theta": self.theta, "n_fired": self.n_fired, "norm": np.array([self.norm])}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        weights, theta, n_fired, norm = (arrays[key] for key in ("weights", "theta", "n_fired", "norm"))
        if weights.shape != (self.n_inputs, self.n_neurons) or not theta.shape == n_fired.shape == (self.n_neurons,):
            raise ShapeError(f"weights must be ({self.n_inputs}, {self.n_neurons}); got {weights.shape}.")
        self.weights, self.theta = np.array(weights, np.float32, order="C"), np.array(theta, np.float32)
        self.n_fired, self.norm = np.array(n_fired, np.int64), float(norm[0])
        self._is_fresh = False

    def operations(self, tally: Tally, is_learning: bool, lateral: Lateral | None = None) -> dict[str, Operations]:
        """Elementary operations by component, mean per sample, of the events in a tally.

        Inhibition is stored where inhibitory neurons carry it, else broadcast, unless ``lateral`` says otherwise.
        """
        count = training_operations if is_learning else inference_operations
        return count(tally, self.settings, self.rule, lateral or self.lateral)

    def _neuron(self, is_learning: bool) -> TraceNeuronConstants:
        neurons = self.rule.neurons
        strength = neurons.w_inhibit_learning if is_learning else neurons.w_inhibit
        if strength is None:  # summed exactly, so that the result does not depend on the order of adding
            strength = neurons.v_threshold + math.fsum(self.theta.tolist()) / self.n_neurons
        return self.rule.neuron_constants(strength)

    def _stream(self) -> SpikeStream:
        return spike_stream(self.rule.events_per_step, self.n_inputs, self.n_steps)
