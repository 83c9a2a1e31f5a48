"""A classifier that learns features without labels, and uses labels only to name them.

:class:`STDPClassifier` = :class:`~spikewise.learn.stdp.encoder.STDPEncoder` + evidence of its output spikes
(:mod:`spikewise.spikes.decode`). It follows the interface of scikit-learn, and like every anytime classifier it has a
score trace, early exit and a workload for pricing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from spikewise._arguments import checks_arguments
from spikewise._choices import Bits, Rounding
from spikewise._gates import as_array, as_numbers
from spikewise.dynamic.anytime import Answer, ExitResult, answers_of
from spikewise.dynamic.fingerprint import fingerprint_of
from spikewise.dynamic.rule import ExitRule
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import DataError, ParameterError, ShapeError, positive_number
from spikewise.spikes.decode import check_decoder, class_counts, evidence_of
from spikewise.weights import as_card, read_weights, write_weights
from spikewise.workload.operations import OperationCounts
from spikewise.workload.workload import LayerActivity, LayerShape, Workload

from .card import STDPCard, card_of, classes_to_dict, engine_from
from .encoder import Progress, STDPEncoder
from .features import check_features
from .parameters import refuse_changes
from .responses import Responses
from .rules.base import Rule

_FORMAT = "spikewise-stdp-2"
_FLOAT_BITS = 32
_NEARLY_NONE = 1e-9  # samples: a class without any has a finite logarithm
FADING = 20_000
"""Time constant, in samples of a stream, with which old responses lose their weight in the labels."""


class STDPClassifier(ClassifierMixin, BaseEstimator):
    """Spiking classifier trained without labels (STDP), then labelled by its responses.

    Parameters
    ----------
    n_neurons, rule, n_steps, n_epochs, n_bits, rounding, batch_size, random_state, n_jobs, verbose
        As in :class:`~spikewise.learn.stdp.encoder.STDPEncoder`.
    decoder : {"naive_bayes", "proportion", "votes"}
        How output spikes become scores of the classes. Early exit works best with "naive_bayes", whose scores are
        log-likelihoods.

    Attributes
    ----------
    classes_ : array of shape (K,)
        Class labels.
    encoder_ : STDPEncoder
        The learned layer.
    class_counts_, n_labelled_ : float arrays of shape (K, n_neurons) and (K,)
        Spikes of each neuron for samples of each class, and number of these samples, counted while labelling.
    decoder_ : str
        The decoder with which the evidence was computed.
    evidence_ : float array of shape (K, n_neurons)
        What a spike of each neuron adds to the score of each class.

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
        rule: str | Rule = "lean",
        decoder: str = "naive_bayes",
        n_steps: int = 350,
        n_epochs: int | None = None,
        n_bits: Bits = "auto",
        rounding: Rounding = "stochastic",
        batch_size: int = 1,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_neurons = n_neurons
        self.rule = rule
        self.decoder = decoder
        self.n_steps = n_steps
        self.n_epochs = n_epochs
        self.n_bits = n_bits
        self.rounding = rounding
        self.batch_size = batch_size
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @checks_arguments
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        progress: Progress | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> STDPClassifier:
        """Learn features from X alone, then label the neurons with y.

        Parameters
        ----------
        X : array of shape (B, n_inputs) or (B, ...)
            Non-negative features or images.
        y : array of shape (B,)
            Class of each sample, used only after learning.
        progress : callable, optional
            Called with the presentations done and the presentations in all.
        checkpoint : path, optional
            File from which interrupted learning continues; it is replaced every few seconds.
        """
        X, y = self._labelled(X, y, reset=True)
        check_decoder(self.decoder)
        self.encoder_ = self._new_encoder().fit(X, progress=progress, checkpoint=checkpoint)
        return self._label(X, y)

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> STDPClassifier:
        """Learn from the next samples of a stream, and update the labels of the neurons.

        Old responses lose weight over 20,000 samples, since the network continues to change.

        Parameters
        ----------
        X : array of shape (B, n_inputs) or (B, ...)
            Non-negative features or images, as in :meth:`STDPEncoder.partial_fit`.
        y : array of shape (B,)
            Class of each sample.
        classes : array of shape (K,)
            All classes of the stream; by default those of the first call.
        """
        is_new = not hasattr(self, "encoder_")
        X, y = self._labelled(X, y, reset=is_new)
        named = None if classes is None else np.unique(_checked_classes(classes))
        known = (np.unique(y) if named is None else named) if is_new else np.asarray(self.classes_)
        if named is not None and not np.array_equal(named, known):
            raise ParameterError(f"classes must stay as in the first call ({known.tolist()}); got {named.tolist()}.")
        index = self._class_index(y, known)
        check_decoder(self.decoder)
        encoder = self._new_encoder() if is_new else self.encoder_.set_params(**self._new_encoder().get_params())
        self.encoder_ = encoder.partial_fit(X)
        self.classes_: NDArray[Any] = known
        self._count(X, index, keep=0.0 if is_new else float(np.exp(-len(index) / FADING)))
        return self

    def label(
        self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
    ) -> STDPClassifier:  # fmt: skip
        """Label the neurons again from labelled samples, without learning.

        Parameters
        ----------
        X : array of shape (B, n_inputs) or (B, ...)
            Samples.
        y : array of shape (B,)
            Class of each sample.
        sample_weight : array of shape (B,), optional
            How many samples each one stands for; 1 if absent.
        class_weight : mapping of class to float, or "balanced", optional
            Factors on the weights of the samples of each class. Weights change labels and the prior of the classes, not
            what the neurons have learned.
        """
        check_is_fitted(self, "encoder_")
        X, y = self._labelled(X, y, reset=False)
        weights = np.ones(len(y)) if sample_weight is None else as_numbers(sample_weight, "sample_weight", 0)
        if weights.shape != (len(y),):
            raise ShapeError(f"sample_weight must hold a weight per sample ({len(y)}); got shape {weights.shape}.")
        if class_weight is not None:
            weights = weights * compute_sample_weight(_checked_weights(class_weight, y), y)
        return self._label(X, y, weights)

    def _label(self, X: Any, y: NDArray[Any], weights: NDArray[np.float64] | None = None) -> STDPClassifier:
        self.classes_, index = np.unique(y, return_inverse=True)
        self._count(X, index, keep=0.0, weights=weights)
        return self

    def _count(
        self, X: ArrayLike, index: NDArray[np.int64], keep: float, weights: NDArray[np.float64] | None = None
    ) -> None:
        """Count the responses of each neuron per class, add a share of older counts, and derive the evidence."""
        n_classes = len(self.classes_)
        spikes = self.encoder_.transform(X)
        counts = class_counts(spikes if weights is None else spikes * weights[:, None], index, n_classes)
        samples = np.bincount(index, weights, minlength=n_classes).astype(float)
        if keep > 0:
            counts, samples = counts + keep * self.class_counts_, samples + keep * self.n_labelled_
        self.class_counts_: NDArray[np.float64] = counts
        self.n_labelled_: NDArray[np.float64] = samples
        self.evidence_ = evidence_of(self.decoder, self.class_counts_, self.n_labelled_)
        self.decoder_ = self.decoder

    @checks_arguments
    def quantized(self, n_bits: int, rounding: Rounding = "nearest", seed: int = 0) -> STDPClassifier:
        """Return a copy whose learned weights are rounded to ``n_bits`` bits (1 to 8), without learning again.

        Labels are kept; :meth:`label` counts them again for the rounded network. The seed is that of stochastic
        rounding.
        """
        check_is_fitted(self, "evidence_")
        copy = STDPClassifier(**{**self.get_params(), "n_bits": n_bits, "rounding": rounding})
        copy.encoder_ = self.encoder_.quantized(n_bits, rounding, seed)
        for name in ("classes_", "decoder_", "class_counts_", "n_labelled_", "evidence_", "n_features_in_"):
            setattr(copy, name, getattr(self, name))
        if self._feature_names() is not None:
            copy.feature_names_in_ = self.feature_names_in_
        return copy

    def _feature_names(self) -> NDArray[np.object_] | None:
        """Names of the columns that ``fit`` saw, None if they had none."""
        names: NDArray[np.object_] | None = getattr(self, "feature_names_in_", None)
        return names

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most likely class of each sample, shape (B,)."""
        scores = self._scores(self._respond(X))  # first: it says so if the network has not learned yet
        return np.asarray(self.classes_[scores.argmax(1)])

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class, (B, K): posterior of naive Bayes, or share of the votes.

        The evidence counts all classes as equally frequent; a sample without any spike has the frequencies of the
        classes among the labelled samples.
        """
        scores = self._scores(self._respond(X))
        if self.decoder_ == "naive_bayes":
            return np.asarray(softmax(scores, axis=1))
        return np.asarray(scores / scores.sum(1, keepdims=True))

    @property
    def _prior(self) -> NDArray[np.float64]:
        """Scores (K,) of a sample without evidence: the frequencies of the classes, as logs for naive Bayes."""
        share = (self.n_labelled_ + _NEARLY_NONE) / (self.n_labelled_ + _NEARLY_NONE).sum()
        return np.asarray(np.log(share) if self.decoder_ == "naive_bayes" else share)

    def _scores(self, found: Responses) -> NDArray[np.float64]:
        """Return the final scores (B, K); those of a full run without evidence are the prior, not the first class."""
        has_none = ~found.scores.any(1) & (found.exit_steps == self.encoder_.engine_.n_steps)
        return np.where(has_none[:, None], self._prior, found.scores)

    def trace(self, X: ArrayLike, y: ArrayLike | None = None) -> ScoreTrace:
        """Compute the cumulative evidence of a full run, stored only where it changes: at output spikes."""
        found = self._respond(X)
        n_samples = len(found.exit_steps)
        if y is not None and np.shape(y := as_array(y, "y")) != (n_samples,):
            raise ShapeError(f"y must have one label per sample ({n_samples}); got shape {np.shape(y)}.")
        labels = np.full(n_samples, -1) if y is None else self._class_index(y, self.classes_)
        n_steps = self.encoder_.engine_.n_steps
        # Without evidence to the end, a sample gets the prior at the last step; changes of nothing are left out.
        none = np.flatnonzero(~found.scores.any(1))
        told = ~np.isin(found.samples, none)
        return ScoreTrace.from_changes(
            np.append(found.steps[told], np.full(len(none), n_steps)), np.append(found.samples[told], none),
            np.concatenate([self._cumulative(found)[told], np.tile(self._prior, (len(none), 1))]), n_steps, labels,
        )  # fmt: skip

    def predict_with_exit(self, X: ArrayLike, rule: ExitRule) -> ExitResult:
        """Run each sample until the rule is ready; the compiled loop stops there.

        Parameters
        ----------
        X : array of shape (B, ...)
            Samples.
        rule : EntropyExit, ConfidenceExit, MarginExit or NeverExit
            Asked after every step on the evidence so far.
        """
        start = time.perf_counter()
        found = self._respond(X, rule)
        scores = self._scores(found)
        labels = self.classes_[scores.argmax(1)]
        return ExitResult(labels, found.exit_steps, scores, self.encoder_.engine_.n_steps, time.perf_counter() - start)

    def workload(self, X: ArrayLike, rule: ExitRule | None = None) -> Workload:
        """Return layer shape, spikes per step and exit histogram of these samples, for pricing.

        A spike of the input reads one row of weights, so the unfolded activity equals the input spikes.
        """
        full, engine = self._respond(X), self.encoder_.engine_
        n_samples = len(full.exit_steps)
        stopped = full if rule is None else self._respond(X, rule)
        histogram = np.bincount(stopped.exit_steps - 1, minlength=engine.n_steps)
        # Samples that run a step have not left at an earlier one.
        n_alive = n_samples - np.concatenate([[0], np.cumsum(histogram)[:-1]])
        n_bits = engine.settings.n_bits
        layer = LayerShape(
            "excitatory", "linear", engine.n_inputs, engine.n_neurons,
            weight_bits=n_bits or _FLOAT_BITS, state_bits=engine.state_bits,
            lateral=engine.lateral,
        )  # fmt: skip
        return Workload(
            f"stdp-{engine.n_neurons}",
            (layer,),
            (_activity(full, np.full(engine.n_steps, n_samples)),),
            (_activity(stopped, n_alive),),
            tuple(int(count) for count in histogram),
            n_samples,
            OperationCounts(engine.operations(stopped.events, False), engine.operations(engine.events, True)),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights, thresholds, labels and settings as safetensors, and a readable card next to it."""
        write_weights(path, *self.content())

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return len(self.classes_)

    @property
    def takes_frames(self) -> bool:
        """Whether a sample may be the frames of a recording: always false."""
        return False

    def fingerprint(self) -> dict[str, str]:
        """Return the identity of weights, engine and precision, for a certificate."""
        settings = self.encoder_.engine_.settings
        precision = "float32" if settings.n_bits is None else f"{settings.n_bits} bits"
        return fingerprint_of(
            *self.content(), engine="numba", precision=precision, device="cpu", n_steps=settings.n_steps
        )

    @checks_arguments
    def stream(self, sample: ArrayLike, rule: ExitRule) -> Iterator[Answer]:
        """Yield the answers to one sample (shape without B), replayed after a full run of the compiled loop."""
        return answers_of(self.trace(as_array(sample, "sample")[None]), rule)

    def content(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return what a file of the network holds: the arrays, and the card that describes them."""
        check_is_fitted(self, "evidence_")
        card = {
            "format": _FORMAT,
            **card_of(self, self.encoder_, {"decoder": self.decoder_}),
            **classes_to_dict(self.classes_),
        }
        if (names := self._feature_names()) is not None:
            card["feature_names"] = names.tolist()
        tensors = {"class_counts": self.class_counts_, "n_labelled": self.n_labelled_}
        return {**self.encoder_.engine_.arrays(), **tensors}, card

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> STDPClassifier:
        """Read what :meth:`save` wrote; raises DataError if the file is damaged or of another kind."""
        tensors, raw = read_weights(path, _FORMAT)
        card = as_card(STDPCard, raw, path)
        try:
            model = cls(**card.parameters())
            check_decoder(model.decoder)
            encoder, engine = model._new_encoder(), engine_from(card, tensors)
            encoder.check_settings()
            refuse_changes(encoder, engine)  # parameters and engine of a file agree, as those of an estimator do
            model.encoder_, model.classes_ = encoder.adopt(engine, card.horizon), card.labels()
            model.class_counts_, model.n_labelled_ = _labelling(tensors, len(model.classes_), model.n_neurons)
            model.decoder_ = model.decoder
            model.evidence_ = evidence_of(model.decoder_, model.class_counts_, model.n_labelled_)
        except (TypeError, ValueError) as error:  # a TypeError names a parameter that there is not
            raise DataError(f"{path} must hold an STDP classifier saved by spikewise; {error}") from None
        model.n_features_in_ = model.encoder_.n_features_in_
        if card.feature_names is not None:
            model.feature_names_in_ = np.array(card.feature_names, object)
        return model

    def _new_encoder(self) -> STDPEncoder:
        params = self.get_params()
        del params["decoder"]
        return STDPEncoder(**params)

    def _labelled(self, X: Any, y: Any, reset: bool) -> tuple[Any, NDArray[Any]]:
        X, y = check_features(self, X, y, reset=reset)
        check_classification_targets(y)
        return X, y

    def _respond(self, X: ArrayLike, rule: ExitRule | None = None) -> Responses:
        check_is_fitted(self, "evidence_")
        X = check_features(self, X, reset=False)
        return self.encoder_.respond(X, self.evidence_, rule, self.n_jobs)

    def _cumulative(self, found: Responses) -> NDArray[np.float64]:
        # What each output spike adds to the scores.
        steps = self.evidence_.T[found.neurons]
        starts = np.flatnonzero(np.diff(found.samples, prepend=-1))
        stops = np.append(starts[1:], len(steps))[: len(starts)]  # both are empty if no neuron fired
        # Sample by sample, in the order of the kernel, so that trace and early exit agree to the last bit.
        for first, stop in zip(starts, stops, strict=True):
            np.cumsum(steps[first:stop], axis=0, out=steps[first:stop])
        return np.asarray(steps)

    def _class_index(self, y: ArrayLike, classes: NDArray[Any]) -> NDArray[np.int64]:
        y = np.asarray(y)
        place = {name: at for at, name in enumerate(classes.tolist())}
        index = np.array([place.get(name, -1) for name in y.tolist()], np.int64)
        is_foreign = index < 0
        if is_foreign.any():
            raise ParameterError(
                f"y must hold classes seen in fit ({classes.tolist()}); got {y[is_foreign].tolist()[0]!r}."
            )
        return index

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        # The neurons see only the proportions of the features, so it fails on scikit-learn's two-dimensional blobs.
        tags.classifier_tags.poor_score = True
        return tags


def _labelling(
    tensors: Mapping[str, NDArray[Any]], n_classes: int, n_neurons: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return spikes (K, N) and samples (K,) of each class out of a file."""
    for name, shape in (("class_counts", (n_classes, n_neurons)), ("n_labelled", (n_classes,))):
        values = tensors.get(name)
        if values is None or values.shape != shape or values.dtype.kind not in "iuf":
            found = "none" if values is None else f"{values.dtype} {values.shape}"
            raise ShapeError(f"{name} must be numbers of shape {shape}; got {found}. Is the file damaged?")
        if not (np.isfinite(values) & (values >= 0)).all():
            raise ParameterError(f"{name} must be finite and at least 0. Is the file damaged?")
    return tensors["class_counts"], tensors["n_labelled"]


def _activity(found: Responses, n_alive: NDArray[np.int64]) -> LayerActivity:
    n_running = np.maximum(n_alive, 1)
    spikes_in = tuple(found.in_spikes / n_running)
    return LayerActivity(spikes_in, spikes_in, tuple(found.out_spikes / n_running))


def _checked_weights(class_weight: Any, y: NDArray[Any]) -> Any:
    """Return factors on classes, or raise ParameterError if they are no mapping of classes to numbers."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        return class_weight
    if not isinstance(class_weight, Mapping) or set(class_weight) - set(y.tolist()):
        raise ParameterError(
            f"class_weight must be 'balanced' or map the classes in y to numbers; got {repr(class_weight)[:60]}."
        )
    return {name: positive_number("class_weight", factor, np.inf, zero=True) for name, factor in class_weight.items()}


def _checked_classes(classes: Any) -> NDArray[Any]:
    found = as_array(classes, "classes")
    if found.ndim != 1 or not all(isinstance(name, Hashable) for name in found.tolist()):
        raise ShapeError(f"classes must be a list of the names or numbers of classes; got {repr(classes)[:60]}.")
    return found
