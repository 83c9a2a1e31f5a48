r"""Batch normalisation and LIF neurons as one operation, on CPUs: each activation is touched as seldom as possible.

Between two weighted sums a spiking network normalises, leaks, compares and resets, T times. As separate operations
that is a dozen passes over memory, and autograd keeps most of what they write. Here forward reads the sums twice
(statistics, then all steps at once) and writes spikes; backward reads the sums and the gradients of the spikes, runs
the steps again and needs nothing but the sums. See :mod:`spikewise.network.kernels.lif` for the equations.

:func:`can_fuse` says when it applies; elsewhere :func:`norm_lif` is the same in plain PyTorch. In evaluation both give
the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spikewise._lanes import LANES

from ._arrays import N_PARTS, each_part, empty, flat, tensor_of
from .kernels import lif as kernels
from .neurons import LIF, LIFParams, lif_sequence, tell_decay
from .surrogate import Dspike, Triangle

BatchNorm = nn.modules.batchnorm._BatchNorm


def norm_lif(
    sums: Tensor, norm: BatchNorm, params: LIFParams, n_steps: int, v0: Tensor | None = None,
    residual: Tensor | None = None, decay: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Normalise weighted sums over time and batch together, and run the neurons.

    Parameters
    ----------
    sums : Tensor of shape (T, B, C, ...) or (1, B, C, ...)
        Weighted sums of every step, or those of a static input, which serve all steps.
    norm : BatchNorm1d or BatchNorm2d
        In training its running statistics are brought up to date.
    params : LIFParams
        The neurons.
    n_steps : int
        Timesteps T.
    v0 : Tensor of shape (B, C, ...), optional
        Potential before the first step; zero if absent.
    residual : Tensor of shape (T, B, C, ...), optional
        Current of a shortcut, added to the normalised sums.
    decay : Tensor, optional
        A scalar of value ``params.decay``, to receive its gradient.

    Returns
    -------
    spikes : Tensor of shape (T, B, C, ...)
        Zeros and ones.
    v : Tensor of shape (B, C, ...)
        Potential after the last reset.

    Examples
    --------
    >>> sums = torch.full((1, 2, 16), 0.6)
    >>> spikes, v = norm_lif(sums, nn.BatchNorm1d(16).eval(), LIFParams(), n_steps=4)
    >>> spikes[:, 0, 0].tolist()
    [0.0, 0.0, 1.0, 0.0]
    """
    residual = None if residual is None else residual.to(sums.dtype)
    if can_fuse(sums, norm, params):
        found: tuple[Tensor, Tensor] = _NormLIF.apply(  # type: ignore[no-untyped-call]
            sums, norm.weight, norm.bias, v0, residual, decay, norm, params, n_steps
        )
        return found
    if norm.training or not norm.track_running_stats:
        currents: Tensor = norm(sums.flatten(0, 1)).reshape(sums.shape)
    else:
        each = (1, 1, -1, *[1] * (sums.ndim - 3))
        scale, shift = _line(norm, *_of_running(norm))
        currents = sums * scale.to(sums.dtype).view(each) + shift.to(sums.dtype).view(each)
    currents = currents.expand(n_steps, *sums.shape[1:])
    currents = currents if residual is None else currents + residual
    return lif_sequence(currents if decay is None else tell_decay(currents, decay, v0, params), params, v0)


