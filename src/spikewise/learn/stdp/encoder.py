"""Unsupervised features: a layer of competing spiking neurons learns prototypes of its inputs.

:class:`STDPEncoder` is the scikit-learn transformer around the compiled engines: ``fit`` shows every
sample for ``n_steps`` steps and moves the weights of the neurons that fire towards it, without labels;
``transform`` counts the spikes of the frozen neurons. :class:`~spikewise.learn.stdp.STDPClassifier`
adds the labels.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from scipy.sparse import csr_array, csr_matrix
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, check_non_negative

from spikewise._arguments import checks_arguments
from spikewise._choices import Bits, Rounding
from spikewise._gates import as_numbers
from spikewise.dynamic.rule import ExitRule
from spikewise.errors import ParameterError, ShapeError, whole_number
from spikewise.spikes.streams import spike_shares

from .card import build_engine, quantized_engine, settings_to_dict
from .checkpoint import fingerprint, read_snapshot, write_snapshot
from .engines.base import Engine
from .features import check_features
from .health import Health
from .parameters import check_parameters, n_threads, refuse_changes, settings_for
from .responses import Responses, compiled_rule
from .rules.base import Rule, resolve_rule, rule_to_dict, spread_of

Progress = Callable[[int, int], None]
"""Function that is called with the number of samples seen and of all samples."""

_CHUNK = 500  # samples between two reports of progress, and per task of a thread
_STREAM = 20_000  # presentations by default, and over which the learning rates of a stream fall
_MAX_EPOCHS = 20
_PREPARED = 10_000  # samples from which the strength of the input is derived
_SNAPSHOT_SECONDS = 5.0


class STDPEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Layer of competing spiking neurons that learns without labels.

    Parameters
    ----------
    n_neurons : int, default 100
        Neurons N.
    rule : str or rule object, default "lean"
        How the network learns: "lean" (this project's), "first_spike" (the same, but a sample ends with its first
        output spike: several times faster), "fspinn" (a reconstruction of the techniques of [2]_), "diehl_cook" (the
        baseline [1]_), or an object of :mod:`spikewise.learn.stdp.rules.base`.
    n_steps : int, default 350
        Steps T of 1 ms for which a sample is presented.
    n_epochs : int, optional
        Passes over the samples; by default as many as are needed to show 20,000 samples, at most 20.
    n_bits : int, None or "auto"
        Bits of a weight while learning and afterwards, 1 to 8, or None for 32-bit floats. "auto" is 8, and None for
        "diehl_cook". With bits the lean rule has 16-bit membrane potentials too; those of the others stay floats.
    rounding : {"stochastic", "nearest", "truncate"}
        How integer weight updates are rounded.
    batch_size : int, default 1
        Samples that meet the same frozen network while learning; updates are applied in the order of the samples.
        It changes the learned weights, unlike ``n_jobs``, and allows several threads to learn.
    random_state : int, RandomState or None
        Source of random numbers. Equal seeds give equal bits on any number of threads.
    n_jobs : int or None
        Threads of ``transform``, and of ``fit`` if ``batch_size`` is above 1; None is one, -1 all.
    verbose : bool
        Show the progress of ``fit``.

    Attributes
    ----------
    engine_ : Engine
        The layer, with its rule, settings and counts of events during learning.
    horizon_ : int
        Presentations over which learning rates fall.

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
        rule: str | Rule = "lean",
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
        y: Any = None,
        *,
        progress: Progress | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> STDPEncoder:
        """Learn from samples without labels.

        Parameters
        ----------
        X : array or sparse matrix of shape (B, n_inputs), or array of shape (B, ...)
            Non-negative features; only their proportions within a sample matter.
        y : ignored
        progress : callable, optional
            Called with the presentations done and the presentations in all.
        checkpoint : path, optional
            File that is replaced every few seconds; if it exists, learning continues from it and ends in the same
            bits as an uninterrupted run.
        """
        self.check_settings()
        if checkpoint is not None and not isinstance(self.random_state, (int, np.integer)):
            raise ParameterError(
                f"random_state must be an integer for learning to go on from a checkpoint; got {self.random_state!r}."
            )
        data = self._features(X, reset=True)
        n = data.shape[0]
        n_total = n * int(self.n_epochs or min(_MAX_EPOCHS, -(-_STREAM // n)))
        self._start(data, n_total)
        engine, seed = self.engine_, int(self.engine_.settings.seed)
        identity = {**self._identity(), "shape": list(data.shape), "n_total": n_total}
        if checkpoint is not None:
            identity["data"] = fingerprint(data)
            read_snapshot(checkpoint, identity, engine)
        # The order of an epoch depends on the seed alone. Two are kept, since a chunk may reach into the next.
        order = lru_cache(maxsize=2)(lambda epoch: np.random.default_rng([seed, epoch]).permutation(n))
        # Whole batches, so that chunks do not change where batches begin.
        chunk = -(-_CHUNK // self.batch_size) * self.batch_size
        saved = time.monotonic()
        with ExitStack() as stack:
            if self.verbose and progress is None:
                progress = stack.enter_context(_progress_bar(type(self).__name__))
            for first in range(engine.events.n_samples, n_total, chunk):
                places = range(first, min(first + chunk, n_total))
                epochs = range(first // n, places[-1] // n + 1)
                # From the start of the first epoch that the chunk touches.
                rows = np.concatenate([order(epoch) for epoch in epochs])[first % n :][: len(places)]
                engine.learn(_shares(data, rows), places, n_total, n_threads(self.n_jobs))
                if checkpoint is not None and time.monotonic() - saved > _SNAPSHOT_SECONDS:
                    write_snapshot(checkpoint, identity, engine)
                    saved = time.monotonic()
                if progress is not None:
                    progress(engine.events.n_samples, n_total)
        for problem in self.health_.problems:
            warnings.warn(problem, stacklevel=2)
        return self

    def partial_fit(self, X: ArrayLike, y: Any = None) -> STDPEncoder:
        """Learn from the next samples of a stream, in their order.

        Learning rates fall over the first 20,000 samples and then stay constant, so that the network can follow an
        endless stream. After ``fit``, learning continues at the last rates.

        Parameters
        ----------
        X : array or sparse matrix of shape (B, n_inputs), or array of shape (B, ...)
            Non-negative features. The strength of the input is derived from the first call, so its samples should be
            like those that follow.
        y : ignored
        """
        is_new = not hasattr(self, "engine_")
        self.check_settings()
        data = self._features(X, reset=is_new)
        if is_new:
            self._start(data, _STREAM)
        refuse_changes(self, self.engine_)
        chunk = -(-_CHUNK // self.batch_size) * self.batch_size
        for first in range(0, data.shape[0], chunk):
            rows = np.arange(first, min(first + chunk, data.shape[0]))
            seen = self.engine_.events.n_samples
            self.engine_.learn(
                _shares(data, rows), range(seen, seen + len(rows)), self.horizon_, n_threads(self.n_jobs)
            )
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.int64]:
        """Count the spikes of each neuron, shape (B, n_neurons). The response to a row depends only on its content."""
        found = self.respond(X)
        n = self.engine_.n_neurons
        n_samples = len(found.exit_steps)
        return np.bincount(found.samples * n + found.neurons, minlength=n_samples * n).reshape(n_samples, n)

    @checks_arguments
    def respond(
        self,
        X: ArrayLike,
        evidence: NDArray[np.float64] | None = None,
        rule: ExitRule | None = None,
        n_jobs: int | None = None,
    ) -> Responses:
        """Run the neurons without learning; with evidence (K, N) and a rule, stop each sample when it is ready.

        Parameters
        ----------
        X : array of shape (B, ...)
            Samples like those of ``fit``.
        evidence : float array of shape (K, n_neurons), optional
            Score that one spike of each neuron adds to each class.
        rule : EntropyExit, ConfidenceExit, MarginExit or NeverExit, optional
            The compiled loop asks it and stops.
        n_jobs : int, optional
            Threads; the estimator's own if absent.
        """
        check_is_fitted(self)
        data = self._features(X, reset=False)
        n_neurons = self.engine_.n_neurons
        drive = np.zeros((1, n_neurons)) if evidence is None else as_numbers(evidence, "evidence", ndim=2)
        if drive.shape[1] != n_neurons or not len(drive):
            raise ShapeError(f"evidence must have shape (K, {n_neurons}); got {drive.shape}.")
        leaves = compiled_rule(rule, len(drive))

        def answer(first: int) -> Responses:
            rows = np.arange(first, min(first + _CHUNK, data.shape[0]))
            return self.engine_.respond(_shares(data, rows), drive, leaves)

        chunks = range(0, data.shape[0], _CHUNK)
        n_workers = min(n_threads(self.n_jobs if n_jobs is None else n_jobs), len(chunks))
        # Threads, not processes: the compiled loops run without Python's lock.
        parts = Parallel(n_workers, require="sharedmem")(delayed(answer)(first) for first in chunks)
        return Responses.joined(parts)

    @property
    def _n_features_out(self) -> int:
        """Number of columns of :meth:`transform`, from which scikit-learn makes their names."""
        return self.engine_.n_neurons

    @property
    def weights_(self) -> NDArray[np.float32]:
        """Learned weights (n_inputs, n_neurons) in [0, 1]."""
        return self.engine_.weights.copy()

    @property
    def theta_(self) -> NDArray[np.float32]:
        """Adaptive thresholds (n_neurons,) in mV."""
        return self.engine_.theta.copy()

    @property
    def n_presentations_(self) -> int:
        """Samples shown while learning, over all epochs."""
        return self.engine_.events.n_samples

    @property
    def health_(self) -> Health:
        """Live neurons, spikes per sample, silent samples, spread of the thresholds; ``fit`` warns of problems."""
        return Health.of(self.engine_.events, self.engine_.n_fired, self.engine_.theta)

    def adopt(self, engine: Engine, horizon: int) -> STDPEncoder:
        """Use an engine that has already learned, instead of learning."""
        self.engine_, self.n_features_in_, self.horizon_ = engine, engine.n_inputs, horizon
        return self

    @checks_arguments
    def quantized(self, n_bits: int, rounding: Rounding = "nearest", seed: int = 0) -> STDPEncoder:
        """Return a copy whose learned weights are rounded to ``n_bits`` bits (1 to 8), without learning again.

        For the lean rule potentials are then 16-bit integers, and gains are computed from the rounded weights. The seed
        is that of stochastic rounding.

        Examples
        --------
        >>> images = np.random.default_rng(0).random((50, 30))
        >>> encoder = STDPEncoder(n_neurons=5, n_epochs=1, random_state=0).fit(images)
        >>> bool(np.isin(encoder.quantized(1).weights_, [0.0, 0.5]).all())
        True
        """
        check_is_fitted(self)
        whole_number("n_bits", n_bits, 1, 8)
        learned = {key: getattr(self.engine_.settings, key) for key in ("n_neurons", "n_steps", "batch_size")}
        copy = STDPEncoder(**{**self.get_params(), **learned, "n_bits": n_bits, "rounding": rounding})
        copy.check_settings()
        return copy.adopt(quantized_engine(self.engine_, n_bits, rounding, seed), self.horizon_)

    def _start(self, X: Any, horizon: int) -> None:
        """Build a new engine for samples like these; its learning rates fall over ``horizon`` presentations."""
        self.horizon_ = horizon
        seed = np.uint64(check_random_state(self.random_state).randint(np.iinfo(np.int64).max))
        settings = settings_for(self, self.n_features_in_, seed)
        self.engine_ = build_engine(resolve_rule(self.rule, self.n_neurons), settings)
        # Spread evenly over the data, which may be sorted.
        chosen = np.unique(np.linspace(0, X.shape[0] - 1, _PREPARED).astype(int))
        parts = (chosen[first : first + _CHUNK] for first in range(0, len(chosen), _CHUNK))
        self.engine_.prepare(spread_of(_shares(X, part) for part in parts))

    def _identity(self) -> dict[str, Any]:
        """Return what decides the learned bits, as plain values."""
        return {"rule": rule_to_dict(self.engine_.rule), "settings": settings_to_dict(self.engine_.settings)}

    def _features(self, X: Any, reset: bool) -> Any:
        X = check_features(self, X, reset=reset)
        check_non_negative(X, type(self).__name__)
        return X

    def check_settings(self) -> None:
        """Raise ParameterError if a parameter is impossible; ``fit`` calls it too."""
        check_parameters(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = []  # spike counts are integers
        return tags


def _shares(X: Any, rows: NDArray[np.integer]) -> NDArray[np.uint16]:
    """Return the share of each input in the spikes of its sample, for these rows."""
    # A sparse matrix becomes dense for a few rows at a time.
    chosen = X[rows]
    return spike_shares(chosen.toarray() if isinstance(chosen, (csr_array, csr_matrix)) else chosen)


@contextmanager
def _progress_bar(title: str) -> Iterator[Progress]:
    """Show a progress bar on standard error; yields the function that updates it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
