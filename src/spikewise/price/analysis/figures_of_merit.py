r"""Figures of merit: one price in the figures by which architects compare chips.

With E and D the mean energy and time of an inference, A the area, N the synaptic operations (weights of active inputs)
and M the multiply-additions of a dense evaluation of as many steps,

.. math:: \frac{E}{N}, \quad \frac{N}{E}, \quad \frac{2 M}{E}, \quad \frac{1}{D}, \quad \frac{E}{D}, \quad
          \frac{E}{D A}.

A dense multiply-addition counts as two operations, as in the data sheets of accelerators, so :math:`2 M / E` also
counts work that sparsity saved. Inferences run one after the other, never in parallel.
"""

from dataclasses import dataclass

from spikewise._arguments import checks_arguments
from spikewise.price.cost import CostReport
from spikewise.workload.metrics import count_metrics
from spikewise.workload.workload import Workload


@dataclass(frozen=True, slots=True)
class FiguresOfMerit:
    """Figures of merit of a network on a platform; None where there is nothing to divide by.

    Parameters
    ----------
    energy_per_synaptic_operation_j, synaptic_operations_per_j, dense_operations_per_j : float or None
        Energy per synaptic operation; synaptic operations per joule, which is SOPS/W; and operations per joule with two
        operations per dense multiply-addition, which is OPS/W.
    inferences_per_s, mean_power_w, power_density_w_per_m2 : float or None
        Inferences one after the other; mean power during an inference, and this power over the area of the chip.
    """

    energy_per_synaptic_operation_j: float | None
    synaptic_operations_per_j: float | None
    dense_operations_per_j: float | None
    inferences_per_s: float | None
    mean_power_w: float | None
    power_density_w_per_m2: float | None


@checks_arguments
def merit_figures(report: CostReport, workload: Workload) -> FiguresOfMerit:
    """Compute figures of merit with early exit; pass ``report.static`` and ``workload.without_exit()`` for a full run.

    Examples
    --------
    >>> from spikewise.price import estimate
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], n_steps=2, rates=[0.25])
    >>> report = estimate(load)
    >>> merit = merit_figures(report, load)
    >>> round(report.energy_j / merit.energy_per_synaptic_operation_j)  # 2 steps x 16 active inputs x 10 weights
    320
    """
    metrics, energy, latency = count_metrics(workload), report.energy_j, report.latency_s
    n_synaptic = metrics.n_macs + metrics.n_acs
    power = _over(energy, latency)
    return FiguresOfMerit(
        energy_per_synaptic_operation_j=_over(energy, n_synaptic),
        synaptic_operations_per_j=_over(n_synaptic, energy),
        dense_operations_per_j=_over(2 * metrics.n_dense_macs, energy),
        inferences_per_s=_over(1.0, latency),
        mean_power_w=power,
        power_density_w_per_m2=None if power is None else _over(power, report.area_m2),
    )


def _over(value: float, by: float) -> float | None:
    return value / by if by else None
