"""Unsupervised features: a layer of competing spiking neurons that learns prototypes of its inputs.

:class:`STDPEncoder` is the scikit-learn transformer around the compiled kernels: ``fit`` shows every
sample for ``n_steps`` steps and lets the neurons that answer move towards it, without labels;
``transform`` counts the spikes of the frozen neurons. :class:`~spikewise.learn.stdp.STDPClassifier`
adds the labels.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from spikewise.dynamic.rule import ExitRule
from spikewise.errors import ParameterError, ShapeError, unknown_name
from spikewise.fixed_point import QFormat, Rounding
from spikewise.spikes.encode import content_keys, event_counts, slot_count, spike_shares

from .kernels import competition
from .kernels.lanes import LANES
from .responses import Responses, compiled_rule
from .rules import CompetingNeurons, lean_defaults, spread_of
from .snapshot import Tally, read_snapshot, settings_of, write_snapshot

Progress = Callable[[int, int], None]
"""Called with the samples seen and the samples in all."""

_LIMITS = {"n_neurons": 100_000, "n_steps": 30_000, "n_epochs": 1_000_000, "n_bits": 8}  # steps have 16 bits
_OPTIONAL = ("n_epochs", "n_bits")
_CHUNK = 500  # samples between two reports of progress, and per task of a thread
_AUTO_PRESENTATIONS = 20_000  # what small data sets are repeated to
_AUTO_MAX_EPOCHS = 20
_SNAPSHOT_SECONDS = 5.0
_SICK_SHARE = 0.1  # of samples without any output spike
_ROUNDINGS = {
    "truncate": competition.TRUNCATE, "nearest": competition.NEAREST, "stochastic": competition.STOCHASTIC,
}  # fmt: skip


class STDPEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Layer of competing spiking neurons that learns without labels.

    Parameters
    ----------
    n_neurons : int, default 100
        Neurons N.
    n_steps : int, default 350
        Steps T for which a sample is presented.
    n_epochs : int, optional
        Passes over the samples; by default as many (at most 20) as it takes to show 20,000 samples.
    n_bits : int or None, default 8
        Bits of a weight while learning and afterwards, 1 to 8, with 16-bit membrane potentials; None uses
        32-bit floats for both.
    rounding : {"stochastic", "nearest", "truncate"}
        How integer weight updates are rounded.
    random_state : int, RandomState or None
        Source of chance. Equal seeds give equal bits on any number of threads.
    n_jobs : int or None
        Threads of ``transform``; None is one, -1 all.

    Attributes
    ----------
    weights_ : float32 array of shape (n_inputs, n_neurons)
        Learned weights in [0, 1].
    theta_ : float32 array of shape (n_neurons,)
        Adaptive thresholds in mV.
    gain_ : float
        Norm of the neurons' input gain, scaled with the number of inputs that share a sample's intensity.
    n_presentations_ : int
        Samples shown while learning, all epochs together.
    n_spikes_per_sample_ : float
        Output spikes per sample while learning, mean.
    silent_share_ : float
        Share of the samples that made no neuron fire while learning; above a tenth, ``fit`` warns.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> images = load_digits().data[:300]
    >>> counts = STDPEncoder(n_neurons=50, n_epochs=2, random_state=0).fit_transform(images)
    >>> counts.shape, bool(counts.sum() > 300)
    ((300, 50), True)

    References
    ----------
    .. [1] Diehl and Cook, "Unsupervised learning of digit recognition using spike-timing-dependent
       plasticity", 2015.
    .. [2] Putra and Shafique, "FSpiNN", arXiv 2007.08860.
    """

    def __init__(
        self,
        n_neurons: int = 100,
        *,
        n_steps: int = 350,
        n_epochs: int | None = None,
        n_bits: int | None = 8,
        rounding: Rounding = "stochastic",
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neurons = n_neurons
        self.n_steps = n_steps
        self.n_epochs = n_epochs
        self.n_bits = n_bits
        self.rounding = rounding
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        progress: Progress | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> STDPEncoder:
        """Learn from samples without labels.

        Parameters
        ----------
        X : array of shape (B, n_inputs) or (B, ...)
            Non-negative features; only their proportions within a sample matter.
        y : ignored
        progress : callable, optional
            Called with the presentations done and the presentations in all.
        checkpoint : path, optional
            File that is replaced every few seconds; if it is there, learning goes on from it and ends in the same
            bits as if it had never stopped.
        """
        self._check_settings()
        X = self._features(X, reset=True)
        random = check_random_state(self.random_state)
        self.seed_ = np.uint64(random.randint(np.iinfo(np.int64).max))
        epochs = self.n_epochs or min(_AUTO_MAX_EPOCHS, -(-_AUTO_PRESENTATIONS // len(X)))
        n_total = epochs * len(X)
        self.gain_ = lean_defaults(self.n_neurons).gain * spread_of(spike_shares(X))
        self._start(np.random.default_rng(int(self.seed_)))
        tally = Tally()
        identity = {"settings": settings_of(self), "seed": str(self.seed_), "shape": list(X.shape), "gain": self.gain_}
        if checkpoint is not None:
            tally = read_snapshot(checkpoint, identity, self._weights, self._theta)
            self._renew()
        order = lru_cache(maxsize=2)(lambda epoch: np.random.default_rng([int(self.seed_), epoch]).permutation(len(X)))
        saved = time.monotonic()
        for first in range(tally.n_seen, n_total, _CHUNK):
            places = range(first, min(first + _CHUNK, n_total))
            epochs_here = range(first // len(X), places[-1] // len(X) + 1)
            rows = np.concatenate([order(epoch) for epoch in epochs_here])[first % len(X) :][: len(places)]
            self._learn_chunk(X[rows], places, n_total, tally)
            if checkpoint is not None and time.monotonic() - saved > _SNAPSHOT_SECONDS:
                write_snapshot(checkpoint, identity, self._weights, self._theta, tally)
                saved = time.monotonic()
            if progress is not None:
                progress(tally.n_seen, n_total)
        self.n_presentations_ = n_total
        self.n_spikes_per_sample_ = tally.n_spikes / n_total
        self.silent_share_ = tally.n_silent / n_total
        if self.silent_share_ > _SICK_SHARE:
            warnings.warn(
                f"{self.silent_share_:.0%} of the samples made no neuron fire, so little was learned from them. "
                "Are many samples empty? Otherwise raise n_steps.",
                stacklevel=2,
            )
        self._finish()
        return self

    def _learn_chunk(self, X: NDArray[Any], places: range, n_total: int, tally: Tally) -> None:
        """Learn from samples that stand at these places of the whole sequence of presentations."""
        lean = lean_defaults(self.n_neurons)
        constants = lean.constants(n_total, self.n_neurons, self.n_bits or 0, _ROUNDINGS[self.rounding])
        constants = constants._replace(gain=np.float64(self.gain_))
        eta, theta_plus = lean.schedule(places.start, places.stop, n_total)
        spikes, silent, steps = competition.learn(
            spike_shares(X), places.start, self.seed_,
            event_counts(lean.events_per_step), slot_count(X.shape[1]),
            self._weights, self._gain, self._theta, self._threshold, CompetingNeurons().constants(is_learning=True),
            eta, theta_plus, constants, self.n_steps,
        )  # fmt: skip
        tally.add(len(places), spikes, silent, steps)

    def transform(self, X: ArrayLike) -> NDArray[np.int64]:
        """Count the spikes of each neuron, shape (B, n_neurons). A row's answer depends on its content alone."""
        check_is_fitted(self)
        found = self.respond(X)
        cells = found.samples * self.n_neurons + found.neurons
        n_samples = len(found.exit_steps)
        return np.bincount(cells, minlength=n_samples * self.n_neurons).reshape(n_samples, self.n_neurons)

    def respond(
        self,
        X: ArrayLike,
        evidence: NDArray[np.float64] | None = None,
        rule: ExitRule | None = None,
        n_jobs: int | None = None,
    ) -> Responses:
        """Run the frozen neurons; with evidence (K, N) and a rule, stop each sample as soon as it is ready.

        Parameters
        ----------
        X : array of shape (B, ...)
            Samples like those of ``fit``.
        evidence : float array of shape (K, n_neurons), optional
            Score that one spike of each neuron adds to each class.
        rule : EntropyExit or NeverExit, optional
            Compiled into the loop, which really returns.
        n_jobs : int, optional
            Threads; the estimator's own if absent.
        """
        X = self._features(X, reset=False)
        drive = evidence if evidence is not None else np.zeros((1, self.n_neurons))
        kind, bound = compiled_rule(rule, len(drive))
        starts = range(0, len(X), _CHUNK)
        parts = Parallel(n_jobs=self.n_jobs if n_jobs is None else n_jobs, prefer="threads")(
            delayed(self._respond_chunk)(X[start : start + _CHUNK], start, drive, kind, bound) for start in starts
        )
        samples, steps, neurons, exit_steps, scores = (np.concatenate([p[i] for p in parts]) for i in range(5))
        in_spikes, out_spikes = (sum(p[i] for p in parts) for i in (5, 6))
        return Responses(samples, steps, neurons, exit_steps, scores, in_spikes, out_spikes)

    def _respond_chunk(
        self, X: NDArray[Any], start: int, evidence: NDArray[np.float64], kind: int, bound: float
    ) -> tuple[NDArray[Any], ...]:
        shares = spike_shares(X)
        counts = event_counts(lean_defaults(self.n_neurons).events_per_step)
        n_samples = len(X)
        fired = np.full((n_samples, self.n_steps), -1, np.int32)
        exit_steps = np.empty(n_samples, np.int32)
        scores = np.empty((n_samples, len(evidence)))
        in_spikes, out_spikes = np.zeros(self.n_steps, np.int64), np.zeros(self.n_steps, np.int64)
        competition.respond(
            shares, content_keys(shares, self.seed_), counts, slot_count(shares.shape[1]),
            self._weights, self._gain, self._threshold, CompetingNeurons().constants(is_learning=False), self.n_steps,
            np.ascontiguousarray(evidence), kind, bound, fired, exit_steps, scores, in_spikes, out_spikes,
        )  # fmt: skip
        samples, steps = np.nonzero(fired >= 0)
        neurons = fired[samples, steps].astype(np.int64)
        return samples + start, steps + 1, neurons, exit_steps.astype(np.int64), scores, in_spikes, out_spikes

    def learned_arrays(self) -> dict[str, NDArray[Any]]:
        """What was learned, for saving; :meth:`restore` takes it back."""
        check_is_fitted(self)
        return {
            "weights": self.weights_, "theta": self.theta_, "seed": np.array([self.seed_]),
            "gain": np.array([self.gain_]),
        }  # fmt: skip

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> STDPEncoder:
        """Take over what :meth:`learned_arrays` gave, instead of learning."""
        weights, theta, seed, gain = (arrays[key] for key in ("weights", "theta", "seed", "gain"))
        if weights.ndim != 2 or not theta.shape == weights.shape[1:] == (self.n_neurons,) or seed.shape != (1,):
            raise ShapeError(f"weights must be (n_inputs, {self.n_neurons}); got {weights.shape} with {theta.shape}.")
        self.n_features_in_, self.seed_, self.gain_ = weights.shape[0], np.uint64(seed[0]), float(gain[0])
        self._theta = np.zeros(-(-self.n_neurons // LANES) * LANES, np.float32)
        self._theta[: self.n_neurons] = theta
        self._set_state(np.pad(weights, ((0, 0), (0, len(self._theta) - self.n_neurons))))
        self._finish()
        return self

    def _start(self, rng: np.random.Generator) -> None:
        n_padded = -(-self.n_neurons // LANES) * LANES
        fresh = np.zeros((self.n_features_in_, n_padded))
        fresh[:, : self.n_neurons] = 0.3 * rng.random((self.n_features_in_, self.n_neurons), np.float32)
        self._theta = np.zeros(n_padded, np.float32)
        self._set_state(fresh)

    def _set_state(self, weights: NDArray[np.floating]) -> None:
        """Put weights in [0, 1] on the grid of the chosen precision, and renew gains and thresholds."""
        state: type[np.number[Any]] = np.float32 if self.n_bits is None else np.int16
        if self.n_bits is None:
            self._weights = weights.astype(np.float32)
        else:
            grid = QFormat(0, self.n_bits, is_signed=False)
            self._weights = (grid.quantize(weights) * 256).astype(np.uint8)
        n_padded = self._weights.shape[1]
        self._gain = np.zeros(n_padded, np.float32 if self.n_bits is None else np.uint16)
        self._threshold = np.full(n_padded, competition.NEVER_REACHED, state)
        self._renew()

    def _renew(self) -> None:
        """Derive gains and thresholds from weights and adaptive thresholds."""
        v_threshold = np.float32(CompetingNeurons().v_threshold)
        for j in range(self.n_neurons):
            competition.set_gain(self._weights, self._gain, j, self.gain_)
            competition.set_threshold(self._threshold, self._theta, j, v_threshold)

    def _finish(self) -> None:
        unit = 1.0 if self.n_bits is None else 1 / 256
        self.weights_ = (self._weights[:, : self.n_neurons] * unit).astype(np.float32)
        self.theta_ = self._theta[: self.n_neurons]

    def _features(self, X: Any, reset: bool) -> NDArray[Any]:
        if isinstance(X, np.ndarray) and X.ndim > 2:
            X = X.reshape(len(X), -1)
        X = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32, np.uint8])
        check_non_negative(X, type(self).__name__)
        return np.asarray(X)

    def _check_settings(self) -> None:
        for key, highest in _LIMITS.items():
            value = getattr(self, key)
            if value is None and key in _OPTIONAL:
                continue
            is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not is_whole or not 1 <= value <= highest:
                none = ", or be None" if key in _OPTIONAL else ""
                raise ParameterError(f"{key} must be a whole number in 1..{highest}{none}; got {value!r}.")
        if self.rounding not in _ROUNDINGS:
            raise unknown_name("rounding", str(self.rounding), _ROUNDINGS)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = []  # spike counts are integers
        return tags
