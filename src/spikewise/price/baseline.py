r"""Does spiking pay at all? The conventional network of the same shape, priced on the same platform.

A spiking network of T steps tells T + 1 values of a neuron apart, so the matched network has activations of
:math:`\lceil \log_2 (T + 1) \rceil` bits, weights as they are, and computes every layer densely a single time: no
steps, no states, no silence. What both save alike, such as smaller weights, cancels in the comparison.
"""

from __future__ import annotations

from dataclasses import replace

from spikewise.errors import ParameterError, whole_number
from spikewise.layer import MAX_BITS
from spikewise.workload import Workload, uniform_workload

from .cost import CostReport
from .neuromorphic import NeuromorphicChip
from .platform import Platform


def matched_bits(n_steps: int) -> int:
    """Bits of an activation that tell as many values apart as a count of spikes over so many steps.

    Examples
    --------
    >>> matched_bits(1), matched_bits(3), matched_bits(4)
    (1, 2, 3)
    """
    return n_steps.bit_length()


def ann_workload(workload: Workload, activation_bits: int | None = None) -> Workload:
    """The conventional network of the same layer shapes: one dense pass.

    Parameters
    ----------
    workload : Workload
        A spiking network.
    activation_bits : int, optional
        Bits of an activation; by default those that match the steps, see :func:`matched_bits`. A first layer that
        reads values of several bits goes on reading them.

    Examples
    --------
    >>> from spikewise.workload import LayerShape
    >>> layers = [LayerShape("one", "linear", 64, 32), LayerShape("two", "linear", 32, 10)]
    >>> ann = ann_workload(uniform_workload("net", layers, n_steps=4, rates=[0.2, 0.1]))
    >>> ann.n_steps, ann.layers[1].input_bits, ann.activity[1].in_spikes
    (1, 3, (32.0,))
    """
    if activation_bits is None:
        activation_bits = matched_bits(workload.n_steps)
    activation_bits = whole_number("activation_bits", activation_bits, 1, MAX_BITS)
    changed = {"has_neurons": False, "once_per_inference": False, "lateral": "none"}
    layers = [
        replace(layer, **changed, input_bits=max(activation_bits, layer.input_bits if n == 0 else 1))  # type: ignore[arg-type]
        for n, layer in enumerate(workload.layers)
    ]
    dense = uniform_workload(f"{workload.name}-ann", layers, 1, [1.0] * len(layers))
    return replace(dense, exit_histogram=(workload.n_samples,), n_samples=workload.n_samples)


def can_be_dense(platform: Platform) -> bool:
    """Whether a platform computes dense layers: all but those that are driven by events."""
    return not isinstance(platform, NeuromorphicChip)


def ann_baseline(workload: Workload, platform: Platform, activation_bits: int | None = None) -> CostReport:
    """Price the conventional network of the same shape.

    Parameters
    ----------
    workload : Workload
        A spiking network.
    platform : Platform
        Anything but an event-driven chip, which has no dense layers.
    activation_bits : int, optional
        As in :func:`ann_workload`.

    Examples
    --------
    >>> from importlib.resources import files
    >>> from spikewise.price.digital import DigitalAccelerator
    >>> from spikewise.price.technology import read_settings
    >>> from spikewise.workload import LayerShape
    >>> chip = read_settings(DigitalAccelerator, files("spikewise.price") / "presets" / "digital-45nm.toml")
    >>> layers = [LayerShape("one", "linear", 640, 320), LayerShape("two", "linear", 320, 10)]
    >>> busy, quiet = (uniform_workload("net", layers, 4, [rate, rate]) for rate in (0.5, 0.02))
    >>> [bool(chip.estimate(load).energy_j < ann_baseline(load, chip).energy_j) for load in (busy, quiet)]
    [False, True]
    """
    if not can_be_dense(platform):
        raise ParameterError(
            f"platform must compute dense layers; got {platform.name!r}, which is driven by events. "
            "Price the baseline on digital-45nm or an embedded processor."
        )
    ann = ann_workload(workload, activation_bits)
    report = platform.estimate(ann)
    bits = ann.layers[-1].input_bits
    line = f"conventional network of the same shape: one dense pass, activations of {bits} bits, weights as they are."
    return replace(report, assumptions=(*report.assumptions, line))
