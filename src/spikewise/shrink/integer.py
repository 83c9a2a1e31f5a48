"""Run a fixed-point network with integers alone, event by event: zero inputs are skipped.

A microcontroller or a digital chip would compute in this way. It also verifies
:class:`~spikewise.shrink.fixed.FixedNetwork`: both give the same counts, bit for bit.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import nn

from spikewise._arguments import checks_arguments
from spikewise._gates import MOST_STEPS, as_array
from spikewise.errors import ShapeError, whole_number

from .fixed import DECAY_BITS, FixedLayer, FixedNetwork, FixedShortcut
from .kernels import add_events

Ints = NDArray[np.int64]


@checks_arguments
def run_integer(network: FixedNetwork, images: ArrayLike, n_steps: int) -> Ints:
    """Compute the counts of every class at every step, not accumulated, with integer arithmetic alone.

    Parameters
    ----------
    network : FixedNetwork
        The network.
    images : uint8 array of shape (B, C, H, W) or (T, B, C, H, W)
        Images, or recordings with a frame for each step.
    n_steps : int
        Timesteps T.

    Returns
    -------
    int array of shape (T, B, K)
        Scores in units of ``network.scale``.

    Examples
    --------
    >>> import torch
    >>> from spikewise.network import build_model
    >>> from spikewise.shrink import FixedFormat, shrink_network
    >>> images = np.random.default_rng(0).integers(0, 256, (16, 1, 8, 8), dtype=np.uint8)
    >>> fixed = shrink_network(build_model("vgg5", (1, 8, 8), 10, width=0.25), FixedFormat(), images, n_steps=4)
    >>> counts = run_integer(fixed, images, n_steps=4)
    >>> bool((torch.as_tensor(counts) * fixed.scale == fixed(torch.as_tensor(images), 4)).all())
    True
    """
    values = as_array(images, "images")
    is_right = values.dtype == np.uint8 and values.ndim in (4, 5) and values.shape[-3:] == network.spec.in_shape
    if not is_right or not values.size:
        raise ShapeError(
            f"images must be bytes of shape (B, {network.spec.in_shape}), or (T, B, {network.spec.in_shape}) if they "
            f"are recordings; got {values.dtype} of shape {values.shape}."
        )
    n_steps = whole_number("n_steps", n_steps, 1, len(values) if values.ndim == 5 else MOST_STEPS)
    # Channels last: the sums that one event changes are then neighbours in memory.
    pixels = np.moveaxis(values.astype(np.int64) - _ints(network.mean)[:, None, None], -3, -1)
    layers = [
        _Population(layer) if isinstance(layer, FixedLayer) else _Block(layer) for layer in network.layers.values()
    ]
    readout, scores = _Synapses(network.readout), []
    for step in range(n_steps):
        x = pixels[step] if values.ndim == 5 else pixels
        for layer in layers:
            x = layer.run(x)
        scores.append((readout.sums(x) + _ints(network.readout.bias)).sum((1, 2)))
    return np.stack(scores)


def _ints(values: Any) -> Ints:
    return np.asarray(values.detach().cpu().numpy(), np.int64)


class _Synapses:
    """Weights as (height, width, in, out), with stride, padding and pooling."""

    def __init__(self, synapses: Any, pool: nn.Module | None = None) -> None:
        weights = _ints(synapses.weight)
        self.is_linear = weights.ndim == 2
        weights = weights[:, :, None, None] if self.is_linear else weights
        self.weights = np.ascontiguousarray(weights.transpose(2, 3, 1, 0), np.int32)
        self.stride = 1 if self.is_linear else synapses.stride[0]
        self.padding = 0 if self.is_linear else synapses.padding[0]
        self.pool = pool

    def sums(self, x: Ints) -> Ints:
        """Return the weighted sums (B, H, W, C) of inputs (B, H, W, n_in)."""
        # Weights of a linear layer expect maps flattened with channels first, as torch does.
        if self.is_linear and x.shape[1:3] != (1, 1):
            x = np.moveaxis(x, -1, 1).reshape(len(x), 1, 1, -1)
        size, edge = self.weights.shape[0], 2 * self.padding
        shape = [(side + edge - size) // self.stride + 1 for side in x.shape[1:3]]
        out = np.zeros((len(x), *shape, self.weights.shape[3]), np.int32)
        add_events(np.ascontiguousarray(x, np.int32), self.weights, self.stride, self.padding, out)
        return out.astype(np.int64)

    def currents(self, x: Ints, shifts: Ints) -> Ints:
        """Return the pooled sums, shifted into the units of the neurons."""
        sums = self.sums(x)
        if isinstance(self.pool, nn.MaxPool2d):
            sums = _pooled(sums, self.pool, np.maximum)
        elif isinstance(self.pool, nn.AvgPool2d):
            # Means: windows hold 1, 2 or 4 sums, so the division is a shift too.
            sizes = _pooled(np.ones_like(sums[:1, ..., :1]), self.pool, np.add)
            sums, shifts = _pooled(sums, self.pool, np.add), shifts - np.log2(sizes).astype(np.int64)
        return _shifted(sums, shifts)


def _pooled(sums: Ints, pool: Any, combine: np.ufunc) -> Ints:
    """Combine the sums (B, H, W, C) within each window; with ``ceil_mode`` those at the edge may be smaller."""
    side = pool.kernel_size
    if not pool.ceil_mode:
        sums = sums[:, : sums.shape[1] // side * side, : sums.shape[2] // side * side]
    for axis in (1, 2):
        lines = sums.swapaxes(0, axis)
        found = lines[::side].copy()
        for first in range(1, side):
            others = lines[first::side]
            combine(found[: len(others)], others, out=found[: len(others)])
        sums = found.swapaxes(0, axis)
    return sums


def _shifted(values: Ints, shifts: Ints) -> Ints:
    """Shift to the left, or to the right with rounding to nearest, halves up, as in :mod:`spikewise.shrink.fixed`."""
    left, right = np.maximum(shifts, 0), np.maximum(-shifts, 0)
    half = np.where(right > 0, 1 << np.maximum(right - 1, 0), 0)
    return ((values << left) + half) >> right


class _Population:
    """Synapses and neurons of one layer, with their potentials."""

    def __init__(self, layer: FixedLayer) -> None:
        self.synapses = _Synapses(layer.synapses, layer.pool)
        # With the names of FixedLIF: shift, sign, bias, threshold, v_reset, decay, limit.
        self.neurons = SimpleNamespace(**{key: _ints(values) for key, values in layer.neurons.named_buffers()})
        self.is_soft = layer.neurons.params.reset == "soft"
        self.v: Ints | int = 0

    def run(self, x: Ints, residual: Ints | None = None) -> Ints:
        """Return the spikes of one step."""
        # Clipped after each addition, in the order of FixedLIF: another order gives other results where it saturates.
        own = self.neurons
        current = self.held(own.sign * self.synapses.currents(x, own.shift) + own.bias)
        if residual is not None:
            current = self.held(current + residual)
        u = self.held(((own.decay * self.v + (1 << (DECAY_BITS - 1))) >> DECAY_BITS) + current)
        fired = u >= own.threshold
        self.v = np.where(fired, u - own.threshold if self.is_soft else own.v_reset, u)
        return np.asarray(fired, np.int64)

    def held(self, values: Ints) -> Ints:
        """Clip numbers to the bits of a potential."""
        limit: Ints = self.neurons.limit
        return np.clip(values, -limit, limit - 1)


class _Block:
    """A residual block: two populations and a shortcut."""

    def __init__(self, block: Any) -> None:
        self.first, self.second = _Population(block.conv1), _Population(block.conv2)
        self.shortcut, self.synapses = block.shortcut, None
        if isinstance(block.shortcut, FixedShortcut):
            self.synapses = _Synapses(block.shortcut.synapses, block.shortcut.pool)

    def run(self, x: Ints) -> Ints:
        """Return the spikes of one step."""
        if self.synapses is None:
            residual = x * _ints(self.shortcut.worth)
        else:
            residual = self.second.held(self.synapses.currents(x, _ints(self.shortcut.shift)))
        return self.second.run(self.first.run(x), residual)
