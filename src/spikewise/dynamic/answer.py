"""Answers step by step: the class that a network predicts after each timestep, and the step at which it stops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from spikewise.dynamic.rule import ExitRule, ask
from spikewise.dynamic.trace import ScoreTrace
from spikewise.errors import ParameterError, whole_number


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
    def of(cls, scores: NDArray[np.floating], step: int, rule: ExitRule, *, is_last: bool) -> Answer:
        """Build the answer from summed scores (K,) after a step."""
        # A rule written by a user need not have `scale`; then the softmax reads the mean over the steps.
        scale = rule.scale(step) if hasattr(rule, "scale") else 1 / step
        label = int(scores.argmax())
        return cls(step, label, float(softmax(scores * scale)[label]), scores, is_last)


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
