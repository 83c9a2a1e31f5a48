r"""Does spiking pay at all? The conventional network of the same shape, priced on the same platform.

A spiking network of T steps tells T + 1 values of a neuron apart, so the matched network has activations of
:math:`\lceil \log_2 (T + 1) \rceil` bits, weights as they are, and computes every layer a single time: no steps and no
states. It has silence too: rectified units give zero where their input is negative, about half of the time after a
normalisation that centres it. So half of its activations are taken as non-zero (``activation_rate``), an assumption
that every comparison states; the image at the first layer is as dense as it was measured. What both networks save
alike, such as smaller weights, cancels in the comparison.

Left out: biases, the rectifier itself, and any accuracy that the two networks do not share. No fair baseline is known
where one step tells two values apart and no more, and for networks that learn without labels by competition.
"""

from __future__ import annotations

from dataclasses import replace

from spikewise.errors import ParameterError, positive_number, whole_number
from spikewise.price.cost import CostReport
from spikewise.price.digital.accelerator import DigitalAccelerator
from spikewise.price.digital.neuromorphic import NeuromorphicChip
from spikewise.price.protocol import Platform
from spikewise.workload.layer import MAX_BITS
from spikewise.workload.workload import LayerActivity, LayerShape, Workload

ACTIVATION_RATE = 0.5
"""Share of non-zero activations of a conventional network: assumed, rectified units are silent half of the time."""

_ZEROS = {
    "imc": "a zero drives no row, every bit of another value does: at most so dear",
    "digital": "every weight is multiplied, zeros included; the band of the comparison holds one that skips them",
    "roofline": "every weight is multiplied, zeros included",
}


def matched_bits(n_steps: int) -> int:
    """Bits of an activation that tell as many values apart as a count of spikes over so many steps.

    Examples
    --------
    >>> matched_bits(1), matched_bits(3), matched_bits(4)
    (1, 2, 3)
    """
    return n_steps.bit_length()


def why_no_ann_baseline(workload: Workload, platform: Platform) -> str:
    """Why no ANN baseline is fair here; empty if one is.

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> from spikewise.workload import uniform_workload
    >>> load = uniform_workload("net", [LayerShape("fc", "linear", 64, 10)], 1, [0.2])
    >>> why_no_ann_baseline(load, load_platform("digital-45nm"))
    'one step tells only two values apart, so nothing can be said of several bits'
    """
    if isinstance(platform, NeuromorphicChip):
        return "an event-driven chip has no dense layers"
    if workload.counts is not None or any(layer.lateral != "none" for layer in workload.layers):
        return "it learns without labels by competition; one dense layer of its shape would classify nothing"
    if workload.n_steps == 1:
        return "one step tells only two values apart, so nothing can be said of several bits"
    return ""


def ann_workload(
    workload: Workload, activation_bits: int | None = None, activation_rate: float = ACTIVATION_RATE
) -> Workload:
    """The conventional network of the same layer shapes: every layer computed once.

    Parameters
    ----------
    workload : Workload
        A spiking network.
    activation_bits : int, optional
        Bits of an activation; by default those that match the steps, see :func:`matched_bits`. A first layer that
        reads values of several bits goes on reading them.
    activation_rate : float
        Share of activations that are not zero, in (0, 1]; the first layer reads the image as it was measured.

    Examples
    --------
    >>> from spikewise.workload import uniform_workload
    >>> layers = [LayerShape("one", "linear", 64, 32), LayerShape("two", "linear", 32, 10)]
    >>> ann = ann_workload(uniform_workload("net", layers, n_steps=4, rates=[0.2, 0.1]))
    >>> ann.n_steps, ann.layers[1].input_bits, ann.activity[1].in_spikes
    (1, 3, (16.0,))
    """
    if activation_bits is None:
        activation_bits = matched_bits(workload.n_steps)
    activation_bits = whole_number("activation_bits", activation_bits, 1, MAX_BITS)
    activation_rate = positive_number("activation_rate", activation_rate, 1.0)
    layers = tuple(_dense(workload, place, activation_bits) for place in range(len(workload.layers)))
    busy = []
    for place, layer in enumerate(layers):
        rate = image_density(workload) if place == 0 else activation_rate
        out_rate = 1.0 if place == len(layers) - 1 else activation_rate
        busy.append(LayerActivity((layer.n_unfolded * rate,), (layer.n_inputs * rate,), (layer.n_neurons * out_rate,)))
    histogram = (workload.n_samples,)
    return Workload(f"{workload.name}-ann", layers, tuple(busy), (), histogram, workload.n_samples)


