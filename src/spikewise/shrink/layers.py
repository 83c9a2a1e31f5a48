"""Access to the layers of a network for quantization: synapses and normalisations by name, largest potentials."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from spikewise.network.fused.batch_norm import BatchNorm, line, of_running
from spikewise.network.layers import SpikingLayer
from spikewise.network.models import SpikingNetwork, check_built
from spikewise.network.neurons import lif_step
from spikewise.network.resnet import Shortcut

READOUT = "readout"


def layer_names(network: SpikingNetwork) -> list[str]:
    """Return the names of all layers with synapses, in order.

    Examples
    --------
    >>> from spikewise.network import build_model
    >>> layer_names(build_model("vgg5", (1, 8, 8), 10))
    ['conv1', 'conv2', 'conv3', 'linear4', 'readout']
    """
    return [*synapses_of(network)]


def synapses_of(network: SpikingNetwork) -> dict[str, nn.Module]:
    """Return every convolution and linear layer by name."""
    found = {name: module.synapses for name, module in normalized_layers(check_built(network)).items()}
    return {**found, READOUT: network.readout}


def normalized_layers(network: SpikingNetwork) -> dict[str, Any]:
    """Return every layer with a normalisation by name: spiking layers, and shortcuts of a residual network."""
    return {
        name.removeprefix("layers."): module
        for name, module in network.named_modules()
        if isinstance(module, SpikingLayer | Shortcut)
    }


def line_of(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """Return scale and shift (C,) of a normalisation in inference, as float64."""
    scale, shift = line(norm, *of_running(norm))
    return scale.detach().double(), shift.detach().double()


@contextmanager
def frozen_norms(network: SpikingNetwork) -> Iterator[None]:
    """Freeze statistics and scale of every normalisation while the block runs; its shift may still be trained."""
    norms = [layer.norm for layer in normalized_layers(network).values()]
    for norm in norms:
        norm.eval()
        norm.weight.requires_grad_(False)
        # Training calls network.train(), which would let the normalisation measure batches again.
        norm.train = lambda mode=True, norm=norm: norm
    try:
        yield
    finally:
        for norm in norms:
            del norm.train
            norm.weight.requires_grad_(True)


@torch.no_grad()
def largest_potentials(
    network: SpikingNetwork, images: Tensor, n_steps: int, batch_size: int = 64
) -> dict[str, Tensor]:
    """Return the largest absolute potential or current of each channel, before resets, of every layer with neurons.

    Parameters
    ----------
    network : SpikingNetwork
        Network in eval mode.
    images : Tensor of shape (B, C, H, W) or (T, B, C, H, W)
        Typical samples.
    n_steps : int
        Timesteps.
    batch_size : int
        Images that run together.
    """
    layers = {key: each for key, each in normalized_layers(network).items() if isinstance(each, SpikingLayer)}
    found: dict[str, Tensor] = {}
    for name, layer in layers.items():
        # In the instance's dictionary, which hides the method of the class until it is deleted below.
        vars(layer.neurons)["forward"] = _watching(layer, found, name)
    try:
        for batch in torch.split(images, batch_size, images.ndim - 4):
            network(batch, n_steps)
    finally:
        for layer in layers.values():
            del vars(layer.neurons)["forward"]
    return found


def _watching(layer: SpikingLayer, found: dict[str, Tensor], name: str) -> Any:
    """Return a forward pass of neurons, step by step, that records the largest potential and current."""

    def forward(
        sums: Tensor, v0: Tensor | None, norm: BatchNorm, n_steps: int, residual: Tensor | None = None,
        *, means: bool = False,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        assert not means  # nobody asks for means while a forward is replaced
        params = layer.neurons.current_params()
        currents = norm(sums.flatten(0, 1)).reshape(sums.shape).expand(n_steps, *sums.shape[1:])
        currents = currents if residual is None else currents + residual
        v = torch.zeros_like(currents[0]) if v0 is None else v0
        spikes, axes = [], [axis for axis in range(v.ndim) if axis != 1]
        for current in currents:
            largest = torch.maximum((params.decay * v + current).abs(), current.abs()).amax(axes)
            found[name] = torch.maximum(found.get(name, largest), largest)
            fired, v = lif_step(current, v, params)
            spikes.append(fired)
        return torch.stack(spikes), v

    return forward
