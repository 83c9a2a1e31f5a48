"""Memory of digital processors: what a network must store, where it is stored and what each access costs.

Every layer has its own memories for its weights, for the values that it reads and for the states of its neurons. They
are as small as possible, since small memories are cheap to read. A memory that exceeds the capacity of the chip is in
DRAM, whose accesses cost 10 to 100 times more.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from spikewise.price.ledger import FloatArray
from spikewise.price.quantity import Quantity, Ratio, of_dimension
from spikewise.workload.workload import Workload

from .counts import above_zero, output_bits, per_layer
from .sram import NODES_NM, Sram

BoolArray = NDArray[np.bool_]


class Memories(BaseModel):
    """On-chip SRAM of the size that is needed, and DRAM for what exceeds it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node_nm: int = Field(description="process of the SRAM table: 22, 32, 45 or 65")
    energy_scale: Ratio = Field(description="energy of an access over that of the table")
    leakage_scale: Ratio = Field(description="leakage over that of the table")
    capacity: Annotated[Quantity, of_dimension("memory")] = Field(description="largest memory of one layer on the chip")
    dram: Annotated[Quantity, of_dimension("energy")] = Field(description="energy per bit of off-chip memory")
    dram_bandwidth: Annotated[Quantity, of_dimension("bandwidth"), above_zero] = Field(description="of that memory")
    local_buffer: Annotated[Quantity, of_dimension("memory"), above_zero] = Field(description="buffer beside the units")
    refetch: Ratio = Field(description="how often a used weight is fetched per step")

    @field_validator("node_nm")
    @classmethod
    def _check_node(cls, node_nm: int) -> int:
        if node_nm not in NODES_NM:
            raise ValueError(f"node_nm must be one of {', '.join(map(str, NODES_NM))}; got {node_nm}")
        return node_nm

    @property
    def sram(self) -> Sram:
        """SRAM table of this process node."""
        return Sram(self.node_nm)

    def is_outside(self, n_bits: FloatArray) -> BoolArray:
        """Whether memories of n_bits bits must be in DRAM."""
        return np.asarray(n_bits > self.capacity.corners[1])

    def read(self, n_bits: FloatArray) -> FloatArray:
        """Return the energy per bit read from memories of n_bits bits; shape (3, ...)."""
        return self._per_bit(self.sram.read_j_per_bit(n_bits), n_bits)

    def write(self, n_bits: FloatArray) -> FloatArray:
        """Return the energy per bit written to memories of n_bits bits; shape (3, ...)."""
        return self._per_bit(self.sram.write_j_per_bit(n_bits), n_bits)

    def _per_bit(self, inside: FloatArray, n_bits: FloatArray) -> FloatArray:
        on_chip = np.multiply.outer(self.energy_scale.corners, inside)
        off_chip = self.dram.corners.reshape(3, *[1] * np.ndim(inside))
        return np.asarray(np.where(self.is_outside(n_bits), off_chip, on_chip))

    def on_chip(self, n_bits: FloatArray) -> FloatArray:
        """Return the bits that are built as SRAM: 0 for a memory in DRAM."""
        return np.asarray(np.where(self.is_outside(n_bits), 0.0, n_bits))

    def leakage_w(self, *memories: FloatArray) -> FloatArray:
        """Return the leakage (3,) of all these memories that are on the chip."""
        total = sum(float(self.sram.leakage_w(self.on_chip(n_bits)).sum()) for n_bits in memories)
        return np.asarray(self.leakage_scale.corners * total)


def weight_memory(workload: Workload) -> FloatArray:
    """Return the bits of the weights of each layer."""
    return per_layer(workload, "n_weights") * per_layer(workload, "weight_bits")


def lateral_memory(workload: Workload) -> FloatArray:
    """Return the bits of stored inhibition of each layer: a weight for every pair of neurons, if it has a matrix."""
    is_stored = np.array([layer.lateral == "matrix" for layer in workload.layers])
    return np.asarray(is_stored * per_layer(workload, "n_neurons") ** 2 * per_layer(workload, "weight_bits"))


def kept_states(workload: Workload) -> FloatArray:
    """Count the values of each layer that are kept from step to step."""
    # The read-out of a single step needs no running sum.
    kept = [layer.n_neurons * (layer.has_neurons or workload.n_steps > 1) for layer in workload.layers]
    return np.array(kept, np.float64)


def stored_sums(workload: Workload) -> FloatArray:
    """Count the weighted sums that a layer computed once stores for the other steps."""
    kept = [layer.n_neurons * (layer.once_per_inference and workload.n_steps > 1) for layer in workload.layers]
    return np.array(kept, np.float64)


def state_memory(workload: Workload) -> FloatArray:
    """Return the bits of membrane potentials, and of sums that are computed once."""
    return np.asarray((kept_states(workload) + stored_sums(workload)) * per_layer(workload, "state_bits"))


def activation_memory(workload: Workload) -> FloatArray:
    """Return the bits of the values that each layer reads, and of the output of the last layer."""
    maps = per_layer(workload, "n_inputs") * per_layer(workload, "input_bits")
    maps[-1] += (per_layer(workload, "n_neurons") * output_bits(workload.layers))[-1]
    return np.asarray(maps)


def memories(workload: Workload) -> dict[str, FloatArray]:
    """Return the bits (L,) that each layer stores, by component."""
    return {
        "weight memory": weight_memory(workload),
        "activation memory": activation_memory(workload),
        "state memory": state_memory(workload),
        "lateral": lateral_memory(workload),
    }
