r"""Batch normalisation and LIF neurons as one operation on a GPU; :mod:`spikewise.network.fused.cpu` is for a CPU.

A GPU is limited by memory, not by arithmetic. So the sums are read once for their statistics and once for all steps,
and spikes are written. Backward reads sums and gradients and computes the potentials again in registers, so that no
potentials are kept. The kernels are written in Triton (:mod:`spikewise.network.kernels.lif_triton`); they accept
channels-last and contiguous maps without a copy.

Potentials always have 32 bits and are rounded as in plain PyTorch with 32 bits, so in evaluation both give the same
bits.
"""

import math
import os
import shutil
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spikewise.network.neurons import LIFParams
from spikewise.network.surrogate import Triangle

from . import batch_norm as _channels
from .batch_norm import BatchNorm, may_fuse

_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
_TILE = 8192  # elements of a program over all steps: 64 potentials per thread, for 128 threads
_FEW_STEPS, _MAX_STEPS = 8, 32  # with fewer steps a tile does not grow; with more, compiling takes minutes
_MAX_CHANNELS = 64  # per program: with 16 bits they fill 128 bytes, one line of memory


def can_fuse_cuda(sums: Tensor, norm: BatchNorm, params: LIFParams, n_steps: int = 1) -> bool:
    """Whether the fused operation applies: a GPU, Triton, 32 or 16 bits, a known surrogate, and up to 32 steps.

    Examples
    --------
    >>> can_fuse_cuda(torch.ones(4, 2, 16), torch.nn.BatchNorm1d(16), LIFParams(), n_steps=4)
    False
    """
    if not sums.is_cuda or sums.dtype not in _DTYPES or n_steps > _MAX_STEPS:
        return False
    return may_fuse(sums, norm, params) and _has_triton() and torch.cuda.get_device_capability(sums.device) >= (7, 0)


@cache
def _has_triton() -> bool:
    """Whether Triton (3.3 or later, which has tuples) and the C compiler that it needs are installed."""
    try:
        import triton.language
    except ImportError:
        return False
    compilers = (os.environ.get("CC"), "gcc", "clang")
    return hasattr(triton.language, "tuple") and any(name and shutil.which(name) for name in compilers)


