"""The pictures of an STDP run: what its neurons learned and answer to, what it mixes up, and one sample in time.

Each is drawn from what a run folder holds; only the sample in time asks the network itself.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from spikewise._files import make_folder, replacing
from spikewise.dynamic.curve import exit_curve
from spikewise.dynamic.exit_path import ExitPath
from spikewise.dynamic.rule import ExitRule, NeverExit
from spikewise.dynamic.trace import ScoreTrace
from spikewise.dynamic.uncertainty import UncertaintyExit
from spikewise.learn.stdp.classifier import STDPClassifier
from spikewise.learn.stdp.engines.base import Engine
from spikewise.runs.contents import NeuronWeights, RunContents
from spikewise.runs.exit_record import ExitRecord
from spikewise.spikes.streams import content_keys, spike_shares, spike_stream, stream_spikes

from .base import accuracy_figure, to_png, weight_mosaic
from .neurons import confusion_figure, label_map
from .raster import raster_figure

_LONGEST_LABEL = 3  # characters that fit into the corner of a tile
_MOST_LABELLED = 144  # tiles; on smaller ones no word can be read
_NO_CLASS = "–"


def write_pictures(
    contents: RunContents, network: STDPClassifier, image: NDArray[np.uint8], rule: ExitRule, folder: Path
) -> None:
    """Write ``weights``, ``labels``, ``confusion``, ``accuracy`` and ``raster.png``, each whole or not at all.

    Parameters
    ----------
    contents : RunContents
        The run of an STDP network that was stopped early.
    network : STDPClassifier
        The network of that run.
    image : uint8 array of shape (1, C, H, W)
        The sample that is drawn in time.
    rule : ExitRule
        When it stops.
    folder : Path
        Where to write; made if need be.
    """
    names = class_names(contents)
    figures = {"raster": sample_in_time(network, image, rule, names)}
    if contents.neurons:
        figures["weights"] = neuron_tiles(contents.neurons, contents.record["data"]["shape"], names)[0]
        figures["labels"] = neuron_labels(contents.neurons, names)
    if contents.trace:
        figures["confusion"] = confusions(contents.trace, contents.neurons, names)
        figures["accuracy"] = accuracy_over_time(contents.trace, [found.record for found in contents.exits])
    make_folder(folder)
    for name, figure in figures.items():
        with replacing(folder / f"{name}.png") as handle:
            handle.write(to_png(figure, is_transparent=False))


def class_names(contents: RunContents) -> list[str]:
    """Names of all classes of a run's data."""
    return [str(name) for name in contents.record["data"].get("classes", [])]


def class_word(names: Sequence[str], index: int) -> str:
    """Name of a class; its number if it has none, and a dash for no class."""
    if index < 0:
        return _NO_CLASS
    return names[index] if index < len(names) else str(index)


def neuron_tiles(neurons: NeuronWeights, shape: Sequence[int], names: Sequence[str]) -> tuple[Figure, bool]:
    """Mosaic of the weights by class, the surest neuron first, and whether there was room for the classes' names."""
    order = _by_class(neurons, neurons.weights.shape[1])
    words = [class_word(names, int(label)) for label in neurons.labels[order]]
    is_labelled = len(words) <= _MOST_LABELLED and max(map(len, words)) <= _LONGEST_LABEL
    return weight_mosaic(neurons.weights[:, order], shape, words if is_labelled else None), is_labelled


def neuron_labels(neurons: NeuronWeights, names: Sequence[str]) -> Figure:
    """Map of the neurons in the order of the mosaic."""
    order = _by_class(neurons, len(neurons.labels))
    return label_map(neurons.labels[order], neurons.strength[order], names)


def _by_class(neurons: NeuronWeights, n_neurons: int) -> NDArray[np.int64]:
    labels, strength = neurons.labels[:n_neurons], neurons.strength[:n_neurons]
    last = np.iinfo(np.int64).max  # neurons without a class
    return np.lexsort((-strength, np.where(labels < 0, last, labels)))


def confusions(trace: ScoreTrace, neurons: NeuronWeights | None, names: Sequence[str]) -> Figure:
    """Confusion matrix of the answers after the last step."""
    classes = np.arange(trace.n_classes) if neurons is None else neurons.classes
    return confusion_figure(classes[trace.labels], classes[trace.final_scores().argmax(1)], names)


def accuracy_over_time(trace: ScoreTrace, exits: Sequence[ExitRecord]) -> Figure:
    """Accuracy against steps of full runs and of every threshold, with the chosen ones and their controls."""
    curves: dict[str, tuple[ArrayLike, ArrayLike]] = {}
    points = {}
    for figures in exits:
        suffix = f" ({figures.name})" if len(exits) > 1 else ""
        rule = figures.rule
        if isinstance(rule, UncertaintyExit) and not curves:
            curve = exit_curve(trace, ExitPath.of(rule.kind, rule.accumulate, rule.temperature))
            curves["every threshold (test set, not for choosing)"] = (curve.mean_steps, curve.accuracy)
        points[f"chosen threshold{suffix}"] = (figures.mean_steps, figures.accuracy_exit)
        points[f"control: random exit{suffix}"] = (figures.mean_steps, figures.accuracy_random_exit)
        if figures.accuracy_first_spike is not None and figures.first_spike_steps is not None:
            points["control: first output spike"] = (figures.first_spike_steps, figures.accuracy_first_spike)
    return accuracy_figure(trace.accuracy_by_step(), curves, points)


def sample_in_time(
    network: STDPClassifier, image: NDArray[np.uint8], rule: ExitRule, names: Sequence[str] | None = None
) -> Figure:
    """Raster of one sample: a full run, with what early exit leaves out in the shade.

    Parameters
    ----------
    network : STDPClassifier
        A labelled network.
    image : uint8 array of shape (1, ...)
        The sample.
    rule : ExitRule
        When it stops.
    names : sequence of str, optional
        Names of the classes; their numbers if absent.
    """
    engine = network.encoder_.engine_
    features = image.reshape(1, -1)
    full = network.encoder_.respond(features, network.evidence_, NeverExit(), n_jobs=1)
    stop = int(network.predict_with_exit(features, rule).steps[0])
    # Of several spikes in one step the last one's sum holds from then on.
    last = np.append(np.diff(full.steps) > 0, True)[: len(full.steps)]
    scores = softmax(np.cumsum(network.evidence_.T[full.neurons], axis=0), axis=1)
    words = [class_word(names or (), int(k)) for k in network.classes_]
    return raster_figure(
        *input_spikes(engine, features), full.steps, full.neurons, engine.n_steps,
        (full.steps[last], scores[last]), stop, class_names=words,
    )  # fmt: skip


def input_spikes(engine: Engine, features: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Steps (from 1) and inputs of the spikes (M,) by which an engine is shown one sample (1, n_inputs)."""
    shares = spike_shares(features)
    stream = spike_stream(engine.rule.events_per_step, engine.n_inputs, engine.n_steps)
    n_spikes = stream_spikes(stream, shares, 0, content_keys(shares, engine.settings.seed)[0])
    steps = np.repeat(np.arange(1, engine.n_steps + 1), np.diff(stream.ends))
    return steps, stream.spikes[:n_spikes].astype(np.int64)
