r"""Figures of merit: one price in the numbers by which architects compare chips.

With E and D the mean energy and time of an inference, N its synaptic operations (weights that active inputs meet) and M
the multiply-additions of a dense evaluation of as many steps,

.. math:: \frac{E}{N}, \quad \frac{N}{E}, \quad \frac{2 M}{E}, \quad \frac{1}{D}, \quad \frac{E}{D}, \quad
          \frac{E}{D A}.

A dense multiply-addition counts as two operations, as in the data sheets of accelerators: this figure praises a chip
for work that silence spared. Inferences come one after the other, none beside another.
"""

from __future__ import annotations

from dataclasses import dataclass

from spikewise.price.cost import CostReport
from spikewise.workload.metrics import count_metrics
from spikewise.workload.workload import Workload


@dataclass(frozen=True, slots=True)
class FiguresOfMerit:
    """Figures of merit of a network on a platform; None where there is nothing to divide by.

    Parameters
    ----------
    energy_per_synaptic_operation_j, synaptic_operations_per_j, dense_operations_per_j : float or None
        Joules each, and how many a joule pays for: synaptic operations per second and watt (SOPS/W), and two
        operations per dense multiply-addition (OPS/W).
    inferences_per_s, mean_power_w, power_density_w_per_m2 : float or None
        One after the other; power while it computes, over the area of the chip.
    """

    energy_per_synaptic_operation_j: float | None
    synaptic_operations_per_j: float | None
    dense_operations_per_j: float | None
    inferences_per_s: float | None
    mean_power_w: float | None
    power_density_w_per_m2: float | None


def merit_figures(report: CostReport, workload: Workload) -> FiguresOfMerit:
    """Figures of merit of a report with its exits; of ``report.static`` and ``workload.without_exit()`` for a full run.

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
