"""Spiking networks of the VGG family, small to paper size, that run at once or step by step.

*Direct coding*: the image itself is the input current of every step. Nothing is copied over time: the
first convolution runs once per image and its result drives the first neurons at every step. A linear
read-out without neurons turns the last spikes into logits ``o_t``; their running sum or mean is the
network's evidence (DT-SNN, arXiv 2305.17346, Eq. 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from spikewise.errors import DataError, ParameterError, ShapeError, unknown_name

from .layers import SpikingLayer, conv_layer, linear_layer
from .neurons import LIFParams

# Channels of each 3x3 convolution at width 1; "P" halves the map of the convolution before it; "F" is a
# fully connected layer. vgg16 is the body of configuration D (arXiv 1409.1556) with four poolings, as in DT-SNN.
_VGG: dict[str, tuple[int | str, ...]] = {
    "vgg5": (32, "P", 64, 64, "P", "F128"),
    "vgg9": (64, 64, "P", 128, 128, "P", 256, 256, "P", "F1024"),
    "vgg16": (64, 64, "P", 128, 128, "P", 256, 256, 256, "P", 512, 512, 512, "P", 512, 512, 512),
}


def _smallest_side(name: str) -> int:
    """Height and width that a model halves down to one pixel."""
    return 1 << _VGG[name].count("P")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """All that is needed to build a network again, apart from its weights.

    Parameters
    ----------
    name : {"vgg5", "vgg9", "vgg16"}
        Architecture.
    in_shape : tuple of int
        Channels, height and width of an image.
    n_classes : int
        Classes, at least 2.
    width : float
        Factor on all channel counts.
    neurons : LIFParams
        Shared by all layers.
    """

    name: str
    in_shape: tuple[int, int, int]
    n_classes: int
    width: float = 1.0
    neurons: LIFParams = field(default_factory=LIFParams)

    def __post_init__(self) -> None:
        if self.name not in _VGG:
            raise unknown_name("model", self.name, _VGG)
        object.__setattr__(self, "in_shape", tuple(self.in_shape))
        if len(self.in_shape) != 3 or min(self.in_shape) < 1:
            raise ParameterError(f"in_shape must be (channels, height, width), each at least 1; got {self.in_shape}.")
        if self.n_classes < 2:
            raise ParameterError(f"n_classes must be at least 2; got {self.n_classes}. Give images of a second class.")
        if not 0 < self.width <= 16:
            raise ParameterError(f"width must lie in (0, 16]; got {self.width}.")
        side, given = _smallest_side(self.name), min(self.in_shape[1:])
        if given < side:
            others = [name for name in _VGG if _smallest_side(name) <= given]
            advice = f"Scale them up, or take {' or '.join(others)}." if others else "Scale them up."
            raise ParameterError(f"{self.name} needs images of at least {side}x{side}; got {self.in_shape}. {advice}")

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, ready for JSON."""
        values = {key: getattr(self, key) for key in ("name", "n_classes", "width")}
        return {**values, "in_shape": list(self.in_shape), "neurons": self.neurons.to_dict()}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> ModelSpec:
        """Inverse of :meth:`to_dict`; raises DataError if an entry is missing, unknown or impossible."""
        try:
            return cls(**{**raw, "neurons": LIFParams.from_dict(raw["neurons"])})
        except (KeyError, TypeError, ParameterError) as error:
            raise DataError(f"the model has a missing, unknown or impossible entry; {error}") from None


@dataclass(frozen=True, slots=True, eq=False)
class NetworkState:
    """A network in mid-run: the constant current of its first neurons and all potentials.

    Parameters
    ----------
    drive : Tensor of shape (B, C, H, W)
        What the first neurons receive at every step.
    potentials : tuple of Tensor (B, ...)
        One per spiking layer; empty before the first step.
    """

    drive: Tensor
    potentials: tuple[Tensor, ...] = ()


def select(state: NetworkState, keep: Tensor) -> NetworkState:
    """State of the samples where ``keep`` (B,) is true: how a batch shrinks."""
    return NetworkState(state.drive[keep], tuple(v[keep] for v in state.potentials))


