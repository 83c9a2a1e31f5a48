r"""Batch normalisation and LIF neurons as one operation on a CPU, which reads each activation as rarely as possible.

Between two weighted sums a spiking network normalises, leaks, compares and resets, T times. As separate operations
these are a dozen passes over memory, and autograd keeps most of what they write. Here forward reads the sums twice
(for statistics, then for all steps) and writes spikes. Backward reads the sums and the gradients of the spikes and
computes the potentials again. See :mod:`spikewise.network.kernels.lif` for the equations.

:func:`can_fuse` says when this applies on a CPU, and :func:`~spikewise.network.fused.cuda.can_fuse_cuda` on a GPU;
otherwise :func:`norm_lif` computes the same in plain PyTorch. In evaluation all give the same bits in float32.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spikewise._vector import LANES
from spikewise.errors import ShapeError
from spikewise.network.arrays import N_PARTS, empty, flat
from spikewise.network.kernels import lif as kernels
from spikewise.network.kernels.lif_means import Means, backward_means, forward_means
from spikewise.network.neurons import LIF, LIFParams, lif_sequence, tell_decay
from spikewise.network.pooling import square_means
from spikewise.network.surrogate import Dspike

from .batch_norm import BatchNorm, bump_of, gradient_line, is_plain, is_shared, line, may_fuse, of_batch, of_running
from .flat import FlatSums, period_of


def norm_lif(
    sums: Tensor, norm: BatchNorm, params: LIFParams, n_steps: int, v0: Tensor | None = None,
    residual: Tensor | None = None, decay: Tensor | None = None, *, means: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Normalise weighted sums over time and batch, and run the neurons.

    Parameters
    ----------
    sums : Tensor of shape (T, B, C, ...) or (1, B, C, ...)
        Weighted sums of every step, or those of a static input, which are the same at all steps.
    norm : BatchNorm1d or BatchNorm2d
        The normalisation; in training its running statistics are updated.
    params : LIFParams
        Parameters of the neurons.
    n_steps : int
        Timesteps T.
    v0 : Tensor of shape (B, C, ...), optional
        Potential before the first step; zero if absent.
    residual : Tensor of shape (T, B, C, ...), optional
        Current of a shortcut, added to the normalised sums.
    decay : Tensor, optional
        A scalar of value ``params.decay`` that receives the gradient of the decay.
    means : bool
        Return :func:`~spikewise.network.pooling.square_means` (T, B, C, H + 1, W + 1) instead of the spikes.

    Returns
    -------
    spikes : Tensor of shape (T, B, C, ...)
        Zeros and ones.
    v : Tensor of shape (B, C, ...)
        Potential after the last reset.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or do not fit the number of steps.

    Examples
    --------
    >>> sums = torch.full((1, 2, 16), 0.6)
    >>> spikes, v = norm_lif(sums, torch.nn.BatchNorm1d(16).eval(), LIFParams(), n_steps=4)
    >>> spikes[:, 0, 0].tolist()
    [0.0, 0.0, 1.0, 0.0]
    """
    _check(sums, n_steps, v0, residual)
    residual = None if residual is None else residual.to(sums.dtype)
    if means and not (can_fuse(sums, norm, params) and _has_whole_rows(sums)):
        spikes, v = norm_lif(sums, norm, params, n_steps, v0, residual, decay)
        return _means_of(spikes), v
    # From the fastest form to the most general one.
    if sums.is_cuda:
        from .cuda import can_fuse_cuda, norm_lif_cuda  # it looks for Triton and a compiler

        if can_fuse_cuda(sums, norm, params, n_steps):
            return norm_lif_cuda(sums, norm, params, n_steps, v0, residual, decay)
    if can_fuse(sums, norm, params):
        found: tuple[Tensor, Tensor] = _NormLIF.apply(  # type: ignore[no-untyped-call]
            sums, norm.weight, norm.bias, v0, residual, decay, norm, params, n_steps, means
        )
        return found
    if norm.training or not is_plain(norm):
        # No flatten for a single step: its strides make the gradient of torch's own normalisation wrong.
        currents: Tensor = norm(sums[0] if len(sums) == 1 else sums.flatten(0, 1)).reshape(sums.shape)
    else:
        # As a line a x + b: torch's own normalisation would round differently from the fused forms.
        each = (1, 1, -1, *[1] * (sums.ndim - 3))
        scale, shift = line(norm, *of_running(norm))
        currents = sums * scale.to(sums.dtype).view(each) + shift.to(sums.dtype).view(each)
    currents = currents.expand(n_steps, *sums.shape[1:])
    currents = currents if residual is None else currents + residual
    return lif_sequence(currents if decay is None else tell_decay(currents, decay, v0, params), params, v0)


