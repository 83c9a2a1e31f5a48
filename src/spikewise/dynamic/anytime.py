"""Interface of every trained network: scores over time, a real early stop, answers step by step, and a workload.

Deep and STDP networks both implement :class:`AnytimeClassifier`; the command line, shrinking, search and
reports use a network only through it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from spikewise._arguments import checks_arguments
from spikewise._gates import as_numbers
from spikewise.dynamic.rule import ExitRule, ask, check_rule
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import ParameterError, ShapeError, whole_number
from spikewise.workload.workload import Workload


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Prediction of a network after a timestep.

    Parameters
    ----------
    step : int
        Timesteps computed so far.
    label : int
        Class with the highest evidence.
    confidence : float
        Probability of that class: the softmax of the evidence that the rule reads.
    scores : float array of shape (K,)
        Summed scores.
    is_last : bool
        Whether the network stops here: the rule is ready, or all steps are done. Frames may end without it.
    """

    step: int
    label: int
    confidence: float
    scores: NDArray[np.floating]
    is_last: bool

    @classmethod
    @checks_arguments
    def of(cls, scores: NDArray[np.floating], step: int, rule: ExitRule, *, is_last: bool) -> Answer:
        """Build the answer from summed scores (K,) after a step."""
        # A rule written by a user need not have `scale`; then the softmax reads the mean over the steps.
        step = whole_number("step", step, 1)
        scale = rule.scale(step) if hasattr(rule, "scale") else 1 / step
        scores = as_numbers(scores, "scores", ndim=1)
        if len(scores) < 2:
            raise ShapeError(f"scores must cover at least 2 classes; got {len(scores)}.")
        label = int(scores.argmax())
        return cls(step, label, float(softmax(scores * scale)[label]), scores, is_last)


@checks_arguments
def answers_of(trace: ScoreTrace, rule: ExitRule, sample: int = 0) -> Iterator[Answer]:
    """Replay the answers to one sample of a trace: one at each step where its scores change, and one where it leaves.

    Parameters
    ----------
    trace : ScoreTrace
        Scores of full runs.
    rule : ExitRule
        Rule that decides when the sample stops.
    sample : int
        Index of the sample in the trace.

    Examples
    --------
    >>> from spikewise.dynamic import EntropyExit
    >>> trace = ScoreTrace.from_changes([2, 4], [0, 0], [[1.0, 0.0], [9.0, 0.0]], n_steps=6, labels=[0])
    >>> [(answer.step, answer.is_last) for answer in answers_of(trace, EntropyExit(0.1, "sum"))]
    [(2, False), (4, True)]
    """
    rule = check_rule(rule)
    whole_number("sample", sample, 0)
    if sample >= trace.n_samples:
        raise ParameterError(f"sample must lie in 0..{trace.n_samples - 1}; got {sample}.")
    for step, scores in enumerate(trace.steps(), 1):
        is_last = step == trace.n_steps or bool(ask(rule, scores[[sample]], step)[0])
        if is_last or sample in trace.changes(step)[0]:
            # A copy, because `trace.steps()` writes the next step into the same array.
            yield Answer.of(scores[sample].copy(), step, rule, is_last=is_last)
        if is_last:
            return


@dataclass(frozen=True, slots=True, eq=False)
class ExitResult:
    """Answers of a network that stopped early.

    Parameters
    ----------
    labels : array of shape (B,)
        Predicted class of each sample.
    steps : int array of shape (B,)
        Timesteps that each sample used, 1..T.
    scores : float array of shape (B, K)
        Summed scores at the moment of leaving.
    n_steps : int
        Timesteps T of a full run.
    wall_time_s : float
        Measured time for all samples together.
    """

    labels: NDArray[Any]
    steps: NDArray[np.integer]
    scores: NDArray[np.floating]
    n_steps: int
    wall_time_s: float

    @property
    def mean_steps(self) -> float:
        """Mean number of timesteps used per sample."""
        return float(np.mean(self.steps))

    @property
    def histogram(self) -> NDArray[np.int64]:
        """Number of samples (T,) that left after step 1, 2, ..., T."""
        return np.bincount(self.steps - 1, minlength=self.n_steps).astype(np.int64)


@runtime_checkable
class AnytimeClassifier(Protocol):
    """A classifier whose answer improves over time and can be read at any step."""

    def trace(self, X: Any, y: ArrayLike | None = None) -> ScoreTrace:
        """Return the cumulative class scores of a full run, with the labels if given."""
        ...

    def predict_with_exit(self, X: Any, rule: ExitRule) -> ExitResult:
        """Run each sample until the rule is ready, and really stop there."""
        ...

    def workload(self, X: Any, rule: ExitRule | None = None) -> Workload:
        """Count the operations that hardware must do for these samples, with early exit if a rule is given."""
        ...


@runtime_checkable
class TrainedClassifier(AnytimeClassifier, Protocol):
    """A network of a training run: it also answers one sample step by step, and names what a certificate depends on."""

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        ...

    @property
    def takes_frames(self) -> bool:
        """Whether a sample may be the frames of a recording."""
        ...

    def stream(self, sample: Any, rule: ExitRule) -> Iterator[Answer]:
        """Yield the answer to one sample after each step, as soon as it is computed."""
        ...

    def fingerprint(self) -> dict[str, str]:
        """Return the identity of weights, engine, precision and device."""
        ...

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to one file."""
        ...


@checks_arguments
def replay_exit(trace: ScoreTrace, rule: ExitRule) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the exit steps and answers that a rule gives on recorded scores.

    Parameters
    ----------
    trace : ScoreTrace
        Scores of full runs of B samples.
    rule : ExitRule
        Asked after every step; a sample leaves the first time the rule is ready, at the latest at T.

    Returns
    -------
    steps, classes : int arrays of shape (B,)
        Step at which each sample leaves (1..T) and its highest-scoring class there.

    Examples
    --------
    >>> from spikewise.dynamic.rule import EntropyExit
    >>> trace = ScoreTrace.dense([[[9.0, 0.0], [0.0, 0.0]], [[9.0, 0.0], [0.0, 1.0]]])
    >>> steps, classes = replay_exit(trace, EntropyExit(0.1))
    >>> steps.tolist(), classes.tolist()
    ([1, 2], [0, 1])
    """
    check_rule(rule)
    steps = np.full(trace.n_samples, trace.n_steps, np.int64)
    classes = np.zeros(trace.n_samples, np.int64)
    running = np.arange(trace.n_samples)
    for step, scores in enumerate(trace.steps(), start=1):
        # At the last step every sample leaves, whatever the rule says.
        leaves = np.ones(len(running), bool) if step == trace.n_steps else ask(rule, scores[running], step)
        left = running[leaves]
        steps[left], classes[left] = step, scores[left].argmax(1)
        running = running[~leaves]
        if not len(running):
            break
    return steps, classes
