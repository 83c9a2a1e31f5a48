"""What a frozen network answers: output spikes, exit steps and scores, and exit rules in compiled form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewise.dynamic.rule import EntropyExit, ExitRule, NeverExit
from spikewise.errors import ParameterError

from .kernels import competition


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """Output spikes of B samples, in the order of samples and steps.

    Parameters
    ----------
    samples, steps, neurons : int arrays of shape (M,)
        Who fired when (steps count from 1) for which sample.
    exit_steps : int array of shape (B,)
        Steps that were computed.
    scores : float array of shape (B, K)
        Summed evidence at the end.
    in_spikes, out_spikes : int arrays of shape (T,)
        Spikes of all running samples at each step.
    """

    samples: NDArray[np.int64]
    steps: NDArray[np.int64]
    neurons: NDArray[np.int64]
    exit_steps: NDArray[np.int64]
    scores: NDArray[np.float64]
    in_spikes: NDArray[np.int64]
    out_spikes: NDArray[np.int64]


def compiled_rule(rule: ExitRule | None, n_classes: int) -> tuple[int, float]:
    """Kind and bound of a rule, as the compiled loop takes them."""
    if rule is None or isinstance(rule, NeverExit):
        return competition.EXIT_NEVER, 0.0
    if not isinstance(rule, EntropyExit):
        raise ParameterError(
            f"an STDP network stops inside its compiled loop, which knows EntropyExit and NeverExit; "
            f"got {type(rule).__name__}. Use replay_exit on a trace for other rules."
        )
    if n_classes < 2:
        raise ParameterError("an exit rule needs at least 2 classes; the network was labelled with one.")
    kind = competition.EXIT_ENTROPY_SUM if rule.accumulate == "sum" else competition.EXIT_ENTROPY_MEAN
    return kind, rule.max_entropy