def _means_of(spikes: Tensor) -> Tensor:
    means = square_means(spikes.flatten(0, 1))
    return means.reshape(*spikes.shape[:2], *means.shape[1:])


class NormLIF(LIF):
    """A LIF population that also accepts sums before normalisation, and then fuses both operations."""

    def forward(
        self, currents: Tensor, v0: Tensor | None = None, norm: BatchNorm | None = None, n_steps: int | None = None,
        residual: Tensor | None = None, *, means: bool = False,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Return spikes (T, B, ...) and last potential; by :func:`norm_lif` if there is a normalisation."""
        if norm is None:
            return super().forward(currents, v0)
        n_steps = len(currents) if n_steps is None else n_steps
        return norm_lif(currents, norm, self.params, n_steps, v0, residual, means=means)


def can_fuse(sums: Tensor, norm: BatchNorm, params: LIFParams) -> bool:
    """Whether the fused operation applies: CPU, float32 or bfloat16, known surrogate, rows of whole vectors."""
    # Processes that share a batch must all decide the same, whatever their number of samples: they add up together.
    n = sums[0, :1].numel() if is_shared(norm) else sums[0].numel()
    fits = sums.device.type == "cpu" and sums.dtype in (torch.float32, torch.bfloat16)
    return fits and n % period_of(sums.shape[2]) == 0 and may_fuse(sums, norm, params)


def _check(sums: Tensor, n_steps: int, v0: Tensor | None, residual: Tensor | None) -> None:
    if sums.ndim < 3 or len(sums) not in (1, n_steps):
        raise ShapeError(f"sums must have shape (1, B, C, ...) or ({n_steps}, B, C, ...); got {tuple(sums.shape)}.")
    for name, values, shape in (("v0", v0, sums.shape[1:]), ("residual", residual, (n_steps, *sums.shape[1:]))):
        if values is not None and values.shape != shape:
            raise ShapeError(f"{name} must have shape {tuple(shape)}, as the sums; got {tuple(values.shape)}.")


def _has_whole_rows(sums: Tensor) -> bool:
    """Whether each row of pixels consists of whole vectors."""
    return sums.shape[4] * sums.shape[2] % period_of(sums.shape[2]) == 0


def _of_batch(x: FlatSums, norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (C,) of each channel of this batch."""

    def moments(centre: Tensor) -> tuple[Tensor, ...]:
        tiled = x.tiled(centre)
        # One row per part, so that threads never write to the same sums.
        sums, squares = np.zeros((2, N_PARTS, x.period), np.float32)
        x.each_part(
            lambda part, begin, end: kernels.moments(x.data, begin, end, tiled, sums[part], squares[part]),
            all_steps=True,
        )
        return tuple(torch.from_numpy(x.by_channel(each)) for each in (sums, squares))

    return of_batch(norm, moments, x.data.size // x.n_channels)


class _NormLIF(torch.autograd.Function):
    """The equations of :mod:`spikewise.network.kernels.lif`; of all activations only the sums are kept."""

    @staticmethod
    def forward(
        ctx: Any, sums: Tensor, weight: Tensor, bias: Tensor, v0: Tensor | None, residual: Tensor | None,
        decay: Tensor | None, norm: BatchNorm, params: LIFParams, n_steps: int, means: bool,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        x = FlatSums(sums)
        mean, std = _of_batch(x, norm) if norm.training else of_running(norm)
        scale, shift = line(norm, mean, std)
        a, b, (before, v_stride), (added, r_stride) = x.tiled(scale), x.tiled(shift), _potentials(v0), x.added(residual)
        v, out = empty(x.n, np.float32), empty(x.size_of(means, n_steps), x.data.dtype)
        given = tuple(kernels.Sums(x.data, x.stride, a, b, added, r_stride, before, v_stride, n_steps, x.n))
        neurons = _neurons(params)
        # A row of means needs two rows of spikes, so images are not cut between threads.
        if means:
            of_images = tuple(Means(out, *x.map))
            x.each_image(lambda _, begin, end: forward_means(given, of_images, v, begin, end, neurons))
        else:
            train = tuple(kernels.Train(out, x.n, 0))
            x.each_part(lambda _, begin, end: kernels.forward(given, train, v, begin, end, neurons))
        ctx.save_for_backward(sums, mean, std, scale, shift, v0, residual, decay)
        ctx.settings = params, n_steps, norm.training, means
        # Not among the saved tensors: backward needs the module only to add up over processes.
        ctx.norm = norm
        ctx.set_materialize_grads(False)
        return x.like(out, n_steps, means=means), x.like(v).to(sums.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        sums, mean, std, scale, shift, v0, residual, decay = ctx.saved_tensors
        params, n_steps, is_training, means = ctx.settings
        x, grad_out, grad_v = FlatSums(sums), *grads
        a, b, centre = x.tiled(scale), x.tiled(shift), x.tiled(mean)
        (before, v_stride), (after, g_stride) = _potentials(v0), _potentials(grad_v)
        added, r_stride = x.added(residual)
        # A stride of zero means that there is none, and its gradient takes no memory.
        grad_before = empty(x.n * v_stride, np.float32)
        grad_added = empty(n_steps * x.n * r_stride, x.data.dtype)
        if grad_out is None:
            incoming = np.zeros(x.size_of(means, n_steps), x.data.dtype)
        else:
            incoming = flat(grad_out.to(sums.dtype).permute(x.order))
        grad = empty(x.data.size, x.data.dtype)
        sum_grad, sum_product = np.zeros((2, N_PARTS, x.period), np.float32)
        sum_decay = np.zeros((N_PARTS, x.period if decay is not None else 0), np.float32)
        given = tuple(kernels.Sums(x.data, x.stride, a, b, added, r_stride, before, v_stride, n_steps, x.n))
        train = tuple(Means(incoming, *x.map) if means else kernels.Train(incoming, x.n, 0))
        of_spikes: Any = backward_means if means else kernels.backward
        neurons, surrogate = _neurons(params), _surrogate(params)

        def work(part: int, begin: int, end: int) -> None:
            of_part = sum_grad[part], sum_product[part], sum_decay[part]
            sought = tuple(kernels.Gradients(after, g_stride, grad, grad_added, grad_before, *of_part))
            of_spikes(given, centre, train, sought, begin, end, neurons, surrogate)

        (x.each_image if means else x.each_part)(work)
        grad_shift, product = (torch.from_numpy(x.by_channel(each)) for each in (sum_grad, sum_product))
        count = x.data.size // x.n_channels if is_training else math.inf
        # Normalisation depends on the whole batch: the gradient of the sums needs a second pass.
        slope, offset, grad_weight = gradient_line(ctx.norm, mean, std, scale, grad_shift, product, count)
        arrays = a, x.tiled(slope), x.tiled(offset)
        x.each_part(lambda _, begin, end: kernels.normalise_gradient(x.data, grad, *arrays, begin, end), all_steps=True)
        grad_sums = x.like(grad, len(sums))
        grad_v0 = None if v0 is None or not ctx.needs_input_grad[3] else x.like(grad_before).to(sums.dtype)
        grad_residual = None if residual is None else x.like(grad_added, n_steps)
        grad_decay = None if decay is None else torch.tensor(sum_decay.sum(dtype=np.float64), dtype=decay.dtype)
        grads_of_norm = grad_weight.to(std.dtype), grad_shift.to(std.dtype)
        return grad_sums, *grads_of_norm, grad_v0, grad_residual, grad_decay, None, None, None, None


def _potentials(v: Tensor | None) -> tuple[Any, int]:
    """Return potentials (B, C, ...) as a flat float32 array and its stride; if there are none, 16 zeros and 0."""
    if v is None:
        return np.zeros(LANES, np.float32), 0
    return flat(v.movedim(1, -1).to(torch.float32)), 1


def _neurons(params: LIFParams) -> tuple[Any, ...]:
    decay, v_threshold = np.float32(params.decay), np.float32(params.v_threshold)
    return tuple(kernels.Neurons(decay, v_threshold, np.float32(params.v_reset), params.reset == "soft"))


def _surrogate(params: LIFParams) -> tuple[Any, ...]:
    kind = kernels.DSPIKE if isinstance(params.surrogate, Dspike) else kernels.TRIANGLE
    return tuple(kernels.Slope(kind, *map(np.float32, bump_of(params))))