def image_density(workload: Workload) -> float:
    """Share of non-zero values of the image: measured if the first layer reads it, else at most that of all spikes.

    Examples
    --------
    >>> from spikewise.workload import uniform_workload
    >>> image_density(uniform_workload("net", [LayerShape("fc", "linear", 64, 10)], 3, [0.2]))
    0.6
    """
    layer, row = workload.layers[0], workload.activity[0]
    seen = row.active_unfolded[0] if layer.input_bits > 1 else sum(row.active_unfolded)
    return round(min(1.0, seen / layer.n_unfolded), 12)


def ann_baseline(
    workload: Workload,
    platform: Platform,
    activation_bits: int | None = None,
    activation_rate: float = ACTIVATION_RATE,
) -> CostReport:
    """Price the conventional network of the same shape; :func:`ann_assumptions` is part of the report.

    Parameters
    ----------
    workload : Workload
        A spiking network.
    platform : Platform
        Anything but an event-driven chip, which has no dense layers.
    activation_bits, activation_rate
        As in :func:`ann_workload`.

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> from spikewise.workload import uniform_workload
    >>> chip = load_platform("digital-45nm")
    >>> layers = [LayerShape("one", "linear", 640, 320), LayerShape("two", "linear", 320, 10)]
    >>> busy, quiet = (uniform_workload("net", layers, 4, [rate, rate]) for rate in (0.5, 0.02))
    >>> [bool(chip.estimate(load).energy_j < ann_baseline(load, chip).energy_j) for load in (busy, quiet)]
    [False, True]
    """
    if isinstance(platform, NeuromorphicChip):
        raise ParameterError(
            f"platform must compute dense layers; got {platform.name!r}, which is driven by events. "
            "Price the baseline on digital-45nm or an embedded processor."
        )
    ann = ann_workload(workload, activation_bits, activation_rate)
    report = platform.estimate(ann)
    lines = ann_assumptions(workload, platform, activation_bits, activation_rate)
    return replace(report, assumptions=(*report.assumptions, *lines))


def ann_baselines(workload: Workload, platform: Platform) -> tuple[CostReport, ...]:
    """The conventional network with its defaults and, where nobody can say whether zeros save products, if they do.

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> from spikewise.workload import uniform_workload
    >>> load = uniform_workload("net", [LayerShape("fc", "linear", 640, 10)], 4, [0.1])
    >>> dense, skipping = ann_baselines(load, load_platform("digital-45nm"))
    >>> dense.energy_j > skipping.energy_j
    True
    """
    baseline = ann_baseline(workload, platform)
    if isinstance(platform, DigitalAccelerator) and not platform.skips_zeros:
        return baseline, ann_baseline(workload, platform.model_copy(update={"skips_zeros": True}))
    return (baseline,)


def ann_assumptions(
    workload: Workload,
    platform: Platform,
    activation_bits: int | None = None,
    activation_rate: float = ACTIVATION_RATE,
) -> tuple[str, ...]:
    """Assumptions about the conventional network, one line each."""
    bits = matched_bits(workload.n_steps) if activation_bits is None else activation_bits
    how = "as measured" if workload.layers[0].input_bits > 1 else "at most, from all spikes"
    image = f"{image_density(workload):.0%} of the image ({how})"
    zeros = _ZEROS.get(platform.kind, "")
    return (
        f"conventional network of the same shape: each layer computed once, activations of {bits} bits, weights as "
        "they are, no states, no early exit.",
        f"not zero: {activation_rate:.0%} of its activations (assumed: rectified units are silent about half of the "
        f"time) and {image}" + (f"; {zeros}." if zeros else "."),
    )


def _dense(workload: Workload, place: int, activation_bits: int) -> LayerShape:
    """A layer that is computed once, on values, and keeps no state: hidden layers have one of a single bit."""
    layer = workload.layers[place]
    return replace(
        layer,
        input_bits=max(activation_bits, layer.input_bits if place == 0 else 1),
        state_bits=layer.state_bits if place == len(workload.layers) - 1 else 1,
        has_neurons=False,
        once_per_inference=False,
        lateral="none",
    )
