"""What a run folder holds, read once and checked, so that everything drawn from it can be trusted.

A run may have been interrupted after any stage: what is absent is None, what is damaged raises DataError.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise._files import mendable
from spikewise.dynamic.trace import ScoreTrace
from spikewise.energy.measurement import Measurement, measured_of
from spikewise.errors import DataError
from spikewise.price.analysis.companions import Prices, read_prices
from spikewise.price.cost import CostReport
from spikewise.spikes.decode import neuron_classes, proportion_evidence

from .exit_record import ExitFigures, read_figures
from .folder import COST_FILE, EXIT_FILE, GALLERY_FILE, MODEL_FILE, TRACE_FILE, Run

MAX_NEURONS = 400
"""Neurons whose weights are shown; more would be too small to see."""


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """The images (B, C, H, W) that left first and last, with true class, answer and exit step (B,) of each."""

    images: NDArray[np.uint8]
    labels: NDArray[np.integer]
    predicted: NDArray[np.integer]
    steps: NDArray[np.integer]
    is_easy: NDArray[np.bool_]

    @classmethod
    def read(cls, path: Path) -> Gallery:
        """Read ``gallery.npz``; raises DataError if it is not one."""
        try:
            # Opened here, since NumPy leaks its own handle when the file is no archive.
            with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as file:
                found = cls(**{key: file[key] for key in cls.__slots__})
            found._check()
        except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
            problem = str(error).rstrip(".")
            raise DataError(f"{path} must be a gallery; {problem}. Delete it and run the command again.") from None
        return found

    def _check(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or 0 in self.images.shape[1:]:
            raise ValueError(f"images are {self.images.dtype} {self.images.shape}, not uint8 (B, C, H, W)")
        if any(getattr(self, key).shape != (len(self.images),) for key in self.__slots__[1:]):
            raise ValueError("there is not one label, answer, step and mark per image")


@dataclass(frozen=True, slots=True, eq=False)
class ExitContents:
    """One folder below ``exits``: its figures, and what else has been computed there; without a price, no prices."""

    figures: ExitFigures
    prices: Prices
    gallery: Gallery | None

    @property
    def cost(self) -> CostReport | None:
        """Price on the platform that was asked for."""
        return self.prices[0] if self.prices else None

    @classmethod
    def read(cls, folder: Path) -> ExitContents:
        """Read a folder below ``exits``; raises DataError if a file is damaged."""
        cost, gallery = folder / COST_FILE, folder / GALLERY_FILE
        return cls(
            read_figures(folder / EXIT_FILE),
            read_prices(cost) if cost.exists() else (),
            Gallery.read(gallery) if gallery.exists() else None,
        )


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
    """A run folder in memory."""

    name: str
    record: Mapping[str, Any]
    trace: ScoreTrace | None
    exits: tuple[ExitContents, ...]
    neurons: NeuronWeights | None
    watts: float | None = None

    def measured(self, found: ExitContents | None = None) -> dict[str, Measurement]:
        """What learning took and, with an exit setting, answering the test images; on the machine that made the run."""
        name = found.figures.name if found else ""
        return measured_of(self, name, self.watts)

    @classmethod
    def read(cls, run: Run, watts: float | None = None) -> RunContents:
        """Read everything a report shows; ``watts`` is the mean power of the machine that made the run, if known.

        Raises
        ------
        DataError
            If a file is damaged, or files contradict each other.
        """
        files = sorted(run.path.glob(f"exits/*/{EXIT_FILE}"))
        exits = tuple(ExitContents.read(file.parent) for file in files)
        trace = _read_trace(run.path / TRACE_FILE)
        for found in exits:
            if trace and (trace.n_steps, trace.n_samples) != (found.figures.n_steps, found.figures.n_test):
                raise DataError(
                    f"{run.path / TRACE_FILE} must have the {found.figures.n_steps} steps and {found.figures.n_test} "
                    f"samples of exit {found.figures.name!r}; got {trace.n_steps} and {trace.n_samples}. "
                    "Delete it and run the command again."
                )
        contents = cls(run.path.resolve().name, run.record, trace, exits, _read_neurons(run), watts)
        for setting in (None, *exits):
            contents.measured(setting)  # a damaged entry is found here, not while drawing
        return contents


def _read_trace(path: Path) -> ScoreTrace | None:
    if not path.exists():
        return None
    with mendable(path):
        trace = ScoreTrace.read(path)
        if not trace.n_samples or (trace.labels < 0).any():
            raise DataError(f"{path} must hold labelled samples.")
    return trace


def _read_neurons(run: Run) -> NeuronWeights | None:
    path = run.path / MODEL_FILE
    if run.record.get("kind") != "stdp" or not path.exists():
        return None
    from spikewise.learn.stdp.classifier import STDPClassifier

    with mendable(path):
        network = STDPClassifier.load(path)
    weights, counts, samples = network.encoder_.weights_, network.class_counts_, network.n_labelled_
    shape = run.record["data"].get("shape")
    is_shape = isinstance(shape, list) and len(shape) == 3 and all(isinstance(size, int) for size in shape)
    if not is_shape or np.prod(shape) != len(weights):
        raise DataError(f"{path} must have one input per pixel of {shape} (C, H, W); got {len(weights)}.")
    classes = np.asarray(network.classes_, np.int64)
    labels = np.append(classes, -1)[neuron_classes(counts, samples)]
    strength = np.clip(proportion_evidence(counts, samples).max(0), 0, 1)
    return NeuronWeights(weights[:, :MAX_NEURONS], labels, strength, classes)
