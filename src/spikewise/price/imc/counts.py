"""Counts of the events on a chip, from the placement of a network and from its measured activity."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from spikewise.price.ledger import FloatArray
from spikewise.workload.layer import LayerActivity, LayerShape
from spikewise.workload.workload import Workload

from .components import Event, Rate, scaled
from .mapping import CrossbarArray, Placement, hops, place

_SUM_BITS = 16  # width of a partial sum


@dataclass(frozen=True, slots=True)
class Demand:
    """Counts of the events that a network causes on a chip, for all L layers and, last, the chip as a whole.

    :meth:`count` gives arrays that broadcast to ``(2, T, L + 1)``: the activity of samples still running,
    then of all samples; timesteps; layers and chip.
    """

    layer_shapes: tuple[LayerShape, ...]
    activity: tuple[LayerActivity, ...]
    alive_activity: tuple[LayerActivity, ...]
    placement: Placement
    array: CrossbarArray
    _known: dict[str, FloatArray] = field(default_factory=dict, repr=False, compare=False)

    def count(self, event: Event) -> FloatArray:
        """Return how often an event happens, or how many of a thing are built; the array is cached and read-only."""
        if event not in self._known:
            found = _COUNTS[event](self)
            found.flags.writeable = False
            self._known[event] = found
        return self._known[event]

    def count_of(self, rate: Rate) -> FloatArray:
        """Return how often the event of a rate happens, in the layers in which it is charged."""
        found = self.count(rate.per)
        if rate.at_adc_bits is not None and rate.at_adc_bits != self.array.adc_bits:
            found = found * scaled(rate.dimension, rate.at_adc_bits, self.array.adc_bits)
        if rate.first_layers is None:
            return found
        return found * (np.arange(found.shape[-1]) < rate.first_layers)

    def layers(self, value: Callable[[LayerShape], int]) -> FloatArray:
        """Return a number per layer, and 0 for the chip."""
        return self.placed([value(layer) for layer in self.layer_shapes])

    def placed(self, values: ArrayLike) -> FloatArray:
        """Append 0 for the chip to an array with one value per layer."""
        return np.append(np.asarray(values, np.float64), 0.0)

    def chip(self, value: float) -> FloatArray:
        """Return a number for the chip, and 0 for each layer."""
        return np.append(np.zeros(len(self.layer_shapes)), value)

    def active(self, value: Callable[[LayerActivity], tuple[float, ...]]) -> FloatArray:
        """Return measured activity (2, T, L + 1): of running samples, then of all samples."""
        both = (self.alive_activity, self.activity)
        counts = np.array([[value(row) for row in rows] for rows in both]).transpose(0, 2, 1)
        return np.concatenate([counts, np.zeros((*counts.shape[:2], 1))], axis=2)

    def driven_cells(self, cells_per_weight: FloatArray, references: FloatArray) -> FloatArray:
        """Count cells with an active input (2, T, L + 1): of the weights, and of one reference per column block."""
        rows = self.active(lambda row: row.active_unfolded) * self.layers(lambda layer: layer.input_bits)
        weights = self.layers(lambda layer: layer.out_channels // layer.groups) * cells_per_weight
        return rows * (weights + references)

    def noc_bit_hops(self) -> FloatArray:
        """Return bits times links: spikes to the next layer, and partial sums of row blocks on several tiles."""
        found = self.packet_bits() * self.placed(hops(self.placement.n_tiles))
        blocks_per_pe = self.array.crossbars_per_pe if self.array.scheme == "im2col" else 1
        tiles_of_a_sum = -(-self.placement.n_row_blocks // (self.array.pes_per_tile * blocks_per_pe))
        sums = self.layers(lambda layer: layer.n_positions * layer.out_channels) * self.placed(tiles_of_a_sum - 1)
        return found + sums * _SUM_BITS

    def packet_bits(self) -> FloatArray:
        """Return the bits that a layer sends per step: active values with addresses, or all values if that is less."""
        neurons = np.array([max(layer.n_neurons, 1) for layer in self.layer_shapes], np.float64)
        value_bits = np.array([*(layer.input_bits for layer in self.layer_shapes[1:]), 1], np.float64)  # spikes: 1
        # An event carries the address of its neuron; a dense map needs no addresses.
        event_bits = np.ceil(np.log2(neurons)) + value_bits
        events = self.active(lambda row: row.out_spikes) * self.placed(event_bits)
        return np.minimum(events, self.placed(neurons * value_bits))


def demand_of(workload: Workload, array: CrossbarArray) -> Demand:
    """Return the demand of a network on a chip with these crossbars; cached, since many platforms may share it."""
    return _demand(workload.layers, workload.activity, workload.alive_activity, array)


def forget_demands() -> None:
    """Clear the cache of demands, so that the next price is computed from the start."""
    _demand.cache_clear()


@lru_cache(maxsize=32)
def _demand(
    layers: tuple[LayerShape, ...],
    activity: tuple[LayerActivity, ...],
    alive_activity: tuple[LayerActivity, ...],
    array: CrossbarArray,
) -> Demand:
    return Demand(layers, activity, alive_activity, place(layers, array), array)


_COUNTS: dict[str, Callable[[Demand], FloatArray]] = {
    # events of a timestep
    "pe_cycle": lambda n: n.placed(n.placement.n_pe_cycles),
    "crossbar_read": lambda n: n.placed(n.placement.n_crossbar_reads),
    "serial_cycle": lambda n: n.placed(n.placement.n_serial_cycles),
    "phase": lambda n: n.placed(n.placement.n_phases),
    "conversion": lambda n: n.placed(n.placement.n_conversions),
    "conversion_bit": lambda n: n.placed(n.placement.n_conversions * n.array.adc_bits),
    "partial_sum": lambda n: n.placed(n.placement.n_partial_sums),
    "output": lambda n: n.layers(lambda layer: layer.n_positions * layer.out_channels),
    "input_read_bit": lambda n: (
        n.layers(lambda layer: layer.n_unfolded * layer.input_bits) * n.placed(n.placement.n_col_blocks)
    ),
    "active_input": lambda n: (  # every bit of an input may drive its row
        n.active(lambda row: row.active_unfolded)
        * n.layers(lambda layer: layer.input_bits)
        * n.placed(n.placement.n_col_blocks)
    ),
    "active_cell": lambda n: n.driven_cells(
        n.placed(n.placement.cells_per_weight) / (2 if n.array.sign == "differential" else 1),
        n.placed(n.placement.n_col_blocks) * (n.array.sign == "offset"),
    ),
    "idle_cell": lambda n: (  # of a differential pair, the one whose sign the weight has not
        n.driven_cells(n.placed(n.placement.cells_per_weight) / 2, np.zeros(1)) * (n.array.sign == "differential")
    ),
    "in_spike": lambda n: n.active(lambda row: row.in_spikes),
    "neuron_update": lambda n: n.layers(lambda layer: layer.n_neurons * layer.has_neurons),
    "state_update_bit": lambda n: n.layers(lambda layer: layer.n_neurons * layer.has_neurons * layer.state_bits),
    "out_spike": lambda n: n.active(lambda row: row.out_spikes),
    "noc_bit_hop": lambda n: n.noc_bit_hops(),
    "kept_sum": lambda n: n.layers(lambda layer: layer.once_per_inference * layer.n_positions * layer.out_channels),
    "decision": lambda n: n.chip(n.layer_shapes[-1].out_channels),  # one per class: the exit unit
    # things that are built
    "image_bit": lambda n: n.chip(n.layer_shapes[0].n_inputs * n.layer_shapes[0].input_bits),
    "input": lambda n: n.layers(lambda layer: layer.n_inputs),
    "neuron": lambda n: n.layers(lambda layer: layer.n_neurons),
    "cell": lambda n: n.placed(n.placement.n_crossbars * n.array.n_rows * n.array.columns_built),
    "row": lambda n: n.placed(n.placement.n_crossbars * n.array.n_rows),
    "crossbar": lambda n: n.placed(n.placement.n_crossbars),
    "pe": lambda n: n.placed(n.placement.n_pes),
    "adc": lambda n: n.placed(n.placement.n_adcs),
    "tile": lambda n: n.placed(n.placement.n_tiles),
    "chip": lambda n: n.chip(1),
    # bits that are stored
    "weight_bit": lambda n: n.layers(lambda layer: layer.n_weights * layer.weight_bits),
    "state_bit": lambda n: n.layers(lambda layer: layer.n_neurons * layer.state_bits),
    "input_bit": lambda n: n.layers(lambda layer: layer.n_inputs * layer.input_bits),
}
# "stored_bit" is not among them: it is a component's own memory, known once its memory rates are summed.
