r"""Costs of a network that do not depend on hardware: the algorithm metrics of NeuroBench.

All metrics are means per inference and include early exit: step *t* has as weight the share of samples :math:`p_t`
that compute it (``n_alive[t] / n_samples``). With :math:`u_t` the active unfolded inputs of a
layer that has *g* groups, *P* positions, *F* inputs per output, *C* output channels and *N* neurons which emit
:math:`s_t` spikes,

.. math::

    \text{dense} = \sum_l C P F \sum_t p_t, \qquad \text{effective} = \sum_l \frac{C}{g} \sum_t p_t\, u_t,

.. math::

    \text{activation sparsity} = 1 - \frac{\sum_l \sum_t p_t\, s_t}{\sum_l N \sum_t p_t}, \qquad
    \text{membrane updates} = \sum_l N \sum_t p_t .

An effective operation is an addition (AC) where the inputs have one bit, else a multiply-addition (MAC). A layer
that is computed once per inference counts its operations once.

NeuroBench's own harness [1]_ differs in five ways: it has no exit; it takes inputs of -1, 0 and 1 for spikes; it leaves
out weights that are zero, while effective operations here take all weights as non-zero; it counts a membrane as
updated after the first step only where firing changed it, while every neuron of every step counts here, since it
leaks; its footprint is that of the tensors in memory, while bits are counted here. Biases, normalisation and lateral
inhibition are left out. Dense operations include those on zero padding.

References
----------
.. [1] Yik et al., "The neurobench framework for benchmarking neuromorphic computing algorithms and systems",
   Nature Communications 16, 2025, arXiv 2304.04640.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from spikewise._arguments import checks_arguments
from spikewise.errors import ParameterError, unknown_name, whole_number

from .layer import LayerActivity, LayerShape
from .workload import Workload


@dataclass(frozen=True, slots=True)
class Metrics:
    """Algorithm metrics of a network, per inference.

    Parameters
    ----------
    weight_bytes, state_bytes : float
        Footprint of the weights (and of a stored lateral matrix) and of the membrane potentials, bits packed.
    n_weights : int
        Synaptic weights.
    connection_sparsity : float or None
        Share of weights that are zero; None if unknown.
    activation_sparsity : float or None
        Share of silent neuron outputs over all layers and steps; None where no layer has neurons.
    n_dense_macs : float
        Multiply-additions if every input were active.
    n_macs, n_acs : float
        Effective multiply-additions (inputs of several bits) and additions (spikes).
    n_membrane_updates : float
        Number of neurons times the steps that they compute.
    mean_steps, n_steps : float, int
        Timesteps used, with the exit, and those of a full run.
    """

    weight_bytes: float
    state_bytes: float
    n_weights: int
    connection_sparsity: float | None
    activation_sparsity: float | None
    n_dense_macs: float
    n_macs: float
    n_acs: float
    n_membrane_updates: float
    mean_steps: float
    n_steps: int

    @property
    def footprint_bytes(self) -> float:
        """Bytes of weights and states together."""
        return self.weight_bytes + self.state_bytes

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary that can be written as JSON."""
        return {"footprint_bytes": self.footprint_bytes, **asdict(self)}


