r"""How maps of sums are halved: by the largest of each square, or by their mean, which has a shorter way.

The mean of neighbouring sums and the sums themselves are both linear operations, so they may change places: average
each pixel of the *input* with its neighbours, and compute the sums at every second pixel alone. With a kernel w,

.. math:: \frac14\sum_{a \in \{0,1\}^2} \sum_k w_k\,x_{2i + a + k}
          = \sum_k w_k\,\bar x_{2i + k}, \qquad \bar x_j = \frac14\sum_{a \in \{0,1\}^2} x_{j + a} .

That is a quarter of the multiplications forward and backward, and sums that would only be averaged are never written.
Means of four spikes are exact in every floating-point type. A layer on a chip reads the spikes themselves, so networks
are recorded and priced the long way: as soon as somebody watches the convolution or puts another in its place.

The largest has no such way, but training need remember neither the four numbers nor their 64-bit positions, as PyTorch
does: two bytes for every four sums are enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, autograd, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from spikewise._vector import LANES

from .arrays import each_part, empty, flat, tensor_of
from .kernels.largest import gradient_of_largest, largest_of_squares
from .kernels.means import means_of_squares

Pooling = Literal["max", "average"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)

_SIDE = 2
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@dataclass(frozen=True, slots=True, eq=False)
class SquareMeans:
    """What a layer hands on in place of spikes (T, B, C, H, W) if the next one pools: their :func:`square_means`."""

    values: Tensor


def pool_of(side: int, pooling: Pooling) -> nn.Module:
    """What is left of each square of this side: its largest number, or the mean; of side 1, all.

    Examples
    --------
    >>> import torch
    >>> x = torch.arange(4.0).reshape(1, 1, 2, 2)
    >>> [pool_of(2, pooling)(x).item() for pooling in POOLINGS]
    [3.0, 1.5]
    """
    if side == 1:
        return nn.Identity()
    return nn.MaxPool2d(side) if pooling == "max" else nn.AvgPool2d(side)


def pooled_sums(x: Tensor, synapses: nn.Module, pool: nn.Module) -> Tensor:
    """``pool(synapses(x))``, by the short way where there is one.

    Examples
    --------
    >>> import torch
    >>> x, conv, pool = torch.rand(2, 3, 6, 6), nn.Conv2d(3, 4, 3, padding=1), nn.AvgPool2d(2)
    >>> torch.allclose(pooled_sums(x, conv, pool), pool(conv(x)), atol=1e-6)
    True
    """
    if may_exchange(synapses, pool):
        return sums_of_means(square_means(x), synapses)
    return pooled(synapses(x), pool)


def pooled(sums: Tensor, pool: Any) -> Tensor:
    """``pool(sums)``; the largest of squares on a CPU without keeping the sums for the way back.

    Then the result lies channels-last in memory, and has one derivative, not two.

    Examples
    --------
    >>> sums = torch.rand(2, 16, 5, 5)
    >>> torch.equal(pooled(sums, nn.MaxPool2d(2)), nn.MaxPool2d(2)(sums))
    True
    """
    found: Tensor = _Largest.apply(sums) if _takes_largest(sums, pool) else pool(sums)  # type: ignore[no-untyped-call]
    return found


def square_means(x: Tensor) -> Tensor:
    """Mean of each pixel and its three neighbours above and before, (M, C, H + 1, W + 1) of (M, C, H, W).

    Outside all is zero.

    Examples
    --------
    >>> square_means(torch.ones(1, 1, 2, 2))[0, 0].tolist()
    [[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]]
    """
    if _is_compiled():
        return functional.avg_pool2d(x, _SIDE, stride=1, padding=1)
    means: Tensor = _Means.apply(x)  # type: ignore[no-untyped-call]
    return means


def sums_of_means(means: Tensor, synapses: Any) -> Tensor:
    """Pooled sums of a convolution from square means."""
    return functional.conv2d(means, synapses.weight, synapses.bias, stride=_SIDE, groups=synapses.groups)


def may_exchange(synapses: Any, pool: Any) -> bool:
    """Whether these are a 3x3 convolution that keeps the map and a mean over 2x2, both torch's own and unwatched."""
    return is_plain_conv(synapses) and type(pool) is nn.AvgPool2d and is_plain_pool(pool)


