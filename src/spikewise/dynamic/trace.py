"""Class scores over time of a set of samples: all that an exit rule needs to know about a network.

After step t a network has accumulated the evidence ``z_t = o_1 + ... + o_t`` (DT-SNN, Eq. 1, as a sum). A
:class:`ScoreTrace` stores these *cumulative sums*, shape ``(T, B, K)``, but only where they change: a
deep network changes every score at every step, an STDP network only when an output neuron fires, so
350 steps of 10,000 images need a few megabytes instead of 140.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._arguments import checks_arguments
from spikewise._arrays import read_npz
from spikewise._files import replacing
from spikewise._gates import as_numbers, as_whole, step_count
from spikewise.errors import DataError, ParameterError, ShapeError, whole_number

FloatArray = NDArray[np.floating]
Scores = TypeVar("Scores", bound=NDArray[Any])
IntArray = NDArray[np.integer]
_ARRAYS = ("change_offsets", "samples", "scores", "labels")


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTrace:
    """Cumulative class scores, stored as the list of their changes.

    Build one with :meth:`dense` or :meth:`from_changes`.

    Parameters
    ----------
    change_offsets : int array of shape (T + 1,)
        Changes of step t (counted from 1) are rows ``change_offsets[t - 1]`` to ``change_offsets[t]``.
    samples : int array of shape (M,)
        The sample that each change belongs to.
    scores : float array of shape (M, K)
        Its cumulative scores from that step on.
    labels : int array of shape (B,)
        True class of each sample, -1 where unknown.

    Examples
    --------
    >>> trace = ScoreTrace.dense([[[1.0, 0.0]], [[1.0, 3.0]]], labels=[1])
    >>> [scores.tolist() for scores in trace.steps()]
    [[[1.0, 0.0]], [[1.0, 3.0]]]
    >>> trace.accuracy_by_step().tolist()
    [0.0, 1.0]
    """

    change_offsets: IntArray
    samples: IntArray
    scores: FloatArray
    labels: IntArray

    @classmethod
    def dense(cls, score_sum: ArrayLike, labels: ArrayLike | None = None) -> ScoreTrace:
        """Build a trace of scores that change at every step, from an array of shape (T, B, K)."""
        values = as_numbers(score_sum, "score_sum", finite=False)  # which is checked below
        if values.ndim != 3 or 0 in values.shape:
            raise ShapeError(f"score_sum must have shape (T, B, K), each at least 1; got {values.shape}.")
        n_steps, n_samples, n_classes = values.shape
        return cls.from_changes(
            np.repeat(np.arange(1, n_steps + 1), n_samples),
            np.tile(np.arange(n_samples), n_steps),
            values.reshape(-1, n_classes),
            n_steps,
            np.full(n_samples, -1) if labels is None else labels,
        )

    @classmethod
    @checks_arguments
    def from_changes(
        cls, steps: ArrayLike, samples: ArrayLike, scores: ArrayLike, n_steps: int, labels: ArrayLike
    ) -> ScoreTrace:
        """Build a trace from M changes: at step ``steps[i]`` (1..T) the scores of ``samples[i]`` become ``scores[i]``.

        Raises
        ------
        ShapeError, ParameterError
            If the arrays disagree in length, a step or sample lies outside its range, two changes
            fall on one sample and step, a score is not finite, or there are fewer than two classes.
        """
        step, sample = as_whole(steps, "steps"), as_whole(samples, "samples")
        value, label = as_numbers(scores, "scores"), as_whole(labels, "labels")
        if label.size and label.min() < -1:
            raise ParameterError(f"labels must be class numbers, or -1 where unknown; got {label.min()}.")
        if not np.issubdtype(value.dtype, np.floating):
            value = value.astype(np.float64)
        if value.ndim != 2 or step.shape != sample.shape or step.shape != value.shape[:1] or label.ndim != 1:
            raise ShapeError(
                f"changes must be steps (M,), samples (M,), scores (M, K) and labels (B,); "
                f"got {step.shape}, {sample.shape}, {value.shape} and {label.shape}."
            )
        if value.shape[1] < 2:
            raise ParameterError(f"scores must cover at least 2 classes; got {value.shape[1]}.")
        n_steps = step_count(n_steps)
        if len(step) and (step.min() < 1 or step.max() > n_steps):
            raise ParameterError(f"steps must lie in 1..{n_steps}; got {step.min()}..{step.max()}.")
        if len(sample) and (sample.min() < 0 or sample.max() >= len(label)):
            raise ParameterError(f"samples must lie in 0..{len(label) - 1}; got up to {sample.max()}.")
        if label.size and label.max() >= value.shape[1]:
            raise ParameterError(f"labels must lie below the {value.shape[1]} classes; got {label.max()}.")
        order = np.lexsort((sample, step))  # by step, then by sample: the last key counts first
        step, sample = step[order], sample[order]
        if len(step) > 1 and ((np.diff(step) == 0) & (np.diff(sample) == 0)).any():
            raise ParameterError("a sample must change at most once per step; got two changes.")
        offsets = np.searchsorted(step, np.arange(1, n_steps + 2))
        return cls(offsets, sample.astype(np.int32), np.ascontiguousarray(value[order]), label)

    @property
    def is_labelled(self) -> bool:
        """Whether there are samples and the class of each is known."""
        return self.n_samples > 0 and bool((self.labels >= 0).all())

    @property
    def n_steps(self) -> int:
        """Timesteps T of a full run."""
        return len(self.change_offsets) - 1

    @property
    def n_samples(self) -> int:
        """Number of samples B."""
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return int(self.scores.shape[1])

    @checks_arguments
    def changes(self, step: int) -> tuple[IntArray, FloatArray]:
        """Return the samples whose scores change at this step (1..T), and their new cumulative scores."""
        step = whole_number("step", step, 1, self.n_steps)
        rows = slice(self.change_offsets[step - 1], self.change_offsets[step])
        return self.samples[rows], self.scores[rows]

    def steps(self) -> Iterator[FloatArray]:
        """Yield cumulative scores (B, K) after step 1, 2, ..., T. The array is reused: copy it to keep it."""
        # Before its first change a sample has no evidence: equal scores, hence full uncertainty.
        current = np.zeros((self.n_samples, self.n_classes), self.scores.dtype)
        for step in range(1, self.n_steps + 1):
            samples, scores = self.changes(step)
            current[samples] = scores
            yield current

    def final_scores(self) -> FloatArray:
        """Return the cumulative scores (B, K) after the last step."""
        last = np.zeros((self.n_samples, self.n_classes), self.scores.dtype)
        # Changes are sorted by step, and with repeated indices the last assignment wins.
        last[self.samples] = self.scores
        return last

    def accuracy_by_step(self) -> NDArray[np.float64]:
        """Return the accuracy (T,) of the static network that stops after step 1, 2, ..., T; needs all labels."""
        if not self.is_labelled:
            raise ParameterError("accuracy needs the label of every sample; some are unknown. Pass y to trace(X, y).")
        return np.array([np.mean(scores.argmax(1) == self.labels) for scores in self.steps()])

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write to an ``.npz`` file; an old file is replaced only when the new one is complete."""
        arrays = {key: getattr(self, key) for key in _ARRAYS}
        with replacing(path) as handle:
            np.savez_compressed(handle, **arrays)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> ScoreTrace:
        """Read a trace that :meth:`write` wrote; raises DataError if the file is not one."""
        arrays = read_npz(path, _ARRAYS, what="score trace")
        try:
            offsets = arrays["change_offsets"]
            is_rising = offsets.ndim == 1 and offsets.dtype.kind in "iu" and (offsets[1:] >= offsets[:-1]).all()
            if not is_rising or offsets[:1].tolist() != [0] or offsets[-1] != len(np.atleast_1d(arrays["samples"])):
                raise ParameterError("change_offsets must rise from 0 to the number of changes; they do not.")
            steps = np.repeat(np.arange(1, len(offsets)), np.diff(offsets).astype(np.int64))
            # Not cls(...): from_changes checks what a damaged or foreign file may hold.
            return cls.from_changes(steps, arrays["samples"], arrays["scores"], len(offsets) - 1, arrays["labels"])
        except ValueError as error:
            raise DataError(f"{path} must be a score trace written by spikewise; {error}") from None


def check_scores(scores: Scores) -> Scores:
    """Return the scores, or raise ParameterError if one is NaN or infinite."""
    # The argmax of NaN is a class like any other, so an exit rule would report it as an answer.
    if not np.isfinite(scores).all():
        raise ParameterError("scores must be finite; got NaN or infinity. Did training diverge?")
    return scores
