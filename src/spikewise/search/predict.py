"""What a design will take, before anything is trained: memory exactly, energy from a measured input and a prior.

How many inputs fire per step is measured, by showing some images to a few neurons of the same rule. How many neurons
will fire nobody knows yet: the prior is one spike in twenty steps, about what trained networks of the lean rule do with
digits. No sample is assumed to leave early. So a prediction bounds the energy from above unless neurons are busier;
it is checked against the measured workload once a design is trained.

Memory is that of the network, weights and states while it answers; buffers that a platform adds are its own.
"""

from __future__ import annotations

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
from spikewise.price.protocol import Platform
from spikewise.workload.layer import LayerActivity, LayerShape
from spikewise.workload.operations import OperationCounts
from spikewise.workload.workload import Workload

from .designs import STDPDesign

OUT_SPIKES_PER_STEP = 0.05
"""Output spikes of the whole layer per step that a prediction assumes."""

_MEASURED = 200  # images
_FEW_NEURONS, _FEW_STEPS = 10, 100


def inputs_per_step(images: NDArray[Any], design: STDPDesign) -> float:
    """Input spikes per step, mean over some images.

    Parameters
    ----------
    images : array of shape (B, ...)
        Training images, of which the first few hundred are shown.
    design : STDPDesign
        Its rule says how strongly images drive the inputs.

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
    with quiet():
        load = network.fit(some, np.arange(len(some)) % 2).workload(some)
    return float(np.mean(load.activity[0].in_spikes))


def predicted_workload(design: STDPDesign, n_inputs: int, in_spikes: float) -> Workload:
    """Workload that a design is expected to have, without early exit.

    Parameters
    ----------
    design : STDPDesign
        The design.
    n_inputs : int
        Inputs of the layer.
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
    events = EventCounts(
        n_samples=_MEASURED, n_steps=_MEASURED * n, n_draws=round(_MEASURED * n * (1 + in_spikes)),
        in_spikes=round(_MEASURED * n * in_spikes), out_spikes=round(_MEASURED * n * OUT_SPIKES_PER_STEP),
    )  # fmt: skip
    counts = OperationCounts(engine.operations(events, False))
    return Workload(design.name, (layer,), (LayerActivity(each, each, out),), n_samples=_MEASURED, counts=counts)


def memory_bits_of(workload: Workload) -> float:
    """Bits of all weights, and of all states while the network answers."""
    return sum(weight_bits_of(layer) + state_bits_of(layer, "inference") for layer in workload.layers)


def predicted(workload: Workload, platform: str) -> dict[str, float]:
    """Bits of memory, and energy and latency of an answer, that this workload takes on a platform.

    Examples
    --------
    >>> loads = [predicted_workload(STDPDesign(n_neurons=n), 784, 7.7) for n in (100, 400)]
    >>> small, large = (predicted(load, "digital-45nm") for load in loads)
    >>> small["memory_bits"] < large["memory_bits"], small["energy_j"] < large["energy_j"]
    (True, True)
    """
    report = _loaded(platform).estimate(workload)
    return {"memory_bits": memory_bits_of(workload), "energy_j": report.energy_j, "latency_s": report.latency_s}


@lru_cache(maxsize=8)
def _loaded(platform: str) -> Platform:
    return load_platform(platform)


class quiet(warnings.catch_warnings):  # noqa: N801
    """Poor networks are expected while searching; the chosen one is trained again, and then warns."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore", UserWarning)
