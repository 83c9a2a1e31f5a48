"""Event-driven inference of one sample at a time, with very little Python between the layers.

With one sample in the batch, tensors are so small that most of the time goes into the calls of the operations, and each
weight is read for few sums. Here each layer of a step is one call of a compiled loop
(:mod:`spikewise.network.kernels.events`) that adds only the weights of inputs that spike. The order of addition differs
from that of torch's convolutions, so scores agree up to rounding, not bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from spikewise._vector import LANES
from spikewise.errors import ParameterError, ShapeError

from .arrays import empty
from .fused.batch_norm import is_plain, line, of_running
from .fused.cpu import NormLIF
from .kernels.content import content_of
from .kernels.events import Conv, Memory, Neurons, conv_step, linear_step, static_step
from .layers import SpikingLayer
from .models import SpikingNetwork
from .pooling import is_plain_conv, is_plain_pool, is_watched

# By network: the key of its contents and its prepared arrays. Weak, so that networks can still be deleted.
_known: WeakKeyDictionary[nn.Module, tuple[Any, _Layers]] = WeakKeyDictionary()


def single_sample(model: Any) -> SingleSample | None:
    """Return the event-driven form of a network, or None if it has none; arrays are kept until a weight changes.

    Spiking VGGs have one if they are in float32 on a CPU, in eval mode, without autocast and without hooks, and if all
    weights are finite.

    Examples
    --------
    >>> from spikewise.network import build_model
    >>> network = build_model("vgg5", (1, 8, 8), 10, width=0.25).eval()
    >>> image = torch.rand(1, 1, 8, 8)
    >>> with torch.no_grad():
    ...     alone = single_sample(network)
    ...     found, _ = alone.step(alone.start(image))
    ...     expected = network(image, 1)[0]
    >>> torch.allclose(found, expected, atol=1e-5)
    True
    """
    if type(model) is not SpikingNetwork or model.training or torch.is_autocast_enabled("cpu"):
        return None
    modules = list(model.modules())  # collected once: for a single sample the time of it is noticeable
    weights = [each for module in modules for each in _own(module)]
    if not _fits(model, modules, weights):
        return None
    key = _contents(model, weights)
    if key is None:
        return None
    if model not in _known or _known[model][0] != key:
        _known[model] = key, _Layers(model)
    return SingleSample(model, _known[model][1])


def _own(module: nn.Module) -> Iterator[Tensor]:
    """Iterate over weights and statistics of a module, without those of its children."""
    return (each for each in chain(module._parameters.values(), module._buffers.values()) if each is not None)


def _contents(model: SpikingNetwork, weights: list[Tensor]) -> Any:
    """Return a key of all that decides the answers, or None if a weight is not finite."""
    floats = [each for each in weights if each.is_floating_point()]
    # By content: torch does not count changes that are made through NumPy. ``K`` reads memory in place.
    contents = [content_of(each.detach().numpy().ravel(order="K").view(np.uint32)) for each in floats]
    # The loops skip silent inputs, and so would miss that zero times infinity is not a number.
    if not all(is_finite for _, is_finite in contents):
        return None
    layers: list[Any] = list(model.layers.values())
    others = [(id(each.synapses), id(each.pool), each.neurons.params, each.norm.eps) for each in layers]
    return contents, others, [(each.data_ptr(), each.stride()) for each in floats]


@dataclass(eq=False)
class SingleState:
    """One sample in the middle of its steps; a step changes it in place."""

    runs: list[Any]
    frames: list[Tensor] | None
    drive: Any


class SingleSample:
    """A spiking VGG for one sample; offers start, step and feed as the network does."""

    def __init__(self, model: SpikingNetwork, layers: _Layers) -> None:
        self._model, self._layers = model, layers

    @torch.no_grad()
    def start(self, images: Tensor) -> SingleState:
        """Return the state before the first step, for an image (1, C, H, W) or a recording (T, 1, C, H, W)."""
        if images.ndim >= 4 and images.shape[-4] != 1:
            raise ShapeError(f"one sample must come alone, (1, C, H, W); got {tuple(images.shape)}.")
        runs = [layer.begin() for layer in self._layers.in_order]
        state = self._model.start(images)
        if not state.is_static:
            return SingleState(runs, list(images), None)
        return SingleState(runs, None, self._layers.first.of(state.drive))

    def feed(self, state: SingleState, frames: Tensor) -> SingleState:
        """Append the next frames (T, 1, C, H, W) of a recording, and return the state."""
        assert state.frames is not None
        state.frames += list(frames)
        return state

    @torch.no_grad()
    def step(self, state: SingleState) -> tuple[Tensor, SingleState]:
        """Return the logits (1, K) of the next step, and the state after it."""
        drive = state.drive
        if state.frames is not None:
            if not state.frames:
                raise ParameterError("n_steps must be at most the frames; none is left. Feed the next one.")
            drive = self._layers.first.of(self._model.start(state.frames.pop(0)).drive)
        spikes = drive
        for run in state.runs:
            spikes = run(spikes)
        return torch.from_numpy(self._layers.readout.of(spikes)[None]), state


class _Layers:
    """Arrays of a network. They hold no reference to it, so that it can be deleted."""

    def __init__(self, model: SpikingNetwork) -> None:
        layers = list(model.layers.values())
        shape = _map_after(layers[0], *model.spec.in_shape[1:])
        self.first = _Drive(layers[0], shape)
        self.in_order: list[Any] = [self.first]
        for before, layer in pairwise(layers):
            kind = _Conv if isinstance(layer.synapses, nn.Conv2d) else _Linear
            self.in_order.append(kind(layer, shape, _n_out(before)))
            shape = _map_after(layer, *shape)
        self.readout = _Readout(model.readout, shape, _n_out(layers[-1]))


class _Neurons:
    """Normalisation and neurons of a layer on a map (H, W), in the form of the compiled loops."""

    def __init__(self, layer: Any, shape: tuple[int, int]) -> None:
        self.shape, self.n_out = shape, _padded(_n_out(layer))
        # Padding channels get scale and shift 0: their potentials stay 0, and they never fire.
        scale, shift = (
            _pad(each.detach().numpy(), self.n_out, 0) for each in line(layer.norm, *of_running(layer.norm))
        )
        params = layer.neurons.params
        decay, v_threshold, v_reset = (np.float32(each) for each in (params.decay, params.v_threshold, params.v_reset))
        self.neurons = tuple(Neurons(scale, shift, decay, v_threshold, v_reset, params.reset == "soft"))

    def potentials(self) -> tuple[Any, Any]:
        """Return potentials of all neurons, at rest, and memory for their spikes."""
        n = self.shape[0] * self.shape[1] * self.n_out
        return _zeros(n), empty(n, np.float32)


class _Drive(_Neurons):
    """The first layer, whose sums are computed by torch: its inputs are an image, not spikes."""

    def of(self, sums: Tensor) -> Any:
        values = sums[0].movedim(0, -1).numpy()
        fits = values.shape[2] == self.n_out
        return (np.ascontiguousarray(values) if fits else _pad(values, self.n_out, 2)).ravel()

    def begin(self) -> Any:
        v, spikes = self.potentials()

        def run(drive: Any) -> Any:
            static_step(drive, self.n_out, self.neurons, v, spikes)
            return spikes

        return run


class _Conv(_Neurons):
    def __init__(self, layer: Any, map_before: tuple[int, int], n_in: int) -> None:
        super().__init__(layer, _map_after(layer, *map_before))
        n_in = _padded(n_in)
        # To (3, 3, C_in, C_out): the weights of one input are neighbours.
        taps = layer.synapses.weight.detach().numpy().transpose(2, 3, 1, 0)
        weights = _pad(_pad(taps, n_in, 2), self.n_out, 3).ravel()
        side, is_largest = getattr(layer.pool, "kernel_size", 1), isinstance(layer.pool, nn.MaxPool2d)
        self.conv = Conv(weights, n_in, self.n_out, *map_before, side, is_largest)

    def begin(self) -> Any:
        conv, (v, spikes) = self.conv, self.potentials()
        # One more than there are inputs: the loop writes a place before it knows whether the input spikes.
        places = np.empty(conv.height * conv.width * conv.n_in + 1, np.int64)
        starts = np.empty((conv.height + 2) * (conv.width + 3), np.int64)
        sums = empty(conv.side * conv.width * conv.n_out, np.float32)
        given = tuple(conv), self.neurons, tuple(Memory(places, starts, sums))

        def run(x: Any) -> Any:
            conv_step(x, *given, v, spikes)
            return spikes

        return run


class _Linear(_Neurons):
    def __init__(self, layer: Any, map_before: tuple[int, int], n_in: int) -> None:
        super().__init__(layer, (1, 1))
        weights = _by_pixel(layer.synapses.weight, map_before, n_in)
        self.weights = _pad(weights.T, self.n_out, 1).ravel()

    def begin(self) -> Any:
        v, spikes = self.potentials()
        given = self.weights, self.n_out, self.neurons, empty(self.n_out, np.float32)

        def run(x: Any) -> Any:
            linear_step(x, *given, v, spikes)
            return spikes

        return run


class _Readout:
    """Linear read-out: logits (K,) of the last layer's spikes, or of their mean over the map."""

    def __init__(self, readout: Any, shape: tuple[int, int], n_in: int) -> None:
        self.is_mean, self.n_in = isinstance(readout, nn.Conv2d), _padded(n_in)
        weight = readout.weight.detach()
        self.weights = _pad(weight.flatten(1).numpy(), self.n_in, 1) if self.is_mean else _by_pixel(weight, shape, n_in)
        self.bias = 0.0 if readout.bias is None else readout.bias.detach().numpy().copy()

    def of(self, spikes: Any) -> Any:
        if self.is_mean:
            # Averaged before the product, not after: both are linear, and this multiplies once per channel.
            spikes = spikes.reshape(-1, self.n_in).mean(0)
        return self.weights @ spikes + self.bias


