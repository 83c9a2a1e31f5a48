"""Engine of the lean rule: integers by default, floats on request; samples one by one or in frozen batches."""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise.fixed_point import QFormat
from spikewise.learn.stdp.counters import EventCounts
from spikewise.learn.stdp.kernels import lean, neurons, respond
from spikewise.learn.stdp.kernels.advance import LANES, aligned
from spikewise.learn.stdp.kernels.respond import ExitConstants
from spikewise.learn.stdp.responses import Responses
from spikewise.learn.stdp.rules.lean import LeanRule, NeuronConstants, RuleConstants, Schedule, drive_scale
from spikewise.spikes.streams import content_keys, spike_stream, stream_keys
from spikewise.workload.operations import Operations

from .base import ROUNDINGS, Lateral, Settings, learned_state
from .lean_operations import inference_operations, training_operations

_LEVELS = 256  # of an integer weight
_INHIBITION = 1.08  # after learning, times the mean threshold: from 1.2 on only the first neuron fires
_SAMPLES_PER_THREAD = 8  # with fewer, starting a thread costs more than it saves


def _rows(arrays: Any, rows: slice) -> Any:
    """Return these rows of each array in a named tuple."""
    return type(arrays)(*(each[rows] for each in arrays))


class LeanEngine:
    """A layer of competing neurons that learns by the lean rule.

    Parameters
    ----------
    rule : LeanRule
        Schedules and constants.
    settings : Settings
        Sizes, precision, seed and batch size.
    """

    def __init__(self, rule: LeanRule, settings: Settings) -> None:
        self.rule, self.settings = rule, settings
        self.n_inputs, self.n_neurons, self.n_steps = settings.n_inputs, settings.n_neurons, settings.n_steps
        self.state_bits = 16 if settings.n_bits else 32
        self.lateral: Lateral = "broadcast"
        self.gain = rule.gain
        self.events = EventCounts()
        # Whole vectors of neurons; padding neurons have weight 0 and never reach their threshold.
        n_padded = -(-self.n_neurons // LANES) * LANES
        self._theta = np.zeros(n_padded, np.float32)
        self._n_fired = np.zeros(n_padded, np.int64)
        rng = np.random.default_rng(int(settings.seed))
        self._put(0.3 * rng.random((self.n_inputs, self.n_neurons), np.float32))

    @property
    def weights(self) -> NDArray[np.float32]:
        """Weights (n_inputs, N) in [0, 1]."""
        unit = 1.0 if self.settings.n_bits is None else 1 / _LEVELS
        return (self._weights[:, : self.n_neurons] * unit).astype(np.float32)

    @property
    def theta(self) -> NDArray[np.float32]:
        """Adaptive thresholds (N,) in mV."""
        return self._theta[: self.n_neurons]

    @property
    def n_fired(self) -> NDArray[np.int64]:
        """Spikes of each neuron, shape (N,), in all learning so far."""
        return self._n_fired[: self.n_neurons]

    def prepare(self, spread: float) -> None:
        """Scale the gain to the number of active inputs of a sample, relative to handwritten digits."""
        self.gain = self.rule.gain * drive_scale(spread)
        self._renew()

    def learn(self, shares: NDArray[np.uint16], places: range, n_total: int, n_threads: int = 1) -> None:
        """Learn from the samples at these places of a sequence of ``n_total`` presentations."""
        settings = self.settings
        for name in ("_weights", "_gain", "_theta", "_threshold", "_n_fired"):
            if not getattr(self, name).flags.writeable:  # joblib hands large arrays to processes read-only
                setattr(self, name, aligned(getattr(self, name), getattr(self, name).dtype))
        rounding = ROUNDINGS[settings.rounding]
        rule = self.rule.constants(n_total, self.n_neurons, self.n_steps, settings.n_bits or 0, rounding, self.gain)
        schedule, keys = self.rule.schedule(places, n_total), stream_keys(settings.seed, places.start, len(shares))
        if settings.batch_size == 1:
            neuron = self._neuron(is_learning=True)
            self.events.add(lean.learn(shares, keys, self._stream(), self._layer(), neuron, rule, schedule))
            return
        n_threads = max(1, min(n_threads, settings.batch_size // _SAMPLES_PER_THREAD))
        # Each thread draws into memory of its own.
        streams = [self._stream() for _ in range(n_threads)]
        with ThreadPoolExecutor(n_threads) as pool:
            run = pool.map if n_threads > 1 else map
            for first in range(0, len(shares), settings.batch_size):
                part = slice(first, first + settings.batch_size)
                self._learn_batch(shares[part], keys[part], _rows(schedule, part), rule, streams, run)

    def _learn_batch(
        self,
        shares: NDArray[np.uint16],
        keys: NDArray[np.uint64],
        schedule: Schedule,
        rule: RuleConstants,
        streams: list[Any],
        run: Any,
    ) -> None:
        n, neuron, layer = len(shares), self._neuron(is_learning=True), self._layer()
        batch = lean.Batch(
            np.empty((n, self.n_inputs), np.uint16), np.empty((n, self.n_steps), np.int32),
            np.empty(n, np.int32), np.empty(n, np.int32),
        )  # fmt: skip
        bounds = np.linspace(0, n, len(streams) + 1).astype(int)

        # Samples are split between threads here, neurons in ``apply``: no two threads write to the same elements.
        def present(rows: slice, stream: Any) -> NDArray[np.int64]:
            rise, own = schedule.theta_plus[rows], _rows(batch, rows)
            return lean.present_batch(shares[rows], keys[rows], stream, layer, neuron, rule, rise, own)

        def apply(part: int) -> int:
            return lean.apply_batch(keys, layer, neuron, rule, schedule, batch, part, len(streams))

        for events in run(present, (slice(*pair) for pair in pairwise(bounds)), streams):
            self.events.add(events)
        self.events.n_potentiations += sum(run(apply, range(len(streams))))

    def respond(self, shares: NDArray[np.uint16], evidence: NDArray[np.float64], leaves: ExitConstants) -> Responses:
        """Answer samples without learning; stop each when its evidence, by weights (K, N), satisfies the rule."""
        sheet = respond.new_sheet(len(shares), self.n_steps, len(evidence))
        events = respond.respond(
            # Keys by content: the response to a sample does not depend on its place in a batch.
            shares, content_keys(shares, self.settings.seed), self._stream(), self._layer(self._lowered()),
            self._neuron(is_learning=False), np.ascontiguousarray(evidence), leaves, sheet,
        )  # fmt: skip
        return Responses.of(sheet, events)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that was learned."""
        return {
            "weights": self.weights, "theta": self.theta, "n_fired": self.n_fired,
            "gain": np.array([self.gain]),
        }  # fmt: skip

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Restore what :meth:`arrays` returned."""
        weights, theta, n_fired, self.gain = learned_state(self.settings, arrays, "gain")
        self._theta[: self.n_neurons], self._n_fired[: self.n_neurons] = theta, n_fired
        self._put(weights)

    def operations(
        self, events: EventCounts, is_learning: bool, lateral: Lateral | None = None
    ) -> dict[str, Operations]:
        """Return the elementary operations of these events by component, mean per sample."""
        count = training_operations if is_learning else inference_operations
        return count(events, self.settings, self.rule, lateral or self.lateral)

    def _neuron(self, is_learning: bool) -> NeuronConstants:
        neurons = self.rule.neurons
        if is_learning:
            return neurons.constants(neurons.w_inhibit_learning)
        if neurons.w_inhibit is not None:
            return neurons.constants(neurons.w_inhibit)
        # An exact sum, since the order of adding differs between machines.
        mean_threshold = neurons.v_threshold + math.fsum(self.theta.tolist()) / self.n_neurons
        return neurons.constants(_INHIBITION * neurons.threshold_share * mean_threshold)

    def _lowered(self) -> NDArray[Any]:
        """Return the thresholds for inference, in whole levels; those of padding neurons stay out of reach."""
        share = np.float32(self.rule.neurons.threshold_share)
        lowered: NDArray[Any] = self._threshold.copy()
        lowered[: self.n_neurons] = np.maximum(np.rint(self._threshold[: self.n_neurons] * share), 1)
        return lowered

    def _stream(self) -> Any:
        return spike_stream(self.rule.events_per_step, self.n_inputs, self.n_steps)

    def _layer(self, threshold: NDArray[Any] | None = None) -> neurons.Layer:
        """Return the neurons for the compiled loops, optionally with other thresholds."""
        limits = self._threshold if threshold is None else threshold
        return neurons.with_state(self._weights, self._gain, self._theta, limits, self._n_fired)

    def _put(self, weights: NDArray[np.floating[Any]]) -> None:
        """Store weights in [0, 1] at the chosen precision, and compute gains and thresholds again."""
        n_bits, n_padded = self.settings.n_bits, len(self._theta)
        padded = np.pad(weights, ((0, 0), (0, n_padded - self.n_neurons)))
        if n_bits is None:
            self._weights = aligned(padded, np.float32)
        else:
            # Always in units of 1/256: fewer bits use fewer of the 256 levels.
            self._weights = aligned(QFormat(0, n_bits, is_signed=False).quantize(padded) * _LEVELS, np.uint8)
        self._gain = aligned(np.zeros(n_padded), np.float32 if n_bits is None else np.uint16)
        never = np.full(n_padded, neurons.NEVER_REACHED)
        self._threshold = aligned(never, np.float32 if n_bits is None else np.int16)
        self._renew()

    def _renew(self) -> None:
        """Compute gains and thresholds from weights and adaptive thresholds."""
        v_threshold = np.float32(self.rule.neurons.v_threshold)
        for j in range(self.n_neurons):
            neurons.set_gain(self._weights, self._gain, j, self.gain)
            neurons.set_threshold(self._threshold, self._theta, j, v_threshold)
