"""Turn the counts of the hooks into a workload: add up batches, and assign spikes to layers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from spikewise.errors import ParameterError
from spikewise.workload.workload import LayerActivity, Workload

from .calls import Timing
from .hooks import Watch, WatchedLayer

_Floats = NDArray[np.float64]


@dataclass(slots=True, eq=False)
class _Population:
    """A module that emitted spikes after a layer: its path, the shape of its output and its number of neurons."""

    module: str
    shape: tuple[int, ...]
    n_neurons: int


@dataclass(slots=True, eq=False)
class ActivityCounts:
    """Sums of all counts over the samples of all batches.

    Parameters
    ----------
    n_steps : int
        Timesteps T.
    bits : mapping of str to int
        ``weight_bits``, ``state_bits`` and ``input_bits`` of the layers.
    """

    n_steps: int
    bits: Mapping[str, int]
    n_samples: int = 0
    exits: NDArray[np.int64] = field(init=False)
    sums: dict[tuple[str, ...], tuple[_Floats, _Floats]] = field(default_factory=dict)
    populations: dict[str, list[_Population]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.exits = np.zeros(self.n_steps, np.int64)

    def add(self, watch: Watch, timing: Timing, alive: NDArray[np.bool_]) -> None:
        """Add a batch; ``alive`` (T, B) says which samples still run at each step."""
        self.n_samples += timing.n_samples
        # Exits at a step: samples that run it, minus those that run the next one too.
        self.exits += alive.sum(1) - np.append(alive[1:].sum(1), 0)
        for path, layer in watch.layers.items():
            if not layer.inputs.leads:
                raise ParameterError(f"layer {layer.name!r} must run in every batch; got none in one. Run all layers.")
            unfolded, inputs = layer.by_step(timing, path in watch.in_start)
            self._add(("unfolded", path), unfolded, alive)
            self._add(("inputs", path), inputs, alive)
        for module, neurons in watch.neurons.items():
            # Without declared neurons (``emits_spikes``), modules count while all their outputs are zeros and ones.
            if not neurons.behind or not (neurons.is_binary or watch.says_neurons):
                continue
            served = neurons.by_layer(timing)
            if served is None and watch.says_neurons:
                raise ParameterError(
                    f"neurons {module!r} must run once per step ({self.n_steps}); got {len(neurons.behind)} runs. "
                    "Set n_steps to the steps that the network runs."
                )
            for path, calls in (served or {}).items():
                self._add(("spikes", path, module), calls.by_step(f"neurons {module!r}", timing), alive)
                known = self.populations.setdefault(path, [])
                if module not in [population.module for population in known]:
                    shape = neurons.sizes[path]
                    # The recorded shape is that of one call: a single step, or all steps.
                    n_rows = timing.n_samples * (1 if len(calls.leads) == self.n_steps else self.n_steps)
                    known.append(_Population(module, shape, math.prod(shape) // n_rows))

    def _add(self, slot: tuple[str, ...], counts: Tensor, alive: NDArray[np.bool_]) -> None:
        """Add counts (T, B); counts (1, B) of a layer that is constant in time hold for every step."""
        values = np.broadcast_to(counts.cpu().numpy().astype(np.float64), alive.shape)
        old = self.sums.get(slot, (0.0, 0.0))
        # Two sums: of a full run, and of the samples that a rule lets run.
        self.sums[slot] = (old[0] + values.sum(1), old[1] + (values * alive).sum(1))

    def workload(self, name: str, watch: Watch) -> Workload:
        """Build the workload of all batches."""
        # Samples that run a step are those that exit at this step or later.
        n_alive = self.exits[::-1].cumsum()[::-1]
        silent = (np.zeros(self.n_steps),) * 2
        paths = list(watch.layers)
        rows = []
        for place, path in enumerate(paths):
            following = paths[place + 1] if place + 1 < len(paths) else None
            slot = self._spikes_of(watch, path, following)
            spikes = silent if slot is None else self.sums[slot]
            rows.append((self.sums["unfolded", path], self.sums["inputs", path], spikes))

        def activity(which: int, n_samples: Any) -> tuple[LayerActivity, ...]:
            return tuple(LayerActivity(*(tuple(sums[which] / n_samples) for sums in row)) for row in rows)

        return Workload(
            name,
            tuple(layer.shape(self.bits) for layer in watch.layers.values()),
            activity(0, np.float64(self.n_samples)),
            activity(1, np.maximum(n_alive, 1)),
            tuple(int(count) for count in self.exits),
            self.n_samples,
        )

    def _spikes_of(self, watch: Watch, path: str, following: str | None) -> tuple[str, ...] | None:
        """Return the key of the spikes of a layer: outputs of a module, or inputs of the next layer."""
        layer = watch.layers[path]
        found = [p for p in self.populations.get(path, []) if watch.says_neurons or watch.neurons[p.module].is_binary]
        if watch.says_neurons and len(found) > 1:
            raise ParameterError(
                f"layer {layer.name!r} must have one population of neurons; got {', '.join(p.module for p in found)}. "
                "Give each population synapses of its own."
            )
        if found:
            population = found[0]
            n_sums = layer.channels[1] * math.prod(layer.out_size)
            if population.n_neurons > n_sums:
                raise ParameterError(
                    f"neurons {population.module!r} must be at most the {n_sums} outputs of layer {layer.name!r}; got "
                    f"{population.n_neurons}. Branches that are joined before their neurons cannot be told apart: give "
                    "each of them neurons of its own."
                )
            layer.has_neurons, layer.pool = True, _pool(layer, population.shape)
            return ("spikes", path, population.module)
        after = None if following is None or watch.says_neurons else watch.layers[following]
        # No module emitted the spikes, but the next layer may have read them.
        if after is None or not _drives(layer, after) or self._feed_the_same(watch, path, str(following)):
            return None
        layer.has_neurons = True
        return ("inputs", str(following))

    def _feed_the_same(self, watch: Watch, path: str, following: str) -> bool:
        """Whether the next layer is a recurrent one inside the neurons that this layer drives."""
        return any(
            following.startswith(f"{p.module}.") and not path.startswith(f"{p.module}.")
            for p in self.populations.get(following, [])
            if p.module and watch.neurons[p.module].is_binary and not watch.neurons[p.module].reads_spikes
        )


def _pool(layer: WatchedLayer, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return by how much the sums were pooled before the neurons, from the number of neurons."""
    n_axes = 1 if isinstance(layer.module, nn.Conv1d) else 2
    if isinstance(layer.module, nn.Linear) or len(shape) < n_axes + 2 or shape[-n_axes - 1] != layer.channels[1]:
        return 1, 1  # the sides of a flattened map are unknown
    return layer.pooled_to(shape)


def _drives(layer: WatchedLayer, after: WatchedLayer) -> bool:
    """Whether a layer that reads zeros and ones can be driven by the neurons of the layer before."""
    n_out, n_in = layer.channels[1], after.channels[0]
    n_read, n_written = n_in * math.prod(after.in_size), n_out * math.prod(layer.out_size)
    maps = not isinstance(layer.module, nn.Linear) and not isinstance(after.module, nn.Linear)
    # A linear layer may read a flattened map: a multiple of its channels.
    fits = n_in == n_out if maps else n_read % n_out == 0
    return after.is_binary and fits and n_read <= n_written and (layer.is_constant or not after.is_constant)