class NormLIF(LIF):
    """A LIF population that also takes sums that are still to be normalised, and then does both at once."""

    def forward(
        self, currents: Tensor, v0: Tensor | None = None, norm: BatchNorm | None = None, n_steps: int | None = None,
        residual: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Spikes (T, B, ...) and last potential; of :func:`norm_lif` where there is a normalisation."""
        if norm is None:
            return super().forward(currents, v0)
        return norm_lif(currents, norm, self.params, len(currents) if n_steps is None else n_steps, v0, residual)


def can_fuse(sums: Tensor, norm: BatchNorm, params: LIFParams) -> bool:
    """Whether the fused operation applies: a CPU, 32 or 16 bits, a known surrogate, and rows of whole vectors."""
    whole = sums[0].numel() % _period(sums.shape[2]) == 0
    known = isinstance(params.surrogate, Dspike | Triangle) and norm.affine and norm.track_running_stats
    known &= "forward" not in vars(norm)  # learn.parallel shares its statistics among processes
    return whole and known and sums.device.type == "cpu" and sums.dtype in (torch.float32, torch.bfloat16)


def _period(n_channels: int) -> int:
    """After how many elements both the channels and the vectors begin anew."""
    return n_channels * LANES // math.gcd(n_channels, LANES)


def _line(norm: BatchNorm, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift (C,) that normalise and then weigh each channel."""
    scale = norm.weight / std
    return scale, norm.bias - mean * scale


def _of_running(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (C,) of each channel from the running statistics."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, torch.sqrt(norm.running_var + norm.eps)


def _of_batch(x: _Flat, norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """The same from this batch, which the running statistics take note of."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    centre = x.tiled(norm.running_mean)
    sums, squares = np.zeros((2, N_PARTS, x.period), np.float32)
    x.each_part(
        lambda part, begin, end: kernels.moments(x.data, begin, end, centre, sums[part], squares[part]), all_steps=True
    )
    count = x.data.size // x.n_channels
    offset, square = (torch.from_numpy(x.by_channel(each) / count) for each in (sums, squares))
    mean, variance = norm.running_mean + offset, (square - offset**2).clamp_(min=0)
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    share = 1.0 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean), share)
    norm.running_var.lerp_((variance * (count / max(count - 1, 1))).to(norm.running_var), share)
    return mean, torch.sqrt(variance + norm.eps)


class _Flat:
    """Sums of shape (T, B, C, ...) as a flat channels-last array, cut into parts."""

    def __init__(self, sums: Tensor) -> None:
        self.shape, self.n_channels = sums.shape, sums.shape[2]
        self.order = [0, 1, *range(3, sums.ndim), 2]
        self.data = flat(sums.permute(self.order))
        self.n = self.data.size // len(sums)
        self.period = _period(self.n_channels)

    def tiled(self, values: Tensor) -> Any:
        """Values of the channels (C,) for a period of elements, float32."""
        return np.tile(values.detach().to(torch.float32).numpy(), self.period // self.n_channels)

    def added(self, residual: Tensor | None) -> tuple[Any, int]:
        """Currents (T, B, C, ...) as a flat array, and how far apart they lie; sixteen zeros if there are none."""
        if residual is None:
            return np.zeros(LANES, self.data.dtype), 0
        return flat(residual.permute(self.order)), 1

    def by_channel(self, sums: Any) -> Any:
        """Sums (parts, period) by channel (C,) in float64."""
        return sums.astype(np.float64).sum(0).reshape(-1, self.n_channels).sum(0)

    def like(self, values: Any, n_steps: int | None = None) -> Tensor:
        """A flat channels-last array as a tensor of the usual order of dimensions."""
        steps = () if n_steps is None else (n_steps,)
        shape = (*steps, *(self.shape[axis] for axis in self.order[1:]))
        return tensor_of(values, shape).movedim(-1, len(steps) + 1)

    def each_part(self, work: Callable[[int, int, int], None], *, all_steps: bool = False) -> None:
        """Call with number, begin and end of each part of the elements of a step, or of all steps."""
        period = self.period
        n_rows = (self.data.size if all_steps else self.n) // period
        each_part(n_rows, lambda part, begin, end: work(part, begin * period, end * period))


class _NormLIF(torch.autograd.Function):
    """The equations of :mod:`spikewise.network.kernels.lif`; sums are the only activations that are kept."""

    @staticmethod
    def forward(
        ctx: Any, sums: Tensor, weight: Tensor, bias: Tensor, v0: Tensor | None, residual: Tensor | None,
        decay: Tensor | None, norm: BatchNorm, params: LIFParams, n_steps: int,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        x = _Flat(sums)
        mean, std = _of_batch(x, norm) if norm.training else _of_running(norm)
        scale, shift = _line(norm, mean, std)
        a, b, (before, v_stride), (added, r_stride) = x.tiled(scale), x.tiled(shift), _potentials(v0), x.added(residual)
        v, spikes, stride = empty(x.n, np.float32), empty(n_steps * x.n, x.data.dtype), x.n if len(sums) > 1 else 0
        neurons = np.float32(params.decay), np.float32(params.v_threshold), np.float32(params.v_reset)
        is_soft = params.reset == "soft"
        x.each_part(
            lambda _, begin, end: kernels.forward(
                x.data,
                stride,
                a,
                b,
                added,
                r_stride,
                before,
                v_stride,
                v,
                spikes,
                n_steps,
                x.n,
                begin,
                end,
                *neurons,
                is_soft,
            )
        )
        ctx.save_for_backward(sums, mean, std, scale, shift, v0, residual, decay)
        ctx.settings = params, n_steps, norm.training
        ctx.set_materialize_grads(False)
        return x.like(spikes, n_steps), x.like(v).to(sums.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        sums, mean, std, scale, shift, v0, residual, decay = ctx.saved_tensors
        params, n_steps, is_training = ctx.settings
        x, grad_spikes, grad_v = _Flat(sums), *grads
        a, b, centre = x.tiled(scale), x.tiled(shift), x.tiled(mean)
        (before, v_stride), (after, g_stride) = _potentials(v0), _potentials(grad_v)
        added, r_stride = x.added(residual)
        grad_before = empty(x.n * v_stride, np.float32)
        grad_added = empty(n_steps * x.n * r_stride, x.data.dtype)
        if grad_spikes is None:
            incoming = np.zeros(n_steps * x.n, x.data.dtype)
        else:
            incoming = flat(grad_spikes.to(sums.dtype).permute(x.order))
        grad = empty(x.data.size, x.data.dtype)
        sum_grad, sum_product = np.zeros((2, N_PARTS, x.period), np.float32)
        sum_decay = np.zeros((N_PARTS, x.period if decay is not None else 0), np.float32)
        surrogate, gamma, height = _surrogate(params)
        x.each_part(
            lambda part, begin, end: kernels.backward(
                x.data, x.n if len(sums) > 1 else 0, a, b, centre, added, r_stride, before, v_stride, incoming, after,
                g_stride, grad, grad_added, grad_before, sum_grad[part], sum_product[part], sum_decay[part], n_steps,
                x.n, begin, end, np.float32(params.decay), np.float32(params.v_threshold), np.float32(params.v_reset),
                params.reset == "soft", surrogate, gamma, height,
            )
        )  # fmt: skip
        grad_shift, product = (torch.from_numpy(x.by_channel(each)) for each in (sum_grad, sum_product))
        grad_weight = product / std.double()
        count = x.data.size // x.n_channels if is_training else math.inf
        slope = scale.double() / std.double() * grad_weight / count
        offset = scale.double() * grad_shift / count - mean.double() * slope
        arrays = a, x.tiled(slope), x.tiled(offset)
        x.each_part(lambda _, begin, end: kernels.normalise_gradient(x.data, grad, *arrays, begin, end), all_steps=True)
        grad_sums = x.like(grad, len(sums))
        grad_v0 = None if v0 is None or not ctx.needs_input_grad[3] else x.like(grad_before).to(sums.dtype)
        grad_residual = None if residual is None else x.like(grad_added, n_steps)
        grad_decay = None if decay is None else torch.tensor(sum_decay.sum(dtype=np.float64), dtype=decay.dtype)
        grads_of_norm = grad_weight.to(std.dtype), grad_shift.to(std.dtype)
        return grad_sums, *grads_of_norm, grad_v0, grad_residual, grad_decay, None, None, None


def _potentials(v: Tensor | None) -> tuple[Any, int]:
    """Potentials (B, C, ...) as a flat array of floats, and how far apart they lie: sixteen zeros if there are none."""
    if v is None:
        return np.zeros(LANES, np.float32), 0
    return flat(v.movedim(1, -1).to(torch.float32)), 1


def _surrogate(params: LIFParams) -> tuple[int, Any, Any]:
    """Kind, reach and height of the slope, as the kernels take them."""
    gamma = params.surrogate.gamma  # type: ignore[attr-defined]
    if isinstance(params.surrogate, Dspike):
        return kernels.DSPIKE, np.float32(gamma), np.float32(gamma / (2 * math.tanh(gamma**2)))
    return kernels.TRIANGLE, np.float32(gamma), np.float32(1 / gamma**2)
