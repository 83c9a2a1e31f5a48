r"""Embedded processors and GPUs: speed bounded by arithmetic or by memory (roofline model), at constant power.

.. math:: t_{phase} = \max\left(\frac{operations}{peak}, \frac{bytes}{bandwidth}\right), \qquad E = P \sum t.

A layer has two such phases, its weighted sums and its neurons. Every weight is used, even if its input did not spike,
unless ``skips_zeros`` says that the program is event-driven. Weights, states and values have the width in which the
processor computes, not that of the network, and are fetched again at every step. The roofline is a lower bound: real
programs also start kernels, wait and miss caches. If power and time were measured,
:meth:`RooflineProcessor.measured` scales the bound to them.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from spikewise._arguments import checks_arguments
from spikewise.errors import positive_number
from spikewise.price.accounts import Accounts
from spikewise.price.cost import CostReport
from spikewise.price.ledger import FloatArray
from spikewise.price.quantity import PlatformSettings, Quantity, Ratio, of_dimension
from spikewise.workload.workload import Workload

from .counts import above_zero, in_order, inhibitions, per_layer, synaptic_operations
from .memory import kept_states, stored_sums

COMPONENTS = ("compute", "memory")


class RooflineProcessor(PlatformSettings):
    """A processor known by its power, its peak and its bandwidth; a platform that prices workloads.

    Examples
    --------
    >>> from importlib.resources import files
    >>> from spikewise.price.quantity import read_settings
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> gpu = read_settings(RooflineProcessor, files("spikewise.price") / "presets" / "embedded-gpu.toml")
    >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 784, 400)], 4, [0.25])
    >>> gpu.measured(power_w=5.0, time_s=2e-3, source="a power meter").estimate(load).energy_j
    0.01
    """

    kind: Literal["roofline"] = Field(description="processor bounded by arithmetic or by memory")
    value_bits: int = Field(ge=8, le=64, multiple_of=8, description="width of everything that is stored and computed")
    power: Annotated[Quantity, of_dimension("power"), above_zero] = Field(description="while it computes")
    peak: Annotated[Quantity, of_dimension("throughput"), above_zero] = Field(description="two for a multiply-addition")
    bandwidth: Annotated[Quantity, of_dimension("bandwidth"), above_zero] = Field(description="of its main memory")
    neuron_operations: Ratio = Field(description="operations of a neuron per step")
    exponential: Ratio = Field(description="multiply-additions that an exponential takes, for learning rules")
    random_number: Ratio = Field(description="operations that a random number takes, for stochastic rules")
    skips_zeros: bool = Field(default=False, description="whether only active inputs are computed")
    run_time: Annotated[Quantity, of_dimension("time"), above_zero] | None = Field(
        default=None, description="measured time of one sample that runs every step, instead of the roofline"
    )

    @checks_arguments
    def measured(self, power_w: float, time_s: float, source: str = "measured by the user") -> RooflineProcessor:
        """Return the same processor with measured power and measured time of one sample that runs every step."""
        found = {}
        for key, what, value, unit in (("power", "power_w", power_w, "W"), ("run_time", "time_s", time_s, "s")):
            exact = positive_number(what, value, math.inf)
            found[key] = Quantity(value=exact, low=exact, high=exact, unit=unit, source=source, tag="run")
        return self.model_copy(update=found)

    @checks_arguments
    def estimate(self, workload: Workload) -> CostReport:
        """Price a workload, one sample at a time."""
        accounts = Accounts.of(workload, COMPONENTS)
        self._weighted_sums(accounts, workload)
        self._neurons(accounts, workload)
        self._store(accounts, workload)
        notes = ["silicon area is not priced: such a processor is bought, not built."]
        if self.run_time is not None:
            accounts.scale_run_time(self.run_time.corners)
            notes.append("time is measured and shared out among layers and steps as the roofline would.")
        accounts.spend(self.power.corners)
        return accounts.report(self, workload, workload.exit_histogram, notes)

    def seconds(self, n_operations: FloatArray, n_bits: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the time (3, ...) of operations (3, ...) or (1, ...), and the additional time of memory traffic."""
        corners = (3, *[1] * (n_operations.ndim - 1))
        work = in_order(self.peak.corners).reshape(corners) * n_operations
        traffic = in_order(self.bandwidth.corners).reshape(corners) * n_bits
        return work, np.maximum(traffic - work, 0.0)

    def _weighted_sums(self, accounts: Accounts, workload: Workload) -> None:
        n_products = synaptic_operations(workload) if self.skips_zeros else per_layer(workload, "n_macs")
        # A weight is fetched at most once per step, and not at all if no product needs it.
        n_weights = np.minimum(per_layer(workload, "n_weights"), n_products)
        n_values = n_weights + per_layer(workload, "n_inputs")
        self._charge(accounts, 2 * n_products, n_values, once=True)

    def _neurons(self, accounts: Accounts, workload: Workload) -> None:
        n_states, n_sums = kept_states(workload), stored_sums(workload)
        n_operations = self.neuron_operations.corners[1] * n_states + n_sums
        inhibited, is_matrix = inhibitions(workload), np.array([layer.lateral == "matrix" for layer in workload.layers])
        # States are read and written; stored sums are read; outputs are written; a matrix is read for each inhibition.
        n_values = 2 * n_states + n_sums + per_layer(workload, "n_neurons") + inhibited * is_matrix
        self._charge(accounts, n_operations + inhibited, n_values, once=False)

    def _charge(self, accounts: Accounts, n_operations: FloatArray, n_values: FloatArray, *, once: bool) -> None:
        times = self.seconds(*np.broadcast_arrays(n_operations[None], n_values * self.value_bits))
        for component, seconds in zip(COMPONENTS, times, strict=True):
            accounts.latency(component, seconds, once=once)

    def _store(self, accounts: Accounts, workload: Workload) -> None:
        is_matrix = np.array([layer.lateral == "matrix" for layer in workload.layers])
        n_neurons = per_layer(workload, "n_neurons")
        n_values = per_layer(workload, "n_weights") + is_matrix * n_neurons**2 + per_layer(workload, "n_inputs")
        n_values = n_values + kept_states(workload) + stored_sums(workload)
        n_values[-1] += n_neurons[-1]  # the answer
        accounts.memory("memory", n_values * self.value_bits)
