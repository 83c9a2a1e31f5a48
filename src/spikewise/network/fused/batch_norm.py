"""Batch normalisation seen from a channel: a line ``a x + b``, where it comes from, and what its gradient needs."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from spikewise.network.neurons import LIFParams
from spikewise.network.pooling import is_watched
from spikewise.network.surrogate import Dspike, Triangle

BatchNorm = nn.modules.batchnorm._BatchNorm
Moments = Callable[[Tensor], tuple[Tensor, ...]]

_FAR = 0.9  # share of the mean square that is due to the offset


def may_fuse(sums: Tensor, norm: BatchNorm, params: LIFParams) -> bool:
    """Whether normalisation and neurons are of a kind that fused operations know, and nobody watches in between."""
    if torch.compiler.is_compiling() or torch._C._is_tracing() or not isinstance(params.surrogate, Dspike | Triangle):
        return False
    n_each = sums.numel() // sums.shape[2]
    return is_plain(norm) and n_each > int(norm.training)  # in training torch refuses one number per channel


def is_plain(norm: BatchNorm) -> bool:
    """Whether a normalisation is torch's own, with weights and running statistics, and nobody watches it."""
    if type(norm) not in (nn.BatchNorm1d, nn.BatchNorm2d) or not (norm.affine and norm.track_running_stats):
        return False
    return is_shared(norm) or not is_watched(norm)


def line(norm: BatchNorm, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift (C,) that normalise and then weigh each channel."""
    scale = norm.weight / std
    return scale, norm.bias - mean * scale


def of_running(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (C,) of each channel from the running statistics."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, torch.sqrt(norm.running_var + norm.eps)


def total(norm: BatchNorm, *sums: Tensor, count: float) -> tuple[Tensor, ...]:
    """Sums (C,) and the count of what they run over, added up over all processes that share a normalisation's batch."""
    add_up = vars(norm).get("add_up")  # by learn.parallel
    if add_up is None:
        return *sums, torch.tensor(count)
    parts = torch.cat([*sums, sums[0].new_tensor([count])])
    add_up([parts])
    *found, number = torch.split(parts, [*(len(each) for each in sums), 1])
    return *found, number


def is_shared(norm: BatchNorm) -> bool:
    """Whether several processes share a normalisation's batch, and add up by :func:`total`."""
    return "add_up" in vars(norm)


def of_batch(norm: BatchNorm, moments: Moments, count: int) -> tuple[Tensor, Tensor]:
    """The same from a batch, which the running statistics take note of.

    ``moments`` gives the sums (C,) of x - centre and of its square for a centre (C,); ``count`` is how many numbers of
    a channel there are.
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    centre = norm.running_mean
    offset, square, number = total(norm, *moments(centre), count=count)
    # On a GPU looking at numbers would wait for it.
    if not offset.is_cuda and bool(
        ((offset / number) ** 2 > _FAR * (square / number)).any()
    ):  # far off the mean squares lose digits
        centre = (centre + offset / number).to(centre)
        offset, square, number = total(norm, *moments(centre), count=count)
    offset, square = offset / number, square / number
    mean, variance = centre + offset, (square - offset**2).clamp_(min=0)
    norm.num_batches_tracked.add_(1)
    share = 1.0 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean), share)
    norm.running_var.lerp_((variance * (number / (number - 1).clamp(min=1))).to(norm.running_var), share)
    return mean, torch.sqrt(variance + norm.eps)


def gradient_line(
    norm: BatchNorm, mean: Tensor, std: Tensor, scale: Tensor, sum_grad: Tensor, sum_product: Tensor,
    count: float = math.inf,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Slope and offset of the gradient ``scale * grad - slope * x - offset`` of x, and the gradient of the weight.

    ``sum_grad`` and ``sum_product`` (C,) are sums over the gradient of a x + b, alone and times x - mean; ``count`` is
    infinite where the statistics are not those of the batch.
    """
    grad_weight = sum_product / std.double()
    if math.isinf(count):
        nothing = torch.zeros_like(grad_weight)
        return nothing, nothing, grad_weight
    sum_grad, sum_product, number = total(norm, sum_grad, sum_product, count=count)
    slope = scale.double() / std.double() ** 2 * sum_product / number
    return slope, scale.double() * sum_grad / number - mean.double() * slope, grad_weight