@checks_arguments
def count_metrics(workload: Workload, zero_weights: Mapping[str, int] | None = None) -> Metrics:
    """Count operations, memory and sparsity of a workload with its early exit.

    Pass ``workload.without_exit()`` for those of full runs.

    Parameters
    ----------
    workload : Workload
        Shapes and measured activity.
    zero_weights : mapping of str to int, optional
        Number of zero weights of each layer, for the connection sparsity; 0 for a layer that is not listed.

    Raises
    ------
    ParameterError
        If ``zero_weights`` names an unknown layer, or gives more zeros than the layer has weights.

    Examples
    --------
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> layer = LayerShape("fc", "linear", 64, 10, weight_bits=4)
    >>> metrics = count_metrics(uniform_workload("toy", [layer], n_steps=2, rates=[0.25]))
    >>> metrics.footprint_bytes, metrics.n_dense_macs, metrics.n_macs, metrics.n_acs
    (340.0, 1280.0, 0.0, 320.0)
    """
    shares = [alive / workload.n_samples for alive in workload.n_alive]
    rows = list(zip(workload.layers, workload.alive_activity, strict=True))
    effective = [(layer, _effective(layer, busy, shares)) for layer, busy in rows]
    # A read-out without neurons has sums but neither spikes nor membranes to update.
    spiking = [(layer, busy) for layer, busy in rows if layer.has_neurons]
    updates = sum(layer.n_neurons for layer, _ in spiking) * sum(shares)
    spikes = sum(_weighted(busy.out_spikes, shares) for _, busy in spiking)
    return Metrics(
        weight_bytes=sum(_weight_bits(layer) for layer in workload.layers) / 8,
        state_bytes=sum(layer.n_neurons * layer.state_bits for layer, _ in spiking) / 8,
        n_weights=sum(layer.n_weights for layer in workload.layers),
        connection_sparsity=None if zero_weights is None else _share_of_zeros(workload, zero_weights),
        # Means are rounded, so the spikes may exceed the number of updates by a last digit.
        activation_sparsity=max(0.0, 1 - spikes / updates) if updates else None,
        n_dense_macs=sum(layer.n_macs * _n_runs(layer, shares) for layer in workload.layers),
        # With inputs of one bit a product needs no multiplier: the weight is added or not.
        n_macs=sum((count for layer, count in effective if layer.input_bits > 1), 0.0),
        n_acs=sum((count for layer, count in effective if layer.input_bits == 1), 0.0),
        n_membrane_updates=updates,
        mean_steps=workload.mean_steps,
        n_steps=workload.n_steps,
    )


def _weighted(counts: tuple[float, ...], shares: list[float]) -> float:
    """Return the sum over the steps, each weighted by the share of samples that compute it."""
    return sum(count * share for count, share in zip(counts, shares, strict=True))


def _effective(layer: LayerShape, busy: LayerActivity, shares: list[float]) -> float:
    """Return the number of operations with an active input."""
    fan_out = layer.out_channels // layer.groups
    if layer.once_per_inference:  # the input is the same at every step; all samples compute the first
        return fan_out * busy.active_unfolded[0]
    return fan_out * _weighted(busy.active_unfolded, shares)


def _n_runs(layer: LayerShape, shares: list[float]) -> float:
    """Return how often a layer's weighted sum is computed, as a mean per sample."""
    return 1.0 if layer.once_per_inference else sum(shares)


def _weight_bits(layer: LayerShape) -> int:
    """Return the bits of a layer's weights; a stored lateral matrix has one weight per pair of neurons."""
    lateral = layer.n_neurons**2 if layer.lateral == "matrix" else 0
    return (layer.n_weights + lateral) * layer.weight_bits


def _share_of_zeros(workload: Workload, zero_weights: Mapping[str, int]) -> float:
    sizes = {layer.name: layer.n_weights for layer in workload.layers}
    for name, count in zero_weights.items():
        if name not in sizes:
            raise unknown_name("every layer of zero_weights", name, sizes)
        if whole_number(f"zero_weights of layer {name!r}", count, 0) > sizes[name]:
            raise ParameterError(
                f"zero_weights of layer {name!r} must be at most its {sizes[name]} weights; got {count}. "
                "Count the zeros, not the ones that are left."
            )
    return sum(zero_weights.values()) / sum(sizes.values())


@checks_arguments
def in_spike_share(load: Workload) -> float:
    """Return the network's input spikes with early exit as a share of those of full runs.

    Examples
    --------
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> in_spike_share(uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], 4, [0.25], [3, 0, 0, 1]))
    0.4375
    """
    full = load.n_samples * sum(load.activity[0].in_spikes)
    left = sum(n * spikes for n, spikes in zip(load.n_alive, load.alive_activity[0].in_spikes, strict=True))
    return float(left / full) if full else 1.0
