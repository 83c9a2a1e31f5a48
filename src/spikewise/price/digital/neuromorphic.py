r"""Event-driven neuromorphic chips: published energies and times per synaptic operation, neuron, spike and message.

.. math:: E_{step} = n_{syn} e_{syn} + N (e_{access} + e_{update}) + n_{spike} e_{spike} + n_{msg} (e_{msg} + h e_{hop})

.. math:: D_{step} = \max_{layer} \frac{n_{syn} t_{syn} + N (t_{access} + t_{update})}{cores} + t_{barrier}

Neurons are placed in cores; all cores work in parallel and wait for the slowest one at a barrier. A spike is sent as
one message to each core with targets of it, over a mean of :math:`h = \tfrac{2}{3} \sqrt{cores}` hops of the mesh. A
silent neuron saves synaptic operations and messages, but it is updated at every step.

Leaves out: the one step of delay that such chips add per layer, unequal load of cores, management processors, idle
power, links between chips, and whether the weights fit into the memory of the cores.
"""

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from spikewise._arguments import checks_arguments
from spikewise.price.accounts import Accounts
from spikewise.price.cost import CostReport
from spikewise.price.ledger import FloatArray
from spikewise.price.quantity import PlatformSettings, Quantity, Ratio, of_dimension
from spikewise.workload.workload import Workload

from .counts import above_zero, by_corner, inhibitions, measured, per_layer, synaptic_operations
from .memory import lateral_memory, state_memory, weight_memory

Energy = Annotated[Quantity, of_dimension("energy")]
Time = Annotated[Quantity, of_dimension("time")]
COMPONENTS = ("synapses", "neuron update", "spikes", "messages", "barrier")
_MEAN_DISTANCE = 2 / 3  # mean Manhattan distance of two random places on a square mesh, over its side


class NeuromorphicChip(PlatformSettings):
    """An event-driven many-core chip; a platform that prices workloads.

    Examples
    --------
    >>> from importlib.resources import files
    >>> from spikewise.price.quantity import read_settings
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> loihi = read_settings(NeuromorphicChip, files("spikewise.price") / "presets" / "loihi.toml")
    >>> silent = loihi.estimate(uniform_workload("toy", [LayerShape("fc", "linear", 64, 100)], 10, [0.0]))
    >>> {name: round(cost.energy_j * 1e9, 3) for name, cost in silent.breakdown().items() if cost.energy_j}
    {'neuron update': 72.8}
    """

    kind: Literal["neuromorphic"] = Field(description="event-driven many-core chip")
    synapse: Energy = Field(description="energy of a synaptic operation")
    neuron_access: Energy = Field(description="energy to visit a neuron at a step")
    neuron_update: Energy = Field(description="energy to update it")
    spike: Energy = Field(description="energy of a neuron that fires")
    message: Energy = Field(description="energy to send a spike to one core")
    hop: Energy = Field(description="energy of a message per router on its way")
    synapse_time: Time = Field(description="time of a synaptic operation within a core")
    neuron_access_time: Time = Field(description="time to visit a neuron within a core")
    neuron_update_time: Time = Field(description="time to update it")
    barrier: Time = Field(description="time in which all cores agree that a step is over")
    neurons_per_core: Annotated[Ratio, above_zero] = Field(description="neurons that fit into a core")
    cores_per_chip: Annotated[Ratio, above_zero] = Field(description="cores of one chip")
    core_area: Annotated[Quantity, of_dimension("area")] = Field(description="area of the chip over its cores")

    def n_cores(self, workload: Workload) -> FloatArray:
        """Return the number of cores of each layer, which no other layer shares; shape (L,)."""
        n_cores = np.ceil(per_layer(workload, "n_neurons") / self.neurons_per_core.corners[1])
        return np.asarray(np.maximum(n_cores, 1.0))

    @checks_arguments
    def estimate(self, workload: Workload) -> CostReport:
        """Price a workload; inputs of several bits are sent as one event for each bit, at most."""
        accounts = Accounts.of(workload, COMPONENTS)
        cores, states = self.n_cores(workload), per_layer(workload, "n_neurons")
        n_synaptic, n_messages = self._events(workload)
        accounts.energy("synapses", self.synapse.corners, n_synaptic, once=True)
        accounts.energy("neuron update", self.neuron_access.corners + self.neuron_update.corners, states)
        accounts.energy("spikes", self.spike.corners, measured(workload, "out_spikes"))
        n_hops = _MEAN_DISTANCE * math.sqrt(cores.sum())
        accounts.energy("messages", self.message.corners + n_hops * self.hop.corners, n_messages, once=True)
        self._time(accounts, workload, n_synaptic / cores, states / cores)
        accounts.memory("synapses", weight_memory(workload) + lateral_memory(workload))
        accounts.memory("neuron update", state_memory(workload))
        accounts.area("neuron update", np.multiply.outer(self.core_area.corners, cores))
        return accounts.report(self, workload, workload.exit_histogram, self._notes_on(workload, cores))

    def _events(self, workload: Workload) -> tuple[FloatArray, FloatArray]:
        """Count synaptic operations and messages of each layer, (2, T, L), at the layer that receives them."""
        bits, n_in = per_layer(workload, "input_bits"), measured(workload, "in_spikes")
        n_synaptic = synaptic_operations(workload) * bits
        # Mean number of targets of a spike; at least one core gets it, at most all cores of the layer.
        targets = np.divide(n_synaptic, n_in * bits, out=np.zeros_like(n_in), where=n_in > 0)
        cores, capacity = self.n_cores(workload), self.neurons_per_core.corners[1]
        n_messages = n_in * bits * np.minimum(np.maximum(np.ceil(targets / capacity), 1.0), cores)
        inhibits = np.array([layer.lateral != "none" for layer in workload.layers])
        return n_synaptic + inhibitions(workload), n_messages + inhibits * measured(workload, "out_spikes") * cores

    def _time(self, accounts: Accounts, workload: Workload, n_synaptic: FloatArray, n_states: FloatArray) -> None:
        """Charge a step to its slowest layer, and what is done once to that layer itself."""
        is_once = np.array([layer.once_per_inference for layer in workload.layers])
        synaptic = n_synaptic * by_corner(self.synapse_time.corners)
        visits = n_states * by_corner(self.neuron_access_time.corners + self.neuron_update_time.corners)
        stepwise = np.where(is_once, 0.0, synaptic)
        # Times of other layers stay 0, since a step takes as long as its slowest layer alone.
        slowest = np.arange(len(is_once)) == (stepwise + visits).argmax(-1)[..., None]
        accounts.latency("synapses", stepwise * slowest)
        accounts.latency("synapses", np.where(is_once, synaptic, 0.0), once=True)
        accounts.latency("neuron update", visits * slowest)
        accounts.latency("barrier", self.barrier.corners, accounts.on_chip(1.0))

    def _notes_on(self, workload: Workload, cores: FloatArray) -> list[str]:
        """Return the assumptions of the price of this network on this chip."""
        notes = [f"{cores.sum():g} cores are used, {math.ceil(cores.sum() / self.cores_per_chip.corners[1])} chip(s)."]
        several = [layer.name for layer in workload.layers if layer.input_bits > 1]
        if several:
            notes.append(f"inputs of several bits are sent as one event for each bit: {', '.join(several)}.")
        if any(layer.once_per_inference for layer in workload.layers):
            notes.append("sums that are computed once are added as a bias, which costs nothing more.")
        return notes
