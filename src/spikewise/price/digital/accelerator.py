r"""Digital accelerators: energy of accumulations, multiply-additions and memory accesses.

.. math:: E = N_{AC} e_{add} + N_{MAC} (e_{mul} + e_{add}) + bits \cdot e_{mem} + N T (2 e_{add} + e_{read} + e_{write})

A spike selects weights, so its synapses only add: :math:`N_{AC}` is the exact number of weights of active inputs. A
layer whose inputs have several bits multiplies every weight (:math:`N_{MAC}`), for zero inputs too unless
``skips_zeros`` is set. Weights selected by spikes are added to states. Products of :math:`b_1 \times b_2` bits are
added to sums of :math:`b_1 + b_2 + \lceil \log_2 fan\ in \rceil` bits, which never overflow. Each neuron leaks,
compares and has its membrane potential read and written at every step, even if it is silent.

Memory has three levels. The weights of a layer are in an SRAM of their size, or in DRAM if they exceed its capacity;
those that are used are fetched once per step (``refetch`` times if buffers are too small). A small buffer next to the
units is read at each operation. Sums stay in registers until the neuron is updated. A layer computed once per inference
stores its sums in memory, and each step adds them. The chip is built for the network: its SRAM is as large as its
content, so every network fits.

Leaves out: control, wires, pooling, the exit unit, input and output of the chip.
"""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from spikewise._arguments import checks_arguments
from spikewise.price.accounts import Accounts
from spikewise.price.cost import CostReport
from spikewise.price.ledger import FloatArray
from spikewise.price.quantity import PlatformSettings, Quantity, Ratio, of_dimension
from spikewise.workload.workload import LayerShape, Workload

from . import sram as tables
from .arithmetic import Arithmetic, at_bits, product_at_bits
from .counts import above_zero, by_corner, in_order, inhibitions, output_bits, per_layer, synaptic_operations
from .memory import Memories, kept_states, memories, stored_sums

Stored = dict[str, FloatArray]  # bits of each layer, by component
COMPONENTS = (
    "compute", "weight memory", "local buffer", "activation memory", "state memory", "neuron update", "lateral",
    "leakage",
)  # fmt: skip


