"""Responses of a frozen network: output spikes, exit steps and scores; and exit rules in compiled form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from spikewise.dynamic.rule import ExitRule, NeverExit
from spikewise.dynamic.uncertainty import UncertaintyExit
from spikewise.errors import ParameterError

from .counters import EventCounts
from .kernels.respond import CONFIDENCE, ENTROPY, MARGIN, NEVER_EXIT, ExitConstants, Sheet

_KINDS = {"entropy": ENTROPY, "confidence": CONFIDENCE, "margin": MARGIN}


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """Output spikes of B samples, in the order of samples and steps.

    Parameters
    ----------
    samples, steps, neurons : int arrays of shape (M,)
        Sample, step (from 1) and neuron of each output spike.
    exit_steps : int array of shape (B,)
        Number of computed steps.
    scores : float array of shape (B, K)
        Summed evidence after the last computed step.
    in_spikes, out_spikes : int arrays of shape (T,)
        Spikes of inputs and of neurons at each step, over the samples that run it.
    events : EventCounts
        Events of all samples.
    """

    samples: NDArray[np.int64]
    steps: NDArray[np.int64]
    neurons: NDArray[np.int64]
    exit_steps: NDArray[np.int64]
    scores: NDArray[np.float64]
    in_spikes: NDArray[np.int64]
    out_spikes: NDArray[np.int64]
    events: EventCounts

    @classmethod
    def of(cls, sheet: Sheet, events: NDArray[np.int64]) -> Responses:
        """Build responses from the results of a compiled loop and the events that it counted."""
        n, most = len(sheet.n_fired), int(sheet.n_fired.max(initial=0))
        # The rows of the sheet are longer than their contents.
        there = np.arange(most) < sheet.n_fired[:, None]
        step, neuron = (part[:, :most][there].astype(np.int64) for part in (sheet.step, sheet.neuron))
        return cls(
            np.repeat(np.arange(n), sheet.n_fired), step, neuron, sheet.exit_step.astype(np.int64), sheet.score,
            sheet.in_spikes, sheet.out_spikes, EventCounts(*events.tolist()),
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[Responses]) -> Responses:
        """Join the responses to successive samples."""
        firsts = np.cumsum([0, *(len(part.exit_steps) for part in parts)])
        events = EventCounts()
        for part in parts:
            events.add(astuple(part.events))
        samples = [part.samples + first for part, first in zip(parts, firsts[:-1], strict=True)]
        return cls(
            np.concatenate(samples),
            np.concatenate([part.steps for part in parts]),
            np.concatenate([part.neurons for part in parts]),
            np.concatenate([part.exit_steps for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.sum([part.in_spikes for part in parts], axis=0),
            np.sum([part.out_spikes for part in parts], axis=0),
            events,
        )


def compiled_rule(rule: ExitRule | None, n_classes: int) -> ExitConstants:
    """Return the constants of a rule for the compiled loop."""
    if rule is None or isinstance(rule, NeverExit):
        return NEVER_EXIT
    kind = _KINDS.get(getattr(rule, "kind", ""))
    if kind is None or not isinstance(rule, UncertaintyExit):
        raise ParameterError(
            f"an STDP network stops inside its compiled loop, which knows EntropyExit, ConfidenceExit, MarginExit and "
            f"NeverExit; got {type(rule).__name__}. Use replay_exit on a trace for other rules."
        )
    if len(rule.bounds) > 1 or isinstance(rule.temperature, tuple):
        raise ParameterError(
            "an STDP network takes one bound and one temperature for all steps; got one for each step. Use replay_exit."
        )
    if n_classes < 2:
        raise ParameterError("an exit rule needs at least 2 classes; the network was labelled with one.")
    return ExitConstants(kind, rule.accumulate == "mean", 1 / rule.temperature, rule.bounds[0])