def norm_lif_cuda(
    sums: Tensor, norm: BatchNorm, params: LIFParams, n_steps: int, v0: Tensor | None = None,
    residual: Tensor | None = None, decay: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Compute the same as :func:`~spikewise.network.fused.norm_lif`; only if :func:`can_fuse_cuda`.

    The kernels are compiled separately for each number of steps.
    """
    found: tuple[Tensor, Tensor] = _NormLIF.apply(  # type: ignore[no-untyped-call]
        sums, norm.weight, norm.bias, v0, residual, decay, norm, params, n_steps
    )
    return found


class _Maps:
    """Sums (T, B, C, ...) as a contiguous array (T, n_maps, C, area), and the grid of programs over a step.

    If channels come last in memory, every pixel is a map of area 1.
    """

    def __init__(self, sums: Tensor, n_steps: int) -> None:
        self.shape, self.n_channels = sums.shape, sums.shape[2]
        is_last = sums.movedim(2, -1).is_contiguous()
        self.channel = 2 - sums.ndim if is_last else -1  # axis, from the end, that lies last in memory
        self.data = self.laid(sums)
        self.n = math.prod(self.shape[1:])
        self.stride = self.n if len(sums) > 1 else 0
        n_rows = self.n // self.n_channels
        self.sizes = n_rows, self.n_channels, 1 if is_last else math.prod(self.shape[3:])
        size = _TILE // max(_FEW_STEPS, _power_of_two(n_steps))
        width = min(_MAX_CHANNELS, _power_of_two(self.n_channels)) if is_last else 1
        self.tile = {"ROWS": size // width, "CHANNELS": width, "enable_fp_fusion": False}
        self.grid = -(-n_rows // self.tile["ROWS"]), -(-self.n_channels // width)

    def laid(self, values: Tensor | None) -> Any:
        """Return values (T, B, C, ...) or (B, C, ...) in the memory order of these maps, mostly without a copy."""
        return None if values is None else values.movedim(self.channel, -1).contiguous()

    def usual(self, values: Tensor) -> Tensor:
        """Return values in this memory order as (T, B, C, ...) or (B, C, ...)."""
        return values.movedim(-1, self.channel)

    def empty(self, *n_steps: int, dtype: torch.dtype | None = None) -> Tensor:
        """Allocate (n_steps, B, C, ...), or (B, C, ...), in this memory order."""
        shape = torch.empty(*n_steps, *self.shape[1:], device="meta").movedim(self.channel, -1).shape
        return torch.empty(shape, dtype=dtype or self.data.dtype, device=self.data.device)

    def table(self) -> Tensor:
        """Allocate a table for the channel sums of each row of programs."""
        return torch.empty(self.grid[0], self.n_channels, device=self.data.device)


def _power_of_two(n: int) -> int:
    """Return the smallest power of two that is at least n."""
    return 1 << (n - 1).bit_length()


def _moments(x: _Maps, norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (C,) of each channel of this batch."""
    from spikewise.network.kernels.lif_triton import moments

    def sums_around(centre: Tensor) -> tuple[Tensor, ...]:
        sums, squares = x.table(), x.table()
        moments[x.grid](x.data, x.n, centre, sums, squares, *x.sizes, N_STEPS=len(x.data), **x.tile)
        return tuple(each.sum(0, dtype=torch.float64) for each in (sums, squares))

    return _channels.of_batch(norm, sums_around, x.data.numel() // x.n_channels)


class _NormLIF(torch.autograd.Function):
    """The equations of :mod:`spikewise.network.kernels.lif`; of all activations only the sums are kept."""

    @staticmethod
    def forward(
        ctx: Any, sums: Tensor, weight: Tensor, bias: Tensor, v0: Tensor | None, residual: Tensor | None,
        decay: Tensor | None, norm: BatchNorm, params: LIFParams, n_steps: int,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        from spikewise.network.kernels import lif_triton as kernels

        x = _Maps(sums, n_steps)
        # Triton launches on the current device, which need not be that of the sums.
        with torch.cuda.device_of(sums):  # type: ignore[no-untyped-call]
            mean, std = _moments(x, norm) if norm.training else _channels.of_running(norm)
            scale, shift = _channels.line(norm, mean, std)
            spikes, v = x.empty(n_steps), x.empty()
            kernels.forward[x.grid](
                x.data, x.stride, scale.float(), shift.float(), x.laid(residual), x.laid(v0), v, spikes, x.n, *x.sizes,
                params.decay, params.v_threshold, params.v_reset, N_STEPS=n_steps, IS_SOFT=params.reset == "soft",
                **x.tile,
            )  # fmt: skip
        ctx.save_for_backward(sums, mean, std, scale, shift, v0, residual, decay)
        ctx.settings = params, n_steps, norm.training, weight.dtype
        ctx.norm = norm
        ctx.set_materialize_grads(False)
        return x.usual(spikes), x.usual(v)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        from spikewise.network.kernels import lif_triton as kernels

        sums, mean, std, scale, shift, v0, residual, decay = ctx.saved_tensors
        params, n_steps, is_training, dtype = ctx.settings
        x = _Maps(sums, n_steps)
        serves_all = len(sums) < n_steps  # a static input, whose gradients add up over the steps
        grad_each = None if serves_all and residual is None else x.empty(n_steps)
        grad_all = x.empty(1) if serves_all else None
        grad_before = None if v0 is None else x.empty(dtype=v0.dtype)
        sum_grad, sum_product, sum_decay = x.table(), x.table(), None if decay is None else x.table()
        with torch.cuda.device_of(sums):  # type: ignore[no-untyped-call]
            kernels.backward[x.grid](
                x.data, x.stride, scale.float(), shift.float(), mean.float(), x.laid(residual), x.laid(v0),
                x.laid(grads[0]), x.laid(grads[1]), grad_each, grad_all, grad_before, sum_grad, sum_product, sum_decay,
                x.n, *x.sizes, params.decay, params.v_threshold, params.v_reset, *_channels.bump_of(params),
                N_STEPS=n_steps, IS_SOFT=params.reset == "soft", IS_TRIANGLE=isinstance(params.surrogate, Triangle),
                **x.tile,
            )  # fmt: skip
            grad_shift, product = (each.sum(0, dtype=torch.float64) for each in (sum_grad, sum_product))
            count = x.data.numel() // x.n_channels if is_training else math.inf
            slope, offset, grad_weight = _channels.gradient_line(ctx.norm, mean, std, scale, grad_shift, product, count)
            grad = grad_each if grad_all is None else grad_all
            assert grad is not None
            # The gradient of the current is also that of the residual, so it must not be overwritten.
            out = torch.empty_like(grad) if residual is not None and grad is grad_each else grad
            arrays = (each.float() for each in (scale, slope, offset))
            kernels.normalise_gradient[(*x.grid, len(grad))](x.data, grad, out, *arrays, x.n, *x.sizes, **x.tile)
        return (
            x.usual(out),
            grad_weight.to(dtype),
            grad_shift.to(dtype),
            None if grad_before is None else x.usual(grad_before),
            None if residual is None or grad_each is None else x.usual(grad_each),
            None if sum_decay is None else sum_decay.sum(dtype=torch.float64).to(decay.dtype),
            None, None, None,
        )  # fmt: skip
