"""Predict memory, energy and latency of a design before training.

Memory is exact. Energy needs two firing rates. The number of inputs that fire per step is measured: some images are
shown to a few neurons of the same rule. The number of neurons that will fire is unknown before training: the prior is
one spike in twenty steps, about the rate of trained networks of the lean rule on digits. No early exit is assumed. So a
prediction is an upper bound of the energy unless neurons fire more often; it is compared with the measured workload
once a design is trained.

Memory means weights and states of the network during inference, without the buffers that a platform adds.
"""

import warnings
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise.errors import ParameterError
from spikewise.learn.stdp.card import build_engine
from spikewise.learn.stdp.classifier import STDPClassifier
from spikewise.learn.stdp.counters import EventCounts
from spikewise.learn.stdp.engines.base import Settings
from spikewise.learn.stdp.rules.base import resolve_rule
from spikewise.price.digital.operations import state_bits_of, weight_bits_of
from spikewise.price.platform import load_platform
from spikewise.workload.layer import LayerActivity, LayerShape
from spikewise.workload.operations import OperationCounts
from spikewise.workload.workload import Workload

from .designs import STDPDesign

_platform = lru_cache(maxsize=8)(load_platform)  # a search prices thousands of designs on the same platform

OUT_SPIKES_PER_STEP = 0.05
"""Output spikes of the whole layer per step, the prior of a prediction."""

_MEASURED = 200  # images
# A few neurons are enough: they get the same input spikes as many.
_FEW_NEURONS, _FEW_STEPS = 10, 100


def inputs_per_step(images: NDArray[Any], design: STDPDesign) -> float:
    """Measure the mean number of input spikes per step on some images.

    Parameters
    ----------
    images : array of shape (B, ...)
        Training images, of which the first 200 are used.
    design : STDPDesign
        Design whose rule decides how strongly images drive the inputs.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> 0 < inputs_per_step(load_digits().data, STDPDesign()) < 64
    True
    """
    some = np.asarray(images[:_MEASURED])
    if not len(some):
        raise ParameterError("images must hold at least one image; got none.")
    rule = resolve_rule(design.rule, design.n_neurons)
    network = STDPClassifier(_FEW_NEURONS, rule=rule, n_steps=_FEW_STEPS, n_epochs=1, random_state=0)
    # The labels do not matter: only input spikes are counted, but fitting needs two classes.
    with quiet():
        load = network.fit(some, np.arange(len(some)) % 2).workload(some)
    return float(np.mean(load.activity[0].in_spikes))


def predicted_workload(design: STDPDesign, n_inputs: int, in_spikes: float) -> Workload:
    """Return the predicted workload of a design, without early exit.

    Parameters
    ----------
    design : STDPDesign
        Design to predict.
    n_inputs : int
        Number of inputs of the layer.
    in_spikes : float
        Input spikes per step, as :func:`inputs_per_step` measures them.
    """
    rule = resolve_rule(design.rule, design.n_neurons)
    engine = build_engine(rule, Settings(n_inputs, design.n_neurons, design.n_steps, design.n_bits))
    layer = LayerShape(
        "excitatory", "linear", n_inputs, design.n_neurons,
        weight_bits=design.n_bits, state_bits=engine.state_bits, lateral=engine.lateral,
    )  # fmt: skip
    n = design.n_steps
    each, out = (in_spikes,) * n, (OUT_SPIKES_PER_STEP,) * n
    # Event counters are integers, so the expected events of many samples are given, to be rounded only slightly.
    events = EventCounts(
        n_samples=_MEASURED, n_steps=_MEASURED * n, n_draws=round(_MEASURED * n * (1 + in_spikes)),
        in_spikes=round(_MEASURED * n * in_spikes), out_spikes=round(_MEASURED * n * OUT_SPIKES_PER_STEP),
    )  # fmt: skip
    counts = OperationCounts(engine.operations(events, False))
    return Workload(design.name, (layer,), (LayerActivity(each, each, out),), n_samples=_MEASURED, counts=counts)


def memory_bits_of(workload: Workload) -> float:
    """Return the bits of all weights and of all states during inference."""
    return sum(weight_bits_of(layer) + state_bits_of(layer, "inference") for layer in workload.layers)


def predicted(workload: Workload, platform: str) -> dict[str, float]:
    """Return memory of a workload in bits, and energy and latency of an inference on a platform.

    Examples
    --------
    >>> loads = [predicted_workload(STDPDesign(n_neurons=n), 784, 7.7) for n in (100, 400)]
    >>> small, large = (predicted(load, "digital-45nm") for load in loads)
    >>> small["memory_bits"] < large["memory_bits"], small["energy_j"] < large["energy_j"]
    (True, True)
    """
    report = _platform(platform).estimate(workload)
    return {"memory_bits": memory_bits_of(workload), "energy_j": report.energy_j, "latency_s": report.latency_s}


class quiet(warnings.catch_warnings):  # noqa: N801
    """Suppress warnings: poor networks are expected in a search; the chosen one is trained again and then warns."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore", UserWarning)
