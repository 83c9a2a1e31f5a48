"""A classifier that learns without labels, and asks for labels only to name what it found.

:class:`STDPClassifier` = :class:`~spikewise.learn.encoder.STDPEncoder` + naive-Bayes evidence of its
output spikes. It follows scikit-learn to the letter and offers what every anytime classifier offers: a
score trace, a real early stop and a workload for pricing.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from spikewise.dynamic.anytime import ExitResult
from spikewise.dynamic.rule import ExitRule
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import DataError, ParameterError, ShapeError
from spikewise.fixed_point import Rounding
from spikewise.spikes.decode import class_counts, naive_bayes_evidence
from spikewise.weights import read_weights, write_weights
from spikewise.workload import LayerActivity, LayerShape, Workload

from .encoder import Progress, STDPEncoder
from .responses import Responses

_FORMAT = "spikewise-stdp-1"
_FLOAT_BITS = 32


class STDPClassifier(ClassifierMixin, BaseEstimator):
    """Spiking classifier trained without labels (STDP), then labelled by its responses.

    Parameters
    ----------
    n_neurons, n_steps, n_epochs, n_bits, rounding, random_state, n_jobs
        As in :class:`~spikewise.learn.encoder.STDPEncoder`.

    Attributes
    ----------
    classes_ : array of shape (K,)
        Class labels.
    encoder_ : STDPEncoder
        The learned layer.
    evidence_ : float array of shape (K, n_neurons)
        Log-probability of each neuron's spike given the class.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> model = STDPClassifier(n_neurons=100, n_epochs=4, random_state=0).fit(X[:1200], y[:1200])
    >>> bool(model.score(X[1200:], y[1200:]) > 0.8)
    True
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
        y: ArrayLike,
        *,
        progress: Progress | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> STDPClassifier:
        """Learn features from X alone, then name them with y.

        Parameters
        ----------
        X : array of shape (B, n_inputs) or (B, ...)
            Non-negative features or images.
        y : array of shape (B,)
            Class of each sample, used only after learning.
        progress : callable, optional
            Called with the presentations done and the presentations in all.
        checkpoint : path, optional
            File from which interrupted learning goes on, replaced every few seconds.
        """
        X, y = validate_data(self, _flat(X), y, dtype=[np.float64, np.float32, np.uint8])
        check_classification_targets(y)
        self.encoder_ = STDPEncoder(**self.get_params()).fit(X, progress=progress, checkpoint=checkpoint)
        return self.label(X, y)

    def label(self, X: ArrayLike, y: ArrayLike) -> STDPClassifier:
        """Name the learned features anew from labelled samples, without learning."""
        check_is_fitted(self, "encoder_")
        self.classes_, classes = np.unique(np.asarray(y), return_inverse=True)
        counts = class_counts(self.encoder_.transform(X), classes, len(self.classes_))
        self.evidence_ = naive_bayes_evidence(counts)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most likely class of each sample, shape (B,)."""
        found = self._respond(X)
        return np.asarray(self.classes_[found.scores.argmax(1)])

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Naive-Bayes probability of each class, shape (B, K)."""
        return np.asarray(softmax(self._respond(X).scores, axis=1))

    def trace(self, X: ArrayLike, y: ArrayLike | None = None) -> ScoreTrace:
        """Cumulative evidence of a full run, stored at output spikes alone."""
        found = self._respond(X)
        n_samples = len(found.exit_steps)
        if y is not None and len(np.asarray(y)) != n_samples:
            raise ShapeError(f"y must have one label per sample ({n_samples}); got {len(np.asarray(y))}.")
        labels = np.full(n_samples, -1) if y is None else self._class_index(y)
        return ScoreTrace.from_changes(
            found.steps, found.samples, self._cumulative(found), self.encoder_.n_steps, labels
        )

    def predict_with_exit(self, X: ArrayLike, rule: ExitRule) -> ExitResult:
        """Run each sample until the rule is ready; the compiled loop returns there.

        Parameters
        ----------
        X : array of shape (B, ...)
            Samples.
        rule : EntropyExit or NeverExit
            Asked after every step on the evidence so far.
        """
        start = time.perf_counter()
        found = self._respond(X, rule)
        labels = self.classes_[found.scores.argmax(1)]
        return ExitResult(labels, found.exit_steps, found.scores, self.encoder_.n_steps, time.perf_counter() - start)

    def workload(self, X: ArrayLike, rule: ExitRule | None = None) -> Workload:
        """Layer shape, spikes per step and exit histogram of these samples, for pricing.

        A spike of the input reads one row of weights, so the unfolded activity equals the input spikes.
        """
        full, encoder = self._respond(X), self.encoder_
        n_samples = len(full.exit_steps)
        stopped = full if rule is None else self._respond(X, rule)
        histogram = np.bincount(stopped.exit_steps - 1, minlength=encoder.n_steps)
        n_alive = n_samples - np.concatenate([[0], np.cumsum(histogram)[:-1]])
        layer = LayerShape(
            "excitatory", "linear", self.n_features_in_, encoder.n_neurons,
            weight_bits=encoder.n_bits or _FLOAT_BITS, state_bits=16 if encoder.n_bits else _FLOAT_BITS,
            lateral="broadcast",
        )  # fmt: skip
        return Workload(
            f"stdp-{encoder.n_neurons}",
            (layer,),
            (_activity(full, np.full(encoder.n_steps, n_samples)),),
            (_activity(stopped, n_alive),),
            tuple(int(count) for count in histogram),
            n_samples,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights, thresholds, labels and settings as safetensors, with a readable card beside."""
        check_is_fitted(self, "evidence_")
        settings = {key: value for key, value in self.get_params().items() if key != "random_state"}
        card = {"format": _FORMAT, "settings": settings, "classes": self.classes_.tolist()}
        write_weights(path, {**self.encoder_.learned_arrays(), "evidence": self.evidence_}, card)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> STDPClassifier:
        """Read what :meth:`save` wrote; raises DataError if the file is damaged or something else."""
        tensors, card = read_weights(path, _FORMAT)
        try:
            model = cls(**card["settings"])
            model.encoder_ = STDPEncoder(**card["settings"]).restore(tensors)
            model.classes_, model.evidence_ = np.array(card["classes"]), tensors["evidence"]
            if model.evidence_.shape != (len(model.classes_), model.n_neurons):
                raise ShapeError(f"evidence has shape {model.evidence_.shape}")
        except (KeyError, TypeError, ShapeError) as error:
            raise DataError(f"{path} must hold an STDP classifier saved by spikewise; {error}.") from None
        model.n_features_in_ = model.encoder_.n_features_in_
        return model

    def _respond(self, X: ArrayLike, rule: ExitRule | None = None) -> Responses:
        check_is_fitted(self, "evidence_")
        X = validate_data(self, _flat(X), reset=False, dtype=[np.float64, np.float32, np.uint8])
        return self.encoder_.respond(X, self.evidence_, rule, self.n_jobs)

    def _cumulative(self, found: Responses) -> NDArray[np.float64]:
        steps = self.evidence_.T[found.neurons]
        starts = np.flatnonzero(np.diff(found.samples, prepend=-1))
        stops = np.append(starts[1:], len(steps))[: len(starts)]  # none of either if no neuron fired at all
        # Summed sample by sample, in the kernel's order, so that trace and exit agree to the last bit.
        for first, stop in zip(starts, stops, strict=True):
            np.cumsum(steps[first:stop], axis=0, out=steps[first:stop])
        return np.asarray(steps)

    def _class_index(self, y: ArrayLike) -> NDArray[np.int64]:
        y = np.asarray(y)
        index = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        is_foreign = self.classes_[index] != y
        if is_foreign.any():
            raise ParameterError(
                f"y must hold classes seen in fit ({self.classes_.tolist()}); got {y[is_foreign].tolist()[0]!r}."
            )
        return np.asarray(index, np.int64)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        # Only the proportions of a sample's features reach the neurons: two-dimensional blobs defeat it.
        tags.classifier_tags.poor_score = True
        return tags


def _flat(X: Any) -> Any:
    return X.reshape(len(X), -1) if isinstance(X, np.ndarray) and X.ndim > 2 else X


def _activity(found: Responses, n_alive: NDArray[np.int64]) -> LayerActivity:
    n_running = np.maximum(n_alive, 1)
    spikes_in = tuple(found.in_spikes / n_running)
    return LayerActivity(spikes_in, spikes_in, tuple(found.out_spikes / n_running))
