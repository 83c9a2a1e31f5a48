r"""Pooling of maps of sums: the maximum of each 2x2 square, or the mean, which has a cheaper form.

The mean of neighbouring sums and the sums themselves are both linear, so their order can be exchanged: average each
pixel of the *input* with its neighbours, and compute the sums only at every second pixel. With a kernel w,

.. math:: \frac14\sum_{a \in \{0,1\}^2} \sum_k w_k\,x_{2i + a + k}
          = \sum_k w_k\,\bar x_{2i + k}, \qquad \bar x_j = \frac14\sum_{a \in \{0,1\}^2} x_{j + a} .

That is a quarter of the multiplications forward and backward, and sums that would only be averaged are never written.
Means of four spikes are exact in every floating-point type. A layer on a chip reads the spikes themselves, so the
direct form is used as soon as a hook watches the convolution, as in recording, or another module replaces it.

The maximum has no such form. But training need not keep the four numbers and their 64-bit positions, as PyTorch does:
two bytes for every four sums are enough.
"""

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
    """What a layer passes instead of spikes (T, B, C, H, W) if the next one averages: :func:`square_means`."""

    values: Tensor


def pool_of(side: int, pooling: Pooling) -> nn.Module:
    """Build the pooling over squares of this side, by maximum or mean; side 1 changes nothing.

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
    """Return ``pool(synapses(x))``, computed in the cheaper form where there is one.

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
    """Return ``pool(sums)``; on a CPU, maximum pooling does not keep the sums for backward.

    The result is then channels-last in memory, and can be differentiated once, not twice.

    Examples
    --------
    >>> sums = torch.rand(2, 16, 5, 5)
    >>> torch.equal(pooled(sums, nn.MaxPool2d(2)), nn.MaxPool2d(2)(sums))
    True
    """
    found: Tensor = _Largest.apply(sums) if _takes_largest(sums, pool) else pool(sums)  # type: ignore[no-untyped-call]
    return found


def square_means(x: Tensor) -> Tensor:
    """Average each pixel with its three neighbours above and to the left: (M, C, H + 1, W + 1) of (M, C, H, W).

    Outside the map everything is zero.

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
    """Compute the pooled sums of a convolution from square means."""
    return functional.conv2d(means, synapses.weight, synapses.bias, stride=_SIDE, groups=synapses.groups)


def may_exchange(synapses: Any, pool: Any) -> bool:
    """Whether these are torch's own 3x3 convolution of equal size and 2x2 mean, both without hooks."""
    return is_plain_conv(synapses) and type(pool) is nn.AvgPool2d and is_plain_pool(pool)


def is_plain_conv(synapses: Any) -> bool:
    """Whether this is torch's own 3x3 convolution that keeps the size of the map, without hooks."""
    if type(synapses) is not nn.Conv2d or is_watched(synapses):
        return False
    shape = synapses.kernel_size, synapses.padding, synapses.stride, synapses.dilation, synapses.padding_mode
    return shape == ((3, 3), (1, 1), (1, 1), (1, 1), "zeros")


def is_plain_pool(pool: Any) -> bool:
    """Whether this is torch's own pooling over squares of 2x2, without hooks."""
    if type(pool) not in (nn.MaxPool2d, nn.AvgPool2d) or is_watched(pool):
        return False
    # Options that only one of the two kinds has, against their defaults 1 and False.
    others = (pool.dilation, pool.return_indices) if type(pool) is nn.MaxPool2d else (1, pool.divisor_override or False)
    shape = pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode, *others
    return shape == (_SIDE, _SIDE, 0, False, 1, False)


def is_watched(*modules: nn.Module) -> bool:
    """Whether any of these modules, or all modules, have a hook or a replaced ``forward``."""
    if any(getattr(nn.modules.module, f"_global{name}") for name in _HOOKS):
        return True
    # A ``forward`` among the attributes of an instance hides that of its class.
    return any("forward" in vars(each) or any(getattr(each, name) for name in _HOOKS) for each in modules)


def _is_compiled() -> bool:
    """Whether torch compiles or traces the call: it cannot see into our compiled loops."""
    return torch.compiler.is_compiling() or torch._C._is_tracing()


def _has_loops(x: Tensor) -> bool:
    """Whether the compiled loops accept the device and number type of a tensor."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16)


def _takes_largest(sums: Tensor, pool: Any) -> bool:
    """Whether our loops can do this pooling: torch's own 2x2 maximum, without hooks, on large enough maps."""
    if type(pool) is not nn.MaxPool2d or not is_plain_pool(pool) or _is_compiled() or type(sums) is not Tensor:
        return False
    # Inside vmap or jvp a tensor is a wrapper without memory that NumPy could read.
    if torch._C._are_functorch_transforms_active():
        return False
    return _has_loops(sums) and sums.ndim == 4 and sums.shape[1] >= LANES and min(sums.shape[2:]) >= _SIDE


class _Largest(autograd.Function):
    """Maximum of each square; its place is kept only if a gradient is needed."""

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
        # The loop does not write a last row or column that belongs to no square.
        if height % _SIDE or width % _SIDE:
            found[:] = 0
        each_part(
            n_maps,
            lambda _, begin, end: gradient_of_largest(values, places, found, height, width, n_channels, begin, end),
        )
        return tensor_of(found, (n_maps, height, width, n_channels)).permute(0, 3, 1, 2)


class _Means(autograd.Function):
    """Square means; their gradient is the same operation without the border."""

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
    # A row of the loops must be at least one vector long.
    if not _has_loops(x) or min(width, n_columns) * n_channels < LANES:
        return functional.avg_pool2d(x, _SIDE, stride=1, padding=border)
    values = flat(x.permute(0, 2, 3, 1))
    found = empty(n_maps * n_rows * n_columns * n_channels, values.dtype)
    each_part(
        n_maps,
        lambda _, begin, end: means_of_squares(values, found, height, width, n_channels, border, begin, end),
    )
    return tensor_of(found, (n_maps, n_rows, n_columns, n_channels)).permute(0, 3, 1, 2)
