"""What a run folder holds, read once and checked, so that everything drawn from it can be trusted.

A run may have been interrupted after any stage: what is absent is None, what is damaged raises DataError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise._files import mendable
from spikewise.dynamic.trace import ScoreTrace
from spikewise.energy.measurement import Measurement, measured_of
from spikewise.errors import DataError
from spikewise.spikes.decode import neuron_classes, proportion_evidence

from .exit_folder import ExitFolder
from .folder import Run
from .names import MODEL_FILE, TRACE_FILE

MAX_NEURONS = 400
"""Neurons whose weights are shown; more would be too small to see."""


@dataclass(frozen=True, slots=True, eq=False)
class NeuronWeights:
    """What an STDP network learned, and what it stands for.

    Parameters
    ----------
    weights : float array of shape (n_inputs, min(N, 400))
        Weights of the first neurons.
    labels : int array of shape (N,)
        Class each neuron fires most for; -1 if it never fired.
    strength : float array of shape (N,)
        Share of that class in the neuron's mean rates, in [0, 1].
    classes : int array of shape (K,)
        Class that each score of the network belongs to.
    """

    weights: NDArray[np.floating]
    labels: NDArray[np.integer]
    strength: NDArray[np.floating]
    classes: NDArray[np.integer]


@dataclass(frozen=True, slots=True, eq=False)
class RunContents:
    """All that is shown of a run, checked: what is absent is None, what is damaged was refused."""

    name: str
    record: Mapping[str, Any]
    trace: ScoreTrace | None
    exits: tuple[ExitFolder, ...]
    neurons: NeuronWeights | None
    watts: float | None = None

    def measured(self, found: ExitFolder | None = None) -> dict[str, Measurement]:
        """What learning took and, with an exit setting, answering the test images; on the machine that made the run."""
        return measured_of(self, found.name if found else "", self.watts)

    @classmethod
    def read(cls, run: Run, watts: float | None = None) -> RunContents:
        """Read everything a report shows; ``watts`` is the mean power of the machine that made the run, if known.

        Raises
        ------
        DataError
            If a file is damaged, or files contradict each other.
        """
        exits, trace = tuple(run.exits.values()), run.trace
        for found in exits:
            found.check()
            record = found.record
            if trace and (trace.n_steps, trace.n_samples) != (record.n_steps, record.n_test):
                raise DataError(
                    f"{run.path / TRACE_FILE} must have the {record.n_steps} steps and {record.n_test} samples of exit "
                    f"{found.name!r}; got {trace.n_steps} and {trace.n_samples}. Delete it and run the command again."
                )
        contents = cls(run.path.resolve().name, run.record, trace, exits, _read_neurons(run), watts)
        for setting in (None, *exits):
            contents.measured(setting)  # a damaged entry is found here, not while drawing
        return contents


def _read_neurons(run: Run) -> NeuronWeights | None:
    path = run.path / MODEL_FILE
    if run.record.get("kind") != "stdp" or not path.exists():
        return None
    from spikewise.learn.stdp.classifier import STDPClassifier

    with mendable(path):
        network: Any = run.network or STDPClassifier.load(path)
    weights, counts, samples = network.encoder_.weights_, network.class_counts_, network.n_labelled_
    shape = run.record["data"].get("shape")
    is_shape = isinstance(shape, list) and len(shape) == 3 and all(isinstance(size, int) for size in shape)
    if not is_shape or np.prod(shape) != len(weights):
        raise DataError(f"{path} must have one input per pixel of {shape} (C, H, W); got {len(weights)}.")
    classes = np.asarray(network.classes_, np.int64)
    labels = np.append(classes, -1)[neuron_classes(counts, samples)]
    strength = np.clip(proportion_evidence(counts, samples).max(0), 0, 1)
    return NeuronWeights(weights[:, :MAX_NEURONS], labels, strength, classes)
