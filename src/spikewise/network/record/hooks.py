"""Hooks that count, in a running torch network, the inputs of its synapses and the spikes of its neurons.

A hook on every convolution and linear layer counts the non-zero inputs of each call, for each sample and timestep.
A network may call its layers in any of three ways, which are distinguished at the end of a batch:

* once per step, with B rows: loops over time, inside ``forward`` or outside;
* once for all steps, with T x B rows (merged, or as a tensor (T, B, ...)): multi-step networks;
* once with B rows: the layer's sum is constant in time, like that of an image that drives the first neurons.

If an image is presented again at each step, in either of the first two ways, its sum is constant as well: a layer is
computed once per inference if it read the same values at all steps of all batches. For zeros and ones this holds only
at the first layer, since in later layers they are spikes that happen to repeat.

**Neurons** are modules with the attribute ``emits_spikes = True``. If a network has none of these, neurons are the
first module after a layer, other than torch's own, whose outputs were always zeros and ones. If there is no such module
either, a layer has neurons if the next one reads only zeros and ones and fits its outputs.

**Shortcuts.** Sums that are added before the neurons belong to one population, that of the layer that ran last; the
other is a layer without neurons. If a module averages the sums of a layer, they are pooled before the next operation.
The addition itself, one per neuron, has no weights and is not recorded.

**What hooks cannot see**: weights that are used without a torch module (``functional.conv2d``, attention, products of
tensors), operations between modules (pooling called as a function), and spikes with values other than one, which count
as numbers of several bits. The spikes of neurons without a module are seen only after pooling: the count is then a
lower bound.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from spikewise.errors import ParameterError
from spikewise.workload.layer import LayerShape

from .calls import Calls, Repetition, Timing
from .checks import Synapses, check_call
from .geometry import axes_of, n_readers

# Modules with weights whose operations would be missed. An embedding is only a look-up.
_UNSEEN = (
    nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.RNNBase, nn.RNNCellBase, nn.Bilinear,
    nn.MultiheadAttention,
)  # fmt: skip

_AVERAGES = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
_BOXES = {nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict}  # other modules of torch do not spike


@dataclass(slots=True, eq=False)
class WatchedLayer:
    """Observations of one layer of synapses."""

    name: str
    module: Synapses
    is_first: bool = False
    in_size: tuple[int, int] = (1, 1)
    out_size: tuple[int, int] = (1, 1)
    knows_time: bool = True
    may_repeat: bool = True
    is_constant: bool = False
    is_binary: bool = True
    has_neurons: bool = False
    pool: tuple[int, int] = (1, 1)
    inputs: Calls = field(default_factory=Calls)
    unfolded: Calls = field(default_factory=Calls)
    repetition: Repetition = field(default_factory=Repetition)

    def begin_batch(self) -> None:
        """Forget the counts of the last batch."""
        self.inputs, self.unfolded = Calls(), Calls()
        self.repetition.begin_batch()

    def see(self, x: Tensor, out: Tensor, timing: Timing) -> None:
        """Count the active inputs of one call."""
        active = x != 0
        is_binary = not bool((active & (x != 1)).any())
        if not is_binary and not bool(x.isfinite().all()):
            raise ParameterError(f"layer {self.name!r} must see finite values; got NaN or infinity. Did it diverge?")
        self.is_binary = self.is_binary and is_binary
        self.may_repeat = self.may_repeat and (self.is_first or not is_binary)
        if isinstance(self.module, nn.Linear):
            # Each input is read once, so both counts are equal.
            lead = tuple(x.shape[:-1]) or (1,)
            counts = active.reshape(-1, x.shape[-1]).sum(1)
            self.inputs.add(lead, counts)
            self.unfolded.add(lead, counts)
            self._compare(x, lead, timing)
            return
        if isinstance(self.module, nn.Conv1d):
            # A sequence is a map of height 1.
            active, out = active.unsqueeze(-2), out.unsqueeze(-2)
        if active.ndim < 4:
            raise ParameterError(
                f"layer {self.name!r} must see a batch of maps; got an input of shape {tuple(x.shape)}. "
                "Give it an axis of samples, even of a single one."
            )
        lead, in_size, out_size = tuple(active.shape[:-3]), _sides(active), _sides(out)
        if self.inputs.leads and (in_size, out_size) != (self.in_size, self.out_size):
            raise ParameterError(
                f"layer {self.name!r} must see maps of one size; got {self.in_size} and {in_size}. "
                "Give each size a module of its own."
            )
        self.in_size, self.out_size = in_size, out_size
        self._compare(x, lead, timing)
        active = active.flatten(0, -4)
        self.inputs.add(lead, active.flatten(1).sum(1))
        readers = n_readers(self.module, in_size).to(x.device)
        self.unfolded.add(lead, (active.sum(1) * readers).flatten(1).sum(1))

    def _compare(self, x: Tensor, lead: tuple[int, ...], timing: Timing) -> None:
        if self.may_repeat:
            self.repetition.see(x, lead, timing)

    def by_step(self, timing: Timing, in_start: bool) -> tuple[Tensor, Tensor]:
        """Return active inputs of the batch per kernel application (unfolded) and per input, (T, B) or (1, B) each."""
        what = f"layer {self.name!r}"
        inputs, unfolded = (calls.by_step(what, timing) for calls in (self.inputs, self.unfolded))
        self.knows_time = not in_start and len(inputs) == timing.n_steps
        repeats = self.may_repeat and self.repetition.over_steps(len(self.inputs.leads), timing)
        self.is_constant = repeats or not self.knows_time
        if isinstance(self.module, nn.Linear):  # several rows per sample if it runs over tokens or pixels
            n_rows = sum(map(len, self.inputs.counts)) // inputs.numel()
            self.in_size = self.out_size = (n_rows, 1)
        return unfolded, inputs

    def shape(self, bits: Mapping[str, int]) -> LayerShape:
        """Return the layer as hardware sees it; ``input_bits`` are used for values other than spikes."""
        common: dict[str, Any] = {
            **bits,
            "input_bits": 1 if self.is_binary else bits["input_bits"],
            "has_neurons": self.has_neurons,
            "once_per_inference": self.is_constant,
        }
        if isinstance(self.module, nn.Linear):
            if self.out_size == (1, 1):
                return LayerShape(self.name, "linear", *self.channels, **common)
            return LayerShape(self.name, "conv", *self.channels, out_height=self.out_size[0], **common)
        height, width = axes_of(self.module)
        return LayerShape(
            self.name, "conv", *self.channels,
            kernel=(height.kernel, width.kernel), stride=(height.stride, width.stride),
            groups=self.module.groups, out_height=self.out_size[0], out_width=self.out_size[1],
            in_height=self.in_size[0], in_width=self.in_size[1], pool=self.pool, **common,
        )  # fmt: skip

    def pooled_to(self, sizes: tuple[int, ...]) -> tuple[int, int]:
        """Return the side of the pooling after a convolution, from the sizes of the pooled maps."""
        height, width = (1, sizes[-1]) if isinstance(self.module, nn.Conv1d) else sizes[-2:]
        return max(1, self.out_size[0] // height), max(1, self.out_size[1] // width)

    @property
    def channels(self) -> tuple[int, int]:
        """Input and output channels, or features."""
        if isinstance(self.module, nn.Linear):
            return self.module.in_features, self.module.out_features
        return self.module.in_channels, self.module.out_channels


def _shown(path: str) -> str:
    """Return the name of a layer in a report."""
    return path.removeprefix("layers.").removesuffix(".synapses") or "layer"


def _sides(maps: Tensor) -> tuple[int, int]:
    return maps.shape[-2], maps.shape[-1]


@dataclass(slots=True, eq=False)
class WatchedNeurons:
    """Observations of a module that may be neurons; ``behind`` holds the layer that ran before each call."""

    is_binary: bool = True
    reads_spikes: bool = True
    behind: list[str] = field(default_factory=list)
    calls: Calls = field(default_factory=Calls)
    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def see(self, x: Any, spikes: Tensor, layer: str) -> None:
        """Count the spikes of one call; a (1, B, ...) or (T, B, ...) tensor keeps two leading sizes."""
        self.reads_spikes = self.reads_spikes and isinstance(x, Tensor) and not bool(((x != 0) & (x != 1)).any())
        active = spikes != 0
        self.is_binary = self.is_binary and not bool((active & (spikes != 1)).any())
        lead = tuple(spikes.shape[:2]) if spikes.ndim > 2 else tuple(spikes.shape[:1])
        self.behind.append(layer)
        self.calls.add(lead, active.reshape(math.prod(lead), -1).sum(1))
        self.sizes.setdefault(layer, tuple(spikes.shape))

    def by_layer(self, timing: Timing) -> dict[str, Calls] | None:
        """Return the calls for each layer before the module; None if they do not fit the timesteps.

        A module that is called k times per step serves the k layers after which it was called in the first step:
        in a later step it may come after the last layer of the step before, if its own layer is constant.
        """
        leads, n_calls = self.calls.leads, len(self.calls.leads)
        stepwise = n_calls % timing.n_steps == 0 and all(map(timing.is_stepwise, leads))
        if not stepwise and not all(map(timing.is_whole, leads)):
            return None
        period = n_calls // timing.n_steps if stepwise else n_calls
        found: dict[str, Calls] = {}
        for number, (lead, counts) in enumerate(zip(leads, self.calls.counts, strict=True)):
            found.setdefault(self.behind[number % period], Calls()).add(lead, counts)
        each = timing.n_steps if stepwise else 1
        return found if all(len(calls.leads) == each for calls in found.values()) else None


class Watch:
    """Hooks on the synapses and neurons of a network.

    Parameters
    ----------
    model : Module
        The network; ``starting`` is set while it computes what is constant in time.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.layers: dict[str, WatchedLayer] = {}
        self.neurons: dict[str, WatchedNeurons] = {}
        self.starting = False
        self.says_neurons = any(getattr(module, "emits_spikes", False) for module in model.modules())
        self._last: str | None = None
        self._sums: Tensor | None = None
        self._timing: Timing | None = None
        self.in_start: set[str] = set()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count within the block."""
        handles = []
        for path, module in self.model.named_modules():
            if isinstance(module, _UNSEEN):
                handles.append(module.register_forward_hook(self._on_unseen(path)))
            elif isinstance(module, Synapses):
                handles.append(module.register_forward_pre_hook(self._before_synapses(path), with_kwargs=True))
                handles.append(module.register_forward_hook(self._on_synapses(path), with_kwargs=True))
            elif isinstance(module, _AVERAGES):
                handles.append(module.register_forward_hook(self._on_average))
            elif self._may_fire(module):
                handles.append(module.register_forward_hook(self._on_neurons(path)))
        try:
            yield
        finally:
            self._sums = None
            for handle in handles:
                handle.remove()

    def _may_fire(self, module: nn.Module) -> bool:
        if self.says_neurons:
            return bool(getattr(module, "emits_spikes", False))
        # Neurons may be a subclass of nn.Module or a container, but not of another module of torch.
        own = set(type(module).__mro__) - _BOXES
        return not any(kind.__module__.startswith("torch.nn.") for kind in own)

    def begin_batch(self, timing: Timing) -> None:
        """Forget the counts of the last batch."""
        self._last, self._timing = None, timing
        for layer in self.layers.values():
            layer.begin_batch()
        for neurons in self.neurons.values():
            neurons.behind, neurons.calls = [], Calls()

    def _before_synapses(self, path: str) -> Any:
        name = _shown(path)

        def hook(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            x = args[0] if args else next(iter(kwargs.values()), None)
            check_call(name, module, x)

        return hook

    def _on_synapses(self, path: str) -> Any:
        def hook(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> None:
            x = args[0] if args else next(iter(kwargs.values()))
            assert self._timing is not None
            layer = self.layers.setdefault(path, WatchedLayer(_shown(path), module, is_first=not self.layers))
            layer.see(x, out, self._timing)
            # Kept to find the module that reads these very sums next.
            self._last, self._sums = path, out
            if self.starting:
                self.in_start.add(path)

        return hook

    def _on_average(self, module: nn.Module, args: tuple[Any, ...], out: Tensor) -> None:
        """Note the pooling of a layer if a module averages its sums, with or without neurons after it."""
        if args and args[0] is self._sums and self._last is not None:
            layer = self.layers[self._last]
            if not isinstance(layer.module, nn.Linear):
                layer.pool = layer.pooled_to(tuple(out.shape))

    def _on_neurons(self, path: str) -> Any:
        def hook(module: nn.Module, args: Any, out: Any) -> None:
            spikes = out[0] if isinstance(out, tuple | list) and out else out
            if self._last is not None and isinstance(spikes, Tensor) and spikes.ndim:
                neurons = self.neurons.setdefault(path, WatchedNeurons())
                # A module whose outputs were other numbers cannot become neurons again.
                if neurons.is_binary or self.says_neurons:
                    neurons.see(args[0] if args else None, spikes, self._last)

        return hook

    def _on_unseen(self, path: str) -> Any:
        def hook(module: nn.Module, args: Any, out: Any) -> None:
            raise ParameterError(
                f"every layer with weights must be a Conv1d, a Conv2d or a Linear; got {type(module).__name__} at "
                f"{path!r}. Write it with these, or describe the network in a layer table."
            )

        return hook