class SpikingNetwork(nn.Module):
    """Spiking layers and a linear read-out; build one with :func:`build_model`.

    ``mean`` and ``std`` hold one number per channel; images are normalised with them on the way in.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.layers, n_features = _spiking_layers(spec)
        self.readout = nn.Linear(n_features, spec.n_classes)
        self.register_buffer("mean", torch.zeros(spec.in_shape[0]))
        self.register_buffer("std", torch.ones(spec.in_shape[0]))

    def normalize_by(self, images: Tensor) -> None:
        """Take over mean and standard deviation of each channel of these (training) images."""
        values = _unit_range(images)
        self.mean.copy_(values.mean((0, 2, 3)))
        # The floor keeps a constant channel finite: one grey level of 255.
        self.std.copy_(values.std((0, 2, 3), correction=0).clamp(min=1 / 255))

    def start(self, images: Tensor) -> NetworkState:
        """State before the first step: runs the first synapses, once.

        Parameters
        ----------
        images : Tensor of shape (B, C, H, W)
            uint8, or floats in [0, 1].
        """
        if images.ndim != 4 or tuple(images.shape[1:]) != self.spec.in_shape:
            raise ShapeError(f"images must have shape (B, {self.spec.in_shape}); got {tuple(images.shape)}.")
        mean, std = self.mean[:, None, None], self.std[:, None, None]
        return NetworkState(self._first.current((_unit_range(images) - mean) / std))

    def advance(self, state: NetworkState, n_steps: int) -> tuple[Tensor, NetworkState]:
        """Logits (n_steps, B, K) of the next steps, and the state after them."""
        if n_steps < 1:
            raise ParameterError(f"n_steps must be at least 1; got {n_steps}.")
        before = state.potentials or (None,) * len(self.layers)
        # expand makes a view: the drive is not copied over time.
        spikes, v = self._first.neurons(state.drive.expand(n_steps, *state.drive.shape), before[0])
        after = [v]
        for layer, v in zip(list(self.layers.values())[1:], before[1:], strict=True):
            spikes, v = layer(spikes, v)
            after.append(v)
        outputs: Tensor = self.readout(spikes.flatten(2))
        return outputs, NetworkState(state.drive, tuple(after))

    def step(self, state: NetworkState) -> tuple[Tensor, NetworkState]:
        """Logits (B, K) of the next step, and the state after it."""
        outputs, state = self.advance(state, 1)
        return outputs[0], state

    def forward(self, images: Tensor, n_steps: int) -> Tensor:
        """Logits o_t of every step, shape (T, B, K), not accumulated."""
        return self.advance(self.start(images), n_steps)[0]

    @property
    def _first(self) -> SpikingLayer:
        layer = next(iter(self.layers.values()))
        assert isinstance(layer, SpikingLayer)
        return layer


def _unit_range(images: Tensor) -> Tensor:
    return images if images.is_floating_point() else images.to(torch.float32) / 255


def _spiking_layers(spec: ModelSpec) -> tuple[nn.ModuleDict, int]:
    """Layers of a VGG table by name, and the number of features they end in."""
    layers = nn.ModuleDict()
    channels, height, width = spec.in_shape
    table = _VGG[spec.name]
    for entry, following in zip(table, [*table[1:], None], strict=True):
        if entry == "P":
            height, width = height // 2, width // 2
        elif isinstance(entry, int):
            n_out = max(1, round(entry * spec.width))
            pool = 2 if following == "P" else 1
            layers[f"conv{len(layers) + 1}"] = conv_layer(channels, n_out, spec.neurons, pool)
            channels = n_out
        else:
            n_out = max(1, round(int(entry[1:]) * spec.width))
            layers[f"linear{len(layers) + 1}"] = linear_layer(channels * height * width, n_out, spec.neurons)
            channels, height, width = n_out, 1, 1
    return layers, channels * height * width


def build_model(
    name: str,
    in_shape: tuple[int, int, int],
    n_classes: int,
    *,
    width: float = 1.0,
    neurons: LIFParams | None = None,
    seed: int = 0,
) -> SpikingNetwork:
    """Build a spiking network with fresh weights.

    Parameters
    ----------
    name : {"vgg5", "vgg9", "vgg16"}
        Architecture.
    in_shape : tuple of int
        Channels, height and width of an image.
    n_classes : int
        Classes, at least 2.
    width : float
        Factor on all channel counts.
    neurons : LIFParams, optional
        Shared by all layers.
    seed : int
        Of the weights; torch's own random state is left as it was.

    Examples
    --------
    >>> model = build_model("vgg5", (1, 8, 8), 10, width=0.25)
    >>> tuple(model(torch.zeros(3, 1, 8, 8), n_steps=4).shape)
    (4, 3, 10)
    """
    spec = ModelSpec(name, in_shape, n_classes, width, LIFParams() if neurons is None else neurons)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SpikingNetwork(spec)
