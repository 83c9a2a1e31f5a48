"""Spiking networks by name, from small to paper size, that run all steps at once or one by one.

*Direct coding*: the image itself is the input current of every step. Nothing is copied over time: the first convolution
runs once per image and its result drives the first neurons at every step. *Event frames* differ from step to step,
so the first convolution runs at every step. A linear read-out without neurons turns the last spikes into logits
``o_t``; their running sum or mean is the network's evidence (DT-SNN, arXiv 2305.17346, Eq. 1).

A network that ends in maps averages them. Mean and read-out are both linear, so their order can be exchanged: the
read-out runs at every pixel, as a 1x1 convolution, so that it reads spikes, and its sums are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from spikewise._arguments import checks_arguments
from spikewise.errors import ParameterError, ShapeError

from .layers import SpikingLayer
from .neurons import LIFParams
from .norm import Norm, scale_to_threshold
from .pooling import Pooling
from .protocol import check_finite, select
from .resnet import RESNET, resnet_layers
from .spec import ModelSpec
from .vgg import VGG, ends_in_maps, vgg_layers

__all__ = ["ModelSpec", "NetworkState", "SpikingNetwork", "build_model", "select"]

_SUMMED_TOGETHER = 2**20  # numbers: bytes in double precision take eight times the memory


@dataclass(frozen=True, slots=True, eq=False)
class NetworkState:
    """State of a network between two steps: its input and all potentials.

    Parameters
    ----------
    drive : Tensor
        For an image, the weighted sums (B, C, H, W) that drive the first neurons at every step; for a recording, the
        remaining frames (T, B, C, H, W).
    is_static : bool
        Whether it is an image.
    potentials : tuple
        One per layer, a tensor (B, ...) or a tuple of them; empty before the first step.
    """

    drive: Tensor
    is_static: bool = True
    potentials: tuple[Any, ...] = ()

    def select(self, keep: Tensor) -> NetworkState:
        """Return the state of the samples where ``keep`` (B,) is true."""
        drive = self.drive[keep] if self.is_static else self.drive[:, keep]
        return NetworkState(drive, self.is_static, select(self.potentials, keep))


class SpikingNetwork(nn.Module):
    """Spiking layers and a linear read-out; build one with :func:`build_model`.

    ``mean`` and ``std`` hold one number per channel; images are normalised with them on the way in.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.layers, self.readout, self.average = _parts(spec)
        if spec.norm == "threshold":
            scale_to_threshold(self)
        if spec.trains_decay:
            from .decay import train_decay

            train_decay(self)
        self.register_buffer("mean", torch.zeros(spec.in_shape[0]))
        self.register_buffer("std", torch.ones(spec.in_shape[0]))

    def normalize_by(self, images: Tensor) -> None:
        """Set mean and standard deviation of each channel to those of these (training) images.

        Recordings (T, B, C, H, W) are only divided by their root mean square, so that a silent pixel stays silent. The
        divisor is at least 1/255, which is one event in frames that count events in bytes.
        """
        mean, mean_square = _moments(images)
        if images.ndim == 5:
            # With a mean of zero, the deviation below is the root mean square.
            mean.zero_()
        self.mean.copy_(mean)
        # The floor keeps a constant channel finite: one grey level of 255.
        self.std.copy_((mean_square - mean.square()).clamp(min=0).sqrt().clamp(min=1 / 255))

    def start(self, images: Tensor) -> NetworkState:
        """Return the state before the first step; for an image, this runs the first synapses.

        Parameters
        ----------
        images : Tensor of shape (B, C, H, W) or (T, B, C, H, W)
            Images, or recordings with a frame for each step; uint8, or floats in [0, 1].
        """
        if images.ndim not in (4, 5) or tuple(images.shape[-3:]) != self.spec.in_shape:
            raise ShapeError(
                f"images must have shape (B, {self.spec.in_shape}), or (T, B, {self.spec.in_shape}) if they are "
                f"recordings; got {tuple(images.shape)}."
            )
        if images.ndim == 5:
            return NetworkState(images, is_static=False)
        return NetworkState(self._first.sums(self._normalized(images)))

    def feed(self, state: NetworkState, frames: Tensor) -> NetworkState:
        """Return the state of a recording after its next frames (T, B, C, H, W) have arrived."""
        return replace(state, drive=torch.cat([state.drive, frames]))

    def advance(self, state: NetworkState, n_steps: int) -> tuple[Tensor, NetworkState]:
        """Return the logits (n_steps, B, K) of the next steps, and the state after them."""
        if n_steps < 1:
            raise ParameterError(f"n_steps must be at least 1; got {n_steps}.")
        layers = list(self.layers.values())
        # What a layer returns depends on the next one: spikes, or their means if it averages first.
        options = [_options(layer, reader) for layer, reader in zip(layers, [*layers[1:], None], strict=True)]
        before = state.potentials or (None,) * len(layers)
        spikes, v, drive = self._first_spikes(state, before[0], n_steps, options[0])
        after = [v]
        for layer, v, option in zip(layers[1:], before[1:], options[1:], strict=True):
            spikes, v = layer(spikes, v, **option)
            after.append(v)
        return self._logits(spikes), NetworkState(drive, state.is_static, tuple(after))

    def step(self, state: NetworkState) -> tuple[Tensor, NetworkState]:
        """Return the logits (B, K) of the next step, and the state after it."""
        outputs, state = self.advance(state, 1)
        return outputs[0], state

    def forward(self, images: Tensor, n_steps: int) -> Tensor:
        """Return the logits o_t of every step, shape (T, B, K), not accumulated."""
        return self.advance(self.start(images), n_steps)[0]

    def _first_spikes(
        self, state: NetworkState, v: Tensor | None, n_steps: int, options: dict[str, Any]
    ) -> tuple[Any, Tensor, Tensor]:
        """Return spikes (n_steps, B, ...) and potential of the first layer, and the input of the later steps."""
        if state.is_static:
            spikes, v = self._first.fire(state.drive[None], n_steps, v, **options)
            return spikes, v, state.drive
        if n_steps > len(state.drive):
            raise ParameterError(
                f"n_steps must be at most the {len(state.drive)} frames that are left; got {n_steps}. "
                "Bin the recordings into more frames."
            )
        spikes, v = self._first(self._normalized(state.drive[:n_steps]), v, **options)
        return spikes, v, state.drive[n_steps:]

    def _logits(self, spikes: Tensor) -> Tensor:
        outputs: Tensor
        if isinstance(self.readout, nn.Linear):
            outputs = self.readout(spikes.flatten(2))
            return outputs
        outputs = self.average(self.readout(spikes.flatten(0, 1)))
        return outputs.reshape(*spikes.shape[:2], -1)

    def _normalized(self, images: Tensor) -> Tensor:
        values = images if images.is_floating_point() else images.to(torch.float32) / 255
        found = (values - self.mean[:, None, None]) / self.std[:, None, None]
        found = found.to(self.mean.dtype)  # of the weights, which may have 16 bits
        # Channels last, the memory layout in which the fused layers write spikes.
        return found.flatten(0, -4).contiguous(memory_format=torch.channels_last).reshape(found.shape)

    @property
    def _first(self) -> SpikingLayer:
        layer = next(iter(self.layers.values()))
        assert isinstance(layer, SpikingLayer)
        return layer


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and mean square of each channel, scaled to the unit range; sums of bytes are exact."""
    n_channels, height, width = images.shape[-3:]
    sums = torch.zeros(2, n_channels, dtype=torch.float64, device=images.device)
    per_piece = max(1, _SUMMED_TOGETHER // (n_channels * height * width))
    for samples in images if images.ndim == 5 else images[None]:
        for piece in samples.split(per_piece):
            values = piece.double()
            sums += torch.stack([values.sum((0, 2, 3)), values.square().sum((0, 2, 3))])
    mean, mean_square = sums * n_channels / images.numel()
    white = 1 if images.is_floating_point() else 255
    return mean / white, mean_square / white**2


def _options(layer: nn.Module, reader: nn.Module | None) -> dict[str, Any]:
    """Return the arguments with which a layer is called, which depend on the layer that reads its spikes."""
    return {"means": True} if isinstance(reader, SpikingLayer) and reader.takes_means(layer) else {}


def check_built(network: Any) -> SpikingNetwork:
    """Return a network of :func:`build_model`, or raise ParameterError if it is another or holds NaN.

    What changes the layers of a network must know them all.
    """
    if not isinstance(network, SpikingNetwork) or not isinstance(network.spec, ModelSpec):
        raise ParameterError(
            f"network must be one of build_model; got {type(network).__name__}. Its layers would not be known."
        )
    check_finite(network)
    return network


def _parts(spec: ModelSpec) -> tuple[nn.ModuleDict, nn.Module, nn.Module]:
    """Build spiking layers, read-out, and the module that averages its sums over a map."""
    if spec.name in VGG:
        layers, n_features = vgg_layers(VGG[spec.name], spec.in_shape, spec.width, spec.neurons, spec.pooling)
    else:
        layers, n_features = resnet_layers(RESNET[spec.name], spec.in_shape, spec.width, spec.neurons)
    if spec.name in VGG and not ends_in_maps(VGG[spec.name]):
        return layers, nn.Linear(n_features, spec.n_classes), nn.Identity()
    return layers, nn.Conv2d(n_features, spec.n_classes, kernel_size=1), nn.AdaptiveAvgPool2d(1)


@checks_arguments
def build_model(
    name: str,
    in_shape: tuple[int, int, int],
    n_classes: int,
    *,
    width: float = 1.0,
    neurons: LIFParams | None = None,
    norm: Norm = "batch",
    trains_decay: bool = False,
    pooling: Pooling = "max",
    seed: int = 0,
) -> SpikingNetwork:
    """Build a spiking network with fresh weights.

    Parameters
    ----------
    name : {"vgg5", "vgg7", "vgg9", "vgg11", "vgg16", "resnet18", "resnet19"}
        Architecture.
    in_shape : tuple of int
        Channels, height and width of an image, or of one frame of events.
    n_classes : int
        Classes, at least 2.
    width : float
        Factor on all channel counts.
    neurons : LIFParams, optional
        Shared by all layers.
    norm : {"batch", "threshold"}
        How normalisation begins; see :mod:`spikewise.network.norm`.
    trains_decay : bool
        Whether each layer learns its decay; that of ``neurons`` is where it begins.
    pooling : {"max", "average"}
        How a VGG halves the sums before its neurons. A ResNet halves by strides, and its shortcuts by means.
    seed : int
        Seed of the weights; torch's own random state does not change.

    Examples
    --------
    >>> model = build_model("vgg5", (1, 8, 8), 10, width=0.25)
    >>> tuple(model(torch.zeros(3, 1, 8, 8), n_steps=4).shape)
    (4, 3, 10)

    Three recordings of six event frames each, of which the first four are run:

    >>> model = build_model("resnet19", (2, 8, 8), 10, width=0.1)
    >>> tuple(model(torch.zeros(6, 3, 2, 8, 8), n_steps=4).shape)
    (4, 3, 10)
    """
    neurons = LIFParams() if neurons is None else neurons
    spec = ModelSpec(name, in_shape, n_classes, width, neurons, norm, trains_decay, pooling)
    return build_from(spec, seed)


def build_from(spec: ModelSpec, seed: int = 0) -> SpikingNetwork:
    """Build the network of a specification; see :func:`build_model`."""
    # No devices: weights are drawn on the CPU, and saving the states of GPUs would initialise CUDA.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SpikingNetwork(spec)