def _fits(model: SpikingNetwork, modules: list[nn.Module], weights: list[Tensor]) -> bool:
    """Whether the loops know every kind of layer in the network, and no module has a hook."""
    if any(each.device.type != "cpu" or each.dtype not in (torch.float32, torch.int64) for each in weights):
        return False  # integers count the batches of a normalisation, which answers do not depend on
    if is_watched(*modules) or not all(_is_known(layer) for layer in model.layers.values()):
        return False
    readout, average = model.readout, model.average
    if type(readout) is nn.Linear:
        return type(average) is nn.Identity
    return type(readout) is nn.Conv2d and readout.kernel_size == (1, 1) and type(average) is nn.AdaptiveAvgPool2d


def _is_known(layer: Any) -> bool:
    if type(layer) is not SpikingLayer or type(layer.neurons) is not NormLIF or not is_plain(layer.norm):
        return False
    synapses: Any = layer.synapses
    pool: Any = layer.pool
    if synapses.bias is not None:
        return False
    if type(synapses) is nn.Linear:
        return type(pool) is nn.Identity
    is_conv = is_plain_conv(synapses) and synapses.groups == 1
    return is_conv and (type(pool) is nn.Identity or is_plain_pool(pool))


def _n_out(layer: Any) -> int:
    return len(layer.synapses.weight)


def _map_after(layer: Any, height: int, width: int) -> tuple[int, int]:
    if isinstance(layer.synapses, nn.Linear):
        return 1, 1
    side = getattr(layer.pool, "kernel_size", 1)
    return height // side, width // side


def _padded(n_channels: int) -> int:
    """Round a number of channels up to whole vectors."""
    return -(-n_channels // LANES) * LANES


def _zeros(*shape: int) -> Any:
    found = empty(math.prod(shape), np.float32).reshape(shape)
    found[...] = 0
    return found


def _pad(values: Any, n: int, axis: int) -> Any:
    """Copy an array, filled up with zeros to length n along an axis."""
    found = _zeros(*values.shape[:axis], n, *values.shape[axis + 1 :])
    found[tuple(map(slice, values.shape))] = values
    return found


def _by_pixel(weight: Tensor, shape: tuple[int, int], n_in: int) -> Any:
    """Reorder weights (K, C * H * W) of a flattened map for channels-last maps with padded channels."""
    by_map = weight.detach().numpy().reshape(len(weight), n_in, *shape).transpose(0, 2, 3, 1)
    return _pad(by_map, _padded(n_in), 3).reshape(len(weight), -1)
