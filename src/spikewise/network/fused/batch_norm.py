"""Batch normalisation of a channel as a line ``a x + b``: its statistics, coefficients and gradient."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from spikewise.network.neurons import LIFParams
from spikewise.network.pooling import is_watched
from spikewise.network.surrogate import Dspike, Triangle

BatchNorm = nn.modules.batchnorm._BatchNorm
Moments = Callable[[Tensor], tuple[Tensor, ...]]

_FAR = 0.9  # share of the offset in the mean square; above, their difference loses too many digits


def may_fuse(sums: Tensor, norm: BatchNorm, params: LIFParams) -> bool:
    """Whether fused operations support normalisation and neurons: known kinds, without hooks in between."""
    if torch.compiler.is_compiling() or torch._C._is_tracing() or not isinstance(params.surrogate, Dspike | Triangle):
        return False
    n_each = sums.numel() // sums.shape[2]
    return is_plain(norm) and n_each > int(norm.training)  # in training torch refuses one number per channel


def is_plain(norm: BatchNorm) -> bool:
    """Whether a normalisation is torch's own, with weights and running statistics, without hooks."""
    if type(norm) not in (nn.BatchNorm1d, nn.BatchNorm2d) or not (norm.affine and norm.track_running_stats):
        return False
    # In a shared one learn.gradient.parallel has replaced ``forward``; fused operations call ``add_up`` instead.
    return is_shared(norm) or not is_watched(norm)


def line(norm: BatchNorm, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """Return scale and shift (C,) of each channel, with the weights of the normalisation included."""
    scale = norm.weight / std
    return scale, norm.bias - mean * scale


def of_running(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (C,) of each channel from the running statistics."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, torch.sqrt(norm.running_var + norm.eps)


def total(norm: BatchNorm, *sums: Tensor, count: float) -> tuple[Tensor, ...]:
    """Add up sums (C,) and the count of their terms over all processes that share a normalisation's batch."""
    add_up = vars(norm).get("add_up")  # set by learn.gradient.parallel
    if add_up is None:
        return *sums, torch.tensor(count)
    # One message for all sums.
    parts = torch.cat([*sums, sums[0].new_tensor([count])])
    add_up([parts])
    *found, number = torch.split(parts, [*(len(each) for each in sums), 1])
    return *found, number


def is_shared(norm: BatchNorm) -> bool:
    """Whether several processes share the batch of a normalisation; :func:`total` then adds up their sums."""
    return "add_up" in vars(norm)


def of_batch(norm: BatchNorm, moments: Moments, count: int) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (C,) of a batch, and update the running statistics.

    ``moments`` computes the sums (C,) of x - centre and of its square for a centre (C,); ``count`` is how many numbers
    a channel has.
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    # Sums around a value near the mean: in float32 a mean square around zero could lose the variance.
    centre = norm.running_mean
    offset, square, number = total(norm, *moments(centre), count=count)
    # A running mean far from that of the batch is replaced by it, once. Not on a GPU: reading numbers waits for it.
    if not offset.is_cuda and bool(((offset / number) ** 2 > _FAR * (square / number)).any()):
        centre = (centre + offset / number).to(centre)
        offset, square, number = total(norm, *moments(centre), count=count)
    offset, square = offset / number, square / number
    mean, variance = centre + offset, (square - offset**2).clamp_(min=0)
    norm.num_batches_tracked.add_(1)
    share = 1.0 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean), share)
    # As in torch, the running variance is the unbiased one.
    norm.running_var.lerp_((variance * (number / (number - 1).clamp(min=1))).to(norm.running_var), share)
    return mean, torch.sqrt(variance + norm.eps)


def bump_of(params: LIFParams) -> tuple[float, float]:
    """Return reach and height of the surrogate's slope, as the kernels take them."""
    gamma = params.surrogate.gamma  # type: ignore[attr-defined]
    if isinstance(params.surrogate, Dspike):
        return gamma, gamma / (2 * math.tanh(gamma**2))
    return gamma, 1 / gamma**2


def gradient_line(
    norm: BatchNorm, mean: Tensor, std: Tensor, scale: Tensor, sum_grad: Tensor, sum_product: Tensor,
    count: float = math.inf,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Return slope and offset of the gradient ``scale * grad - slope * x - offset`` of x, and the weight's gradient.

    ``sum_grad`` and ``sum_product`` (C,) are the sums of the gradient of a x + b, and of its product with x - mean;
    ``count`` is infinite if the statistics are not those of the batch.
    """
    grad_weight = sum_product / std.double()
    if math.isinf(count):
        # Running statistics are constants: no gradient passes through them.
        nothing = torch.zeros_like(grad_weight)
        return nothing, nothing, grad_weight
    sum_grad, sum_product, number = total(norm, sum_grad, sum_product, count=count)
    slope = scale.double() / std.double() ** 2 * sum_product / number
    return slope, scale.double() * sum_grad / number - mean.double() * slope, grad_weight
