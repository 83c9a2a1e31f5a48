r"""Average pooling of a convolution's sums, by a shorter way to the same numbers.

Pooling averages the sums of neighbouring pixels, and both operations are linear, so they may change places: average
each pixel of the *input* with its neighbours, and compute the sums at every second pixel alone. With a kernel w,

.. math:: \frac14\sum_{a \in \{0,1\}^2} \sum_k w_k\,x_{2i + a + k}
          = \sum_k w_k\,\bar x_{2i + k}, \qquad \bar x_j = \frac14\sum_{a \in \{0,1\}^2} x_{j + a} .

That is a quarter of the multiplications forward and backward, and sums that would only be averaged are never written.
Means of four spikes are exact in every floating-point type. A layer on a chip reads the spikes themselves, so networks
are recorded and priced the long way: as soon as somebody watches the convolution or puts another in its place.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, autograd, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from spikewise._lanes import LANES

from ._arrays import each_part, empty, flat, tensor_of
from .kernels.means import means_of_squares

_SIDE = 2


def pooled_sums(x: Tensor, synapses: nn.Module, pool: nn.Module) -> Tensor:
    """``pool(synapses(x))``, by the short way where there is one.

    Examples
    --------
    >>> import torch
    >>> x, conv, pool = torch.rand(2, 3, 6, 6), nn.Conv2d(3, 4, 3, padding=1), nn.AvgPool2d(2)
    >>> torch.allclose(pooled_sums(x, conv, pool), pool(conv(x)), atol=1e-6)
    True
    """
    if not isinstance(synapses, nn.Conv2d) or not _may_exchange(synapses, pool):
        sums: Tensor = pool(synapses(x))
        return sums
    means: Tensor = _Means.apply(x)  # type: ignore[no-untyped-call]
    return functional.conv2d(means, synapses.weight, synapses.bias, stride=_SIDE, groups=synapses.groups)


def _may_exchange(synapses: nn.Conv2d, pool: Any) -> bool:
    """Whether these are a 3x3 convolution that keeps the map and a pooling over 2x2, both torch's own and unwatched."""
    if type(synapses) is not nn.Conv2d or type(pool) is not nn.AvgPool2d:
        return False
    watched = any(each._forward_hooks or each._forward_pre_hooks or each._backward_hooks for each in (synapses, pool))
    shape = synapses.kernel_size, synapses.padding, synapses.stride, synapses.dilation, synapses.padding_mode
    plain = pool.kernel_size == pool.stride == _SIDE and pool.padding == 0 and not pool.ceil_mode
    return not watched and plain and shape == ((3, 3), (1, 1), (1, 1), (1, 1), "zeros")


class _Means(autograd.Function):
    """Mean of each pixel and its three neighbours above and before, (M, C, H + 1, W + 1); outside all is zero."""

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
    if (
        x.device.type != "cpu"
        or x.dtype not in (torch.float32, torch.bfloat16)
        or min(width, n_columns) * n_channels < LANES
    ):
        return functional.avg_pool2d(x, _SIDE, stride=1, padding=border)
    values = flat(x.permute(0, 2, 3, 1))
    found = empty(n_maps * n_rows * n_columns * n_channels, values.dtype)
    each_part(
        n_maps,
        lambda _, begin, end: means_of_squares(values, found, height, width, n_channels, border, begin, end),
    )
    return tensor_of(found, (n_maps, n_rows, n_columns, n_channels)).permute(0, 3, 1, 2)