def is_plain_conv(synapses: Any) -> bool:
    """Whether this is torch's own 3x3 convolution that keeps the map, and nobody watches it."""
    if type(synapses) is not nn.Conv2d or is_watched(synapses):
        return False
    shape = synapses.kernel_size, synapses.padding, synapses.stride, synapses.dilation, synapses.padding_mode
    return shape == ((3, 3), (1, 1), (1, 1), (1, 1), "zeros")


def is_plain_pool(pool: Any) -> bool:
    """Whether this is torch's own pooling over squares of 2x2, and nobody watches it."""
    if type(pool) not in (nn.MaxPool2d, nn.AvgPool2d) or is_watched(pool):
        return False
    others = (pool.dilation, pool.return_indices) if type(pool) is nn.MaxPool2d else (1, pool.divisor_override or False)
    shape = pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode, *others
    return shape == (_SIDE, _SIDE, 0, False, 1, False)


def is_watched(*modules: nn.Module) -> bool:
    """Whether somebody hooked any of these modules, or all modules, or put another ``forward`` in its place."""
    if any(getattr(nn.modules.module, f"_global{name}") for name in _HOOKS):
        return True
    return any("forward" in vars(each) or any(getattr(each, name) for name in _HOOKS) for each in modules)


def _is_compiled() -> bool:
    """Whether torch's own compiler looks, which cannot read ours."""
    return torch.compiler.is_compiling() or torch._C._is_tracing()


def _has_loops(x: Tensor) -> bool:
    """Whether compiled loops take such numbers."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16)


def _takes_largest(sums: Tensor, pool: Any) -> bool:
    """Whether this is torch's own pooling over 2x2, unwatched, of maps that our loops take."""
    if type(pool) is not nn.MaxPool2d or not is_plain_pool(pool) or _is_compiled() or type(sums) is not Tensor:
        return False
    if torch._C._are_functorch_transforms_active():
        return False
    return _has_loops(sums) and sums.ndim == 4 and sums.shape[1] >= LANES and min(sums.shape[2:]) >= _SIDE


class _Largest(autograd.Function):
    """The largest of each square; where it was is kept if a gradient is asked for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        n_maps, n_channels, height, width = x.shape
        shape = n_maps, height // _SIDE, width // _SIDE, n_channels
        values = flat(x.permute(0, 2, 3, 1))
        found = empty(math.prod(shape), values.dtype)
        places = empty(len(found) if ctx.needs_input_grad[0] else 0, np.uint16)
        each_part(
            n_maps,
            lambda _, begin, end: largest_of_squares(values, found, places, height, width, n_channels, begin, end),
        )
        ctx.shape = x.shape
        ctx.save_for_backward(torch.from_numpy(places))
        return tensor_of(found, shape).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        n_maps, n_channels, height, width = ctx.shape
        values, places = flat(grads[0].permute(0, 2, 3, 1)), ctx.saved_tensors[0].numpy()
        found = empty(n_maps * height * width * n_channels, values.dtype)
        if height % _SIDE or width % _SIDE:
            found[:] = 0
        each_part(
            n_maps,
            lambda _, begin, end: gradient_of_largest(values, places, found, height, width, n_channels, begin, end),
        )
        return tensor_of(found, (n_maps, height, width, n_channels)).permute(0, 3, 1, 2)


class _Means(autograd.Function):
    """Square means, and the same of their gradient without the border."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _means(x, border=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return _means(grads[0], border=0)


def _means(x: Tensor, border: int) -> Tensor:
    n_maps, n_channels, height, width = x.shape
    n_rows, n_columns = height + 2 * border - 1, width + 2 * border - 1
    if not _has_loops(x) or min(width, n_columns) * n_channels < LANES:
        return functional.avg_pool2d(x, _SIDE, stride=1, padding=border)
    values = flat(x.permute(0, 2, 3, 1))
    found = empty(n_maps * n_rows * n_columns * n_channels, values.dtype)
    each_part(
        n_maps,
        lambda _, begin, end: means_of_squares(values, found, height, width, n_channels, border, begin, end),
    )
    return tensor_of(found, (n_maps, n_rows, n_columns, n_channels)).permute(0, 3, 1, 2)
