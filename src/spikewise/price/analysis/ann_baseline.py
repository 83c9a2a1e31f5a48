r"""ANN baseline: the conventional network of the same shape, priced on the same platform.

A spike count over T steps has T + 1 values, so the matched network has activations of
:math:`\lceil \log_2 (T + 1) \rceil` bits. Its weights have the same bits, and it computes every layer once, without
steps or states. It has zeros too: rectified units give zero where their input is negative, about half of the time after
a normalisation that centres the input. So half of its activations are assumed to be non-zero (``activation_rate``), and
every comparison states this assumption; the density of the image at the first layer is measured. Savings of both
networks, such as smaller weights, cancel in the comparison.

Leaves out: biases, the rectifier itself, and differences in accuracy between the two networks. There is no fair
baseline for a network of one step, whose neurons have two values only, and for networks that learn without labels by
competition.
"""

from dataclasses import replace

from spikewise._arguments import checks_arguments
from spikewise.errors import ParameterError, positive_number, whole_number
from spikewise.price.cost import CostReport
from spikewise.price.digital.accelerator import DigitalAccelerator
from spikewise.price.digital.neuromorphic import NeuromorphicChip
from spikewise.price.protocol import Platform, as_platform
from spikewise.workload.layer import MAX_BITS
from spikewise.workload.workload import LayerActivity, LayerShape, Workload

ACTIVATION_RATE = 0.5
"""Share of non-zero activations of a conventional network: assumed, rectified units are silent half of the time."""

_ZEROS = {
    "imc": "a zero drives no row, every bit of another value does: at most so dear",
    "digital": "every weight is multiplied, zeros included; the band of the comparison holds one that skips them",
    "roofline": "every weight is multiplied, zeros included",
}


@checks_arguments
def matched_bits(n_steps: int) -> int:
    """Return the bits of an activation that has as many values as a spike count over n_steps.

    Examples
    --------
    >>> matched_bits(1), matched_bits(3), matched_bits(4)
    (1, 2, 3)
    """
    # For whole numbers the bit length of T equals ceil(log2(T + 1)), without rounding of a logarithm.
    return n_steps.bit_length()


def why_no_ann_baseline(workload: Workload, platform: Platform) -> str:
    """Return the reason why no ANN baseline is fair; empty if one is fair.

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


@checks_arguments
def ann_workload(
    workload: Workload, activation_bits: int | None = None, activation_rate: float = ACTIVATION_RATE
) -> Workload:
    """Build the workload of the conventional network of the same layer shapes: every layer computed once.

    Parameters
    ----------
    workload : Workload
        A spiking network.
    activation_bits : int, optional
        Bits of an activation; by default those of :func:`matched_bits`. A first layer that reads values of several bits
        keeps their width.
    activation_rate : float
        Share of non-zero activations, in (0, 1]; for the first layer, the measured density of the image is used.

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
        # Class scores have no rectifier, so all of them are non-zero.
        out_rate = 1.0 if place == len(layers) - 1 else activation_rate
        busy.append(LayerActivity((layer.n_unfolded * rate,), (layer.n_inputs * rate,), (layer.n_neurons * out_rate,)))
    histogram = (workload.n_samples,)
    return Workload(f"{workload.name}-ann", layers, tuple(busy), (), histogram, workload.n_samples)


@checks_arguments
def image_density(workload: Workload) -> float:
    """Return the share of non-zero values of the image: measured if the first layer reads it, else an upper bound.

    Examples
    --------
    >>> from spikewise.workload import uniform_workload
    >>> image_density(uniform_workload("net", [LayerShape("fc", "linear", 64, 10)], 3, [0.2]))
    0.6
    """
    layer, row = workload.layers[0], workload.activity[0]
    # Of an encoded image only spikes were counted; a pixel may spike at several steps, so their sum is an upper bound.
    seen = row.active_unfolded[0] if layer.input_bits > 1 else sum(row.active_unfolded)
    return round(min(1.0, seen / layer.n_unfolded), 12)


@checks_arguments
def ann_baseline(
    workload: Workload,
    platform: Platform,
    activation_bits: int | None = None,
    activation_rate: float = ACTIVATION_RATE,
) -> CostReport:
    """Price the conventional network of the same shape; the report includes :func:`ann_assumptions`.

    Parameters
    ----------
    workload : Workload
        A spiking network.
    platform : Platform
        Any platform except an event-driven chip, which has no dense layers.
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
    if isinstance(as_platform(platform), NeuromorphicChip):
        raise ParameterError(
            f"platform must compute dense layers; got {platform.name!r}, which is driven by events. "
            "Price the baseline on digital-45nm or an embedded processor."
        )
    ann = ann_workload(workload, activation_bits, activation_rate)
    report = platform.estimate(ann)
    lines = ann_assumptions(workload, platform, activation_bits, activation_rate)
    return replace(report, assumptions=(*report.assumptions, *lines))


@checks_arguments
def ann_baselines(workload: Workload, platform: Platform) -> tuple[CostReport, ...]:
    """Price the conventional network and, where it is unknown whether zeros save products, also the case that they do.

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
    """Return the assumptions about the conventional network, one line each."""
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
    """Return the shape of a layer that is computed once, on values, and keeps no state."""
    # A shape needs at least one state bit. The read-out keeps its bits: they are the width of a class score.
    layer = workload.layers[place]
    return replace(
        layer,
        input_bits=max(activation_bits, layer.input_bits if place == 0 else 1),
        state_bits=layer.state_bits if place == len(workload.layers) - 1 else 1,
        has_neurons=False,
        once_per_inference=False,
        lateral="none",
    )
