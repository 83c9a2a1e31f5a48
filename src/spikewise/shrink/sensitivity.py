"""Choose the bits of each layer (mixed precision): the least sensitive layer loses bits first.

First each layer alone is tried at every smaller width, which gives the increase in cross-entropy per saved bit. Then
bits are removed in this order, as long as the whole network stays within the tolerated loss of accuracy. Layers
together may lose more than each alone, so every choice is measured.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from spikewise.errors import ParameterError
from spikewise.network.models import SpikingNetwork

from .convert import shrink_network
from .format import FixedFormat
from .layers import largest_potentials, synapses_of

Evaluate = Callable[[FixedFormat], tuple[float, float]]
"""Function that returns accuracy and mean cross-entropy of a network in a format."""


def choose_bits(
    names: Sequence[str], sizes: Sequence[int], allowed: Sequence[int], form: FixedFormat, evaluate: Evaluate,
    max_drop: float, progress: Callable[[int, int, str], None] | None = None,
) -> tuple[FixedFormat, list[dict[str, Any]]]:  # fmt: skip
    """Choose the bits of each layer: remove bits one layer at a time, while accuracy stays within a tolerated loss.

    Parameters
    ----------
    names, sizes : sequence
        Names of the layers, and their numbers of weights.
    allowed : sequence of int
        Widths to choose from, at least two; all layers begin with the largest.
    form : FixedFormat
        Format that gives everything except the bits of the weights.
    evaluate : callable
        Called with a format; it must not use test images.
    max_drop : float
        Tolerated loss of accuracy against the largest width, as a fraction.
    progress : callable, optional
        Called with the number of trials so far, the largest possible number, and a remark.

    Returns
    -------
    form, rows
        The format with its bits, and a row per trial: the change, accuracy, loss, and whether it was kept.

    Examples
    --------
    >>> def evaluate(form):  # the second layer minds
    ...     return 0.9 - 0.1 * (form.bits["b"] < 8), 0.5 + 0.1 * (form.bits["b"] < 8)
    >>> choose_bits(["a", "b"], [100, 100], [8, 4], FixedFormat(), evaluate, max_drop=0.01)[0].bits
    {'a': 4, 'b': 8}
    """
    widths = sorted(set(allowed), reverse=True)
    if len(widths) < 2:
        raise ParameterError(f"bits must offer at least two widths to choose from; got {list(allowed)}.")
    n_weights = dict(zip(names, sizes, strict=True))
    bits = dict.fromkeys(names, widths[0])
    n_trials = 1 + 2 * len(names) * (len(widths) - 1)
    rows: list[dict[str, Any]] = []

    def tried(change: str, given: dict[str, int]) -> dict[str, Any]:
        accuracy, loss = evaluate(replace(form, bits=dict(given)))
        rows.append({"change": change, "accuracy": accuracy, "loss": loss, "is_kept": False})
        if progress is not None:
            progress(len(rows), n_trials, f"{change}: {accuracy:.2%}")
        return rows[-1]

    whole = tried(f"all {widths[0]} bits", bits)
    whole["is_kept"] = True
    harm = {}
    for name in names:
        for width in widths[1:]:
            found = tried(f"{name} alone {width}", {**bits, name: width})
            saved = (widths[0] - width) * n_weights[name]
            # By cross-entropy, which also shows changes that are too small to turn an answer.
            harm[name, width] = (found["loss"] - whole["loss"]) / saved
    for name, width in sorted(harm, key=lambda key: harm[key]):
        # A layer that has lost more bits already does not get any back.
        if width < bits[name]:
            found = tried(f"{name} {width}", {**bits, name: width})
            found["is_kept"] = found["accuracy"] >= whole["accuracy"] - max_drop
            if found["is_kept"]:
                bits[name] = width
    return replace(form, bits=bits), rows


def evaluator(
    network: SpikingNetwork, images: Any, n_steps: int, held_out: tuple[Any, Any], batch_size: int = 256
) -> tuple[list[str], list[int], Evaluate]:
    """Return names and sizes of a network's layers, and a function that measures the network in a format.

    Parameters
    ----------
    network : SpikingNetwork
        Trained network.
    images : array
        Typical samples, which determine the range of the potentials.
    n_steps : int
        Timesteps.
    held_out : pair of arrays
        Images and labels for the measurement.
    batch_size : int
        Number of images that run together.
    """
    layers: Any = synapses_of(network)
    X, y = torch.as_tensor(held_out[0]), torch.as_tensor(held_out[1]).long()
    axis = X.ndim - 4
    # Once for all formats, since potentials of the float network do not depend on the bits.
    largest = largest_potentials(network, torch.as_tensor(images), n_steps, batch_size)

    def evaluate(form: FixedFormat) -> tuple[float, float]:
        fixed = shrink_network(network, form, images, n_steps, largest=largest)
        n_right, loss = 0, 0.0
        for part, labels in zip(torch.split(X, batch_size, axis), torch.split(y, batch_size), strict=True):
            scores: Tensor = fixed(part, n_steps).mean(0)
            n_right += int((scores.argmax(1) == labels).sum())
            loss += float(torch.nn.functional.cross_entropy(scores, labels, reduction="sum"))
        return n_right / len(y), loss / len(y)

    return [*layers], [layer.weight.numel() for layer in layers.values()], evaluate