class DigitalAccelerator(PlatformSettings):
    """A digital accelerator of many equal units; a platform that prices workloads.

    Examples
    --------
    >>> from importlib.resources import files
    >>> from spikewise.price.quantity import read_settings
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> preset = files("spikewise.price") / "presets" / "digital-45nm.toml"
    >>> chip = read_settings(DigitalAccelerator, preset)
    >>> report = chip.estimate(uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], 4, [0.25]))
    >>> round(report.breakdown()["compute"].energy_j * 1e12, 6)  # 4 steps x 160 additions x 0.05 pJ
    32.0
    """

    kind: Literal["digital"] = Field(description="digital accelerator")
    integer: Arithmetic = Field(description="fixed-point arithmetic")
    floating: Arithmetic = Field(description="floating-point arithmetic")
    float_from_bits: int = Field(default=32, ge=2, le=33, description="weights of at least so many bits are floats")
    sum_bits: int | None = Field(
        default=None, ge=1, le=64, description="width of the sum of integer products; as wide as needed if absent"
    )
    skips_zeros: bool = Field(
        default=False, description="whether zeros among inputs of several bits save their products"
    )
    memory: Memories = Field(description="SRAM and DRAM")
    n_units: Annotated[Ratio, above_zero] = Field(description="operations at once")
    units_per_buffer: Annotated[Ratio, above_zero] = Field(description="units that share a local buffer")
    cycle: Annotated[Quantity, of_dimension("time"), above_zero] = Field(description="time of one operation of a unit")
    exponential: Ratio = Field(description="multiply-additions that an exponential takes, for learning rules")
    random_number: Ratio = Field(description="32-bit additions that a random number takes, for stochastic rules")

    def is_float(self, layer: LayerShape) -> bool:
        """Whether a layer computes in floating point."""
        return layer.weight_bits >= self.float_from_bits

    def add_j(self, workload: Workload, n_bits: FloatArray) -> FloatArray:
        """Return the energy (3, L) of an addition in each layer: of integers this wide, or of the layer's floats."""
        return self._chosen(workload, "add", n_bits)

    def multiply_j(self, workload: Workload, n_bits: FloatArray) -> FloatArray:
        """Return the energy (3, L) of a multiplication in each layer, of factors this wide (geometric mean)."""
        return self._chosen(workload, "multiply", n_bits)

    def _chosen(self, workload: Workload, table: str, n_bits: FloatArray) -> FloatArray:
        """Look up a table in the number format of each layer."""
        weights = per_layer(workload, "weight_bits")
        look_up = product_at_bits if table.startswith("multiply") else at_bits
        floats = at_bits(getattr(self.floating, table), weights)
        integers = look_up(getattr(self.integer, table), n_bits)
        return np.where(weights >= self.float_from_bits, floats, integers)

    @property
    def slot_s(self) -> FloatArray:
        """Time (3,) per operation of the whole chip: low is a fast clock and many units."""
        return np.asarray(self.cycle.corners * in_order(self.n_units.corners))

    def random_j(self) -> FloatArray:
        """Return the energy (3,) of a 32-bit addition, of which random numbers are made."""
        return at_bits(self.integer.add, 32)

    @checks_arguments
    def estimate(self, workload: Workload) -> CostReport:
        """Price a workload; a layer whose inputs have several bits multiplies, all others add."""
        accounts, stored = Accounts.of(workload, COMPONENTS), memories(workload)
        self._compute(accounts, workload)
        self._move_weights(accounts, workload, stored)
        self._move_activations(accounts, workload)
        self._update_neurons(accounts, workload, stored)
        self._inhibit(accounts, workload, stored)
        self._build(accounts, workload, stored)
        accounts.leak("leakage", self._leakage_w(stored))
        return accounts.report(
            self, workload, workload.exit_histogram, self._notes_on(workload, stored), tables.SOURCE, tables.TAG
        )

    def _operations(self, workload: Workload) -> FloatArray:
        """Count additions to sums, with or without a multiplication before, (2, T, L)."""
        is_dense = is_product(workload) & (not self.skips_zeros)
        return np.where(is_dense, per_layer(workload, "n_macs"), synaptic_operations(workload))

    def _compute(self, accounts: Accounts, workload: Workload) -> None:
        n_operations, (add_bits, product_bits) = self._operations(workload), self._widths(workload)
        energies = self.add_j(workload, add_bits) + is_product(workload) * self.multiply_j(workload, product_bits)
        accounts.energy("compute", energies, n_operations, once=True)
        accounts.latency("compute", self.slot_s, n_operations, once=True)

    def _widths(self, workload: Workload) -> tuple[FloatArray, FloatArray]:
        """Return the bits (L,) of the sums of each layer, and the geometric mean of the bits of its factors."""
        states, weights, inputs = (per_layer(workload, f"{name}_bits") for name in ("state", "weight", "input"))
        factors = weights + np.where(is_product(workload), inputs, 0.0)
        exact = factors + np.ceil(np.log2(per_layer(workload, "fan_in")))
        sums = exact if self.sum_bits is None else np.full_like(exact, self.sum_bits)
        # Weights selected by spikes are added to the membrane potential itself, so they need no wider sum.
        goes_to_state = ~is_product(workload) & (kept_states(workload) > 0)
        return np.where(goes_to_state, states, sums), np.sqrt(weights * inputs)

    def _move_weights(self, accounts: Accounts, workload: Workload, stored: Stored) -> None:
        bits, n_weights = per_layer(workload, "weight_bits"), per_layer(workload, "n_weights")
        n_operations, size = self._operations(workload), stored["weight memory"]
        # Fetched at most once per operation, so the three corners differ in the count too.
        fetched = np.minimum(n_operations, n_weights * by_corner(self.memory.refetch.corners)) * bits
        accounts.energy("weight memory", self.memory.read(size)[:, None, None] * fetched, once=True)
        accounts.energy("local buffer", self._buffer_j(), n_operations * bits, once=True)
        # Units and off-chip memory work at once, so only the time by which the memory is slower is added.
        moving = self.memory.is_outside(size) * fetched * by_corner(in_order(self.memory.dram_bandwidth.corners))
        wait = np.maximum(moving - n_operations * by_corner(self.slot_s), 0.0)
        accounts.latency("weight memory", wait, once=True)

    def _buffer_j(self) -> FloatArray:
        return self.memory.read(np.asarray(self.memory.local_buffer.corners[1]))

    def _move_activations(self, accounts: Accounts, workload: Workload) -> None:
        in_bits, out_bits = per_layer(workload, "input_bits"), output_bits(workload.layers)
        n_inputs, n_outputs = per_layer(workload, "n_inputs"), per_layer(workload, "n_neurons")
        accounts.energy("activation memory", self.memory.read(n_inputs * in_bits), n_inputs * in_bits, once=True)
        accounts.energy("activation memory", self.memory.write(n_outputs * out_bits), n_outputs * out_bits)
        accounts.energy("local buffer", self._buffer_j(), per_layer(workload, "n_unfolded") * in_bits, once=True)

    def _update_neurons(self, accounts: Accounts, workload: Workload, stored: Stored) -> None:
        size, bits, n_neurons = stored["state memory"], per_layer(workload, "state_bits"), kept_states(workload)
        adds = self.add_j(workload, per_layer(workload, "state_bits"))
        # A neuron leaks and compares, two additions; a read-out adds to its running sum, one; so does each stored sum.
        n_adds = n_neurons * (1 + per_layer(workload, "has_neurons")) + stored_sums(workload)
        accounts.energy("neuron update", adds, n_adds)
        accounts.energy("state memory", self.memory.read(size), (n_neurons + stored_sums(workload)) * bits)
        accounts.energy("state memory", self.memory.write(size), n_neurons * bits)
        accounts.latency("neuron update", self.slot_s, n_adds)

    def _inhibit(self, accounts: Accounts, workload: Workload, stored: Stored) -> None:
        """Charge lateral inhibition: each output spike is subtracted from all other neurons, by a weight if stored."""
        n_pairs, size = inhibitions(workload), stored["lateral"]
        accounts.energy("lateral", self.add_j(workload, per_layer(workload, "state_bits")), n_pairs)
        accounts.energy("lateral", self.memory.read(size), n_pairs * (size > 0) * per_layer(workload, "weight_bits"))
        accounts.latency("lateral", self.slot_s, n_pairs)

    def _build(self, accounts: Accounts, workload: Workload, stored: Stored) -> None:
        for component, n_bits in stored.items():
            accounts.memory(component, n_bits)
            accounts.area(component, self.memory.sram.area_m2(self.memory.on_chip(n_bits)))
        accounts.area("compute", accounts.on_chip(self.unit_area(workload) * self.n_units.corners))
        accounts.memory("local buffer", accounts.on_chip(self._n_buffers()[1] * self.memory.local_buffer.corners[1]))
        buffer_area = self.memory.sram.area_m2(self.memory.local_buffer.corners[1])
        accounts.area("local buffer", accounts.on_chip(self._n_buffers() * buffer_area))

    def _n_buffers(self) -> FloatArray:
        """Return the number of local buffers (3,): low is few units with many units per buffer."""
        return np.ceil(self.n_units.corners * in_order(self.units_per_buffer.corners))

    def unit_area(self, workload: Workload) -> FloatArray:
        """Return the area (3,) of a unit that is wide enough for the most demanding layer."""
        add_bits, product_bits = self._widths(workload)
        product = self._chosen(workload, "multiply_area", product_bits) * is_product(workload)
        return np.asarray((self._chosen(workload, "add_area", add_bits) + product).max(1))

    def _leakage_w(self, stored: Stored) -> FloatArray:
        buffer = self.memory.leakage_w(self.memory.local_buffer.corners[1:2])
        return np.asarray(self.memory.leakage_w(*stored.values()) + self._n_buffers() * buffer)

    def _notes_on(self, workload: Workload, stored: Stored) -> list[str]:
        """Return the assumptions of the price of this network on this chip."""
        layers, notes = workload.layers, []
        outside = [
            f"{name} of {layer.name}"
            for name, size in stored.items()
            for layer, is_outside in zip(layers, self.memory.is_outside(size), strict=True)
            if is_outside
        ]
        floats = [layer.name for layer in layers if self.is_float(layer)]
        narrowest = self.integer.multiply[0].bits
        narrow = [x.name for x in layers if x.input_bits > 1 and x.weight_bits * x.input_bits < narrowest**2]
        if outside:
            limit = f"{self.memory.capacity.value:g} {self.memory.capacity.unit}"
            notes.append(f"what exceeds {limit} lies in DRAM, which is in no area: {', '.join(outside)}.")
        if floats:
            notes.append(f"these layers compute in floating point: {', '.join(floats)}.")
        if narrow:
            notes.append(
                f"multiplications of b1 x b2 bits take b1 b2 / {narrowest**2} of one of {narrowest} bits (assumed): "
                f"{', '.join(narrow)}."
            )
        return notes


def is_product(workload: Workload) -> NDArray[np.bool_]:
    """Tell which layers (L,) have inputs of several bits, so that weights are multiplied and not only added."""
    return np.asarray(per_layer(workload, "input_bits") > 1)
