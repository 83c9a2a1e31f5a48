r"""Normalisation and LIF neurons over many steps on a GPU, in Triton: the equations of :mod:`~.lif`, tile by tile.

Arrays are contiguous with axes ``(T, n_maps, n_channels, area)``. If the pixels of a map are neighbours, ``area`` is
their number; if channels come last, every pixel is a map of area 1. So one formula gives the place of an element in
both layouts. A program computes ``ROWS`` pixels of ``CHANNELS`` channels through all steps: the potentials stay in
registers, and loops over steps are unrolled, so that all loads of a tile run at the same time.

Arrays that may be absent are ``None``. For sums over a channel each program first writes one row of a small table,
which is then summed: without atomic additions, equal inputs give equal bits. Rounding is that of PyTorch: multiply and
add are not fused (``enable_fp_fusion=False``), so backward finds the same spikes as forward.

Triton comes with CUDA builds of PyTorch. Without it this module can be imported, but not run.
"""

from __future__ import annotations

from typing import Any

try:
    import triton
    import triton.language as tl
    from triton.language import tensor
except ImportError:
    triton = tl = tensor = None  # type: ignore[assignment, misc]


def _jit(function: Any) -> Any:
    return function if triton is None else triton.jit(function)


@_jit
def _tile(n_rows: tensor, n_channels: tensor, area: tensor, ROWS: tl.constexpr, CHANNELS: tl.constexpr) -> Any:
    """Return channels (CHANNELS,) of this program, places of its elements (ROWS, CHANNELS), and which ones exist."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channels = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    # In 64 bits: a large batch has more elements than 32 bits can count.
    first = (rows // area).to(tl.int64) * n_channels
    place = (first[:, None] + channels[None, :]) * area + (rows % area)[:, None]
    return channels, place, (rows < n_rows)[:, None] & (channels < n_channels)[None, :]


@_jit
def _row(values: tensor, channels: tensor, n_channels: tensor) -> Any:
    """Load the values of these channels (1, CHANNELS)."""
    return tl.load(values + channels, channels < n_channels, 0.0).to(tl.float32)[None, :]


@_jit
def _load(values: tensor, place: tensor, inside: tensor) -> Any:
    """Load the values at these places in 32 bits; zeros outside, or if there is no array."""
    if values is None:
        loaded = tl.zeros(place.shape, tl.float32)
    else:
        loaded = tl.load(values + place, inside, 0.0).to(tl.float32)
    return loaded


@_jit
def _add_up(sums: tensor, values: tensor, channels: tensor, n_channels: tensor) -> None:
    """Write this program's sum over each channel to its row of a table (programs, n_channels)."""
    row = sums + tl.program_id(0).to(tl.int64) * n_channels
    tl.store(row + channels, tl.sum(values, 0), channels < n_channels)


@_jit
def _reset(u: tensor, v_threshold: tensor, v_reset: tensor, IS_SOFT: tl.constexpr) -> Any:
    after = u - v_threshold if IS_SOFT else v_reset
    return tl.where(u >= v_threshold, after, u)


@_jit
def _slope(distance: tensor, gamma: tensor, height: tensor, IS_TRIANGLE: tl.constexpr) -> Any:
    """Return the slope of the surrogate at this distance (at least 0) from the threshold."""
    if IS_TRIANGLE:
        slope = (gamma - distance) * height
    else:
        y = tl.exp(-2.0 * gamma * distance)  # sech² = 4 y / (1 + y)²
        slope = 4.0 * height * y / ((1.0 + y) * (1.0 + y))
    return tl.where(distance <= gamma, slope, 0.0)


@_jit
def moments(
    x: tensor, n: tensor, centre: tensor, sums: tensor, squares: tensor, n_rows: tensor, n_channels: tensor,
    area: tensor, N_STEPS: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
) -> None:  # fmt: skip
    """Compute the sums of x - centre and of its square, by program and channel."""
    channels, place, inside = _tile(n_rows, n_channels, area, ROWS, CHANNELS)
    middle = _row(centre, channels, n_channels)
    total = tl.zeros((ROWS, CHANNELS), tl.float32)
    square = tl.zeros((ROWS, CHANNELS), tl.float32)
    for _ in tl.static_range(N_STEPS):
        # Places outside load as 0, which is not the centre.
        distance = tl.where(inside, _load(x, place, inside) - middle, 0.0)
        total += distance
        square += distance * distance
        x += n
    _add_up(sums, total, channels, n_channels)
    _add_up(squares, square, channels, n_channels)


@_jit
def forward(
    x: tensor, stride: tensor, scale: tensor, shift: tensor, residual: tensor, before: tensor, v: tensor,
    spikes: tensor, n: tensor, n_rows: tensor, n_channels: tensor, area: tensor, decay: tensor, v_threshold: tensor,
    v_reset: tensor, N_STEPS: tl.constexpr, IS_SOFT: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
) -> None:  # fmt: skip
    """Compute spikes of all steps and the last potentials from the initial ones; ``stride`` 0 is a static x."""
    channels, place, inside = _tile(n_rows, n_channels, area, ROWS, CHANNELS)
    a, b = _row(scale, channels, n_channels), _row(shift, channels, n_channels)
    potential = _load(before, place, inside)
    for _ in tl.static_range(N_STEPS):
        current = _load(x, place, inside) * a + b
        if residual is not None:
            current += _load(residual, place, inside)
            residual += n
        u = potential * decay + current
        tl.store(spikes + place, tl.where(u >= v_threshold, 1.0, 0.0).to(spikes.dtype.element_ty), inside)
        potential = _reset(u, v_threshold, v_reset, IS_SOFT)
        x += stride  # pointers move step by step: T * n may exceed 32 bits even if n does not
        spikes += n
    tl.store(v + place, potential.to(v.dtype.element_ty), inside)


@_jit
def backward(
    x: tensor, stride: tensor, scale: tensor, shift: tensor, mean: tensor, residual: tensor, before: tensor,
    grad_spikes: tensor, grad_v: tensor, grad_each: tensor, grad_all: tensor, grad_before: tensor, sum_grad: tensor,
    sum_product: tensor, sum_decay: tensor, n: tensor, n_rows: tensor, n_channels: tensor, area: tensor, decay: tensor,
    v_threshold: tensor, v_reset: tensor, gamma: tensor, height: tensor, N_STEPS: tl.constexpr, IS_SOFT: tl.constexpr,
    IS_TRIANGLE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
) -> None:  # fmt: skip
    """Compute the gradients of the current a x + b + r: of each step, over all steps, and their channel sums.

    The channel sums are those of the gradient, and of its product with x - mean. The gradient of the initial
    potentials goes to ``grad_before``, the share of each program in the gradient of the decay to ``sum_decay``.
    """
    channels, place, inside = _tile(n_rows, n_channels, area, ROWS, CHANNELS)
    a, b, middle = (
        _row(scale, channels, n_channels),
        _row(shift, channels, n_channels),
        _row(mean, channels, n_channels),
    )
    potential = _load(before, place, inside)
    # A tuple of all potentials, which the unrolled loop keeps in registers.
    us = ()
    for _ in tl.static_range(N_STEPS):
        current = _load(x, place, inside) * a + b
        if residual is not None:
            current += _load(residual, place, inside)
            residual += n
        u = potential * decay + current
        us = us + (u,)  # type: ignore[assignment]  # noqa: RUF005
        potential = _reset(u, v_threshold, v_reset, IS_SOFT)
        x += stride
    g_v = _load(grad_v, place, inside)
    total = tl.zeros((ROWS, CHANNELS), tl.float32)
    product = tl.zeros((ROWS, CHANNELS), tl.float32)
    share = tl.zeros((ROWS, CHANNELS), tl.float32)
    ahead = (N_STEPS - 1) * tl.cast(n, tl.int64)
    if grad_spikes is not None:
        grad_spikes += ahead
    if grad_each is not None:
        grad_each += ahead
    for back in tl.static_range(N_STEPS):
        u = us[N_STEPS - 1 - back]
        slope = _slope(tl.abs(u - v_threshold), gamma, height, IS_TRIANGLE)
        # Derivative of v_t with respect to s_t (jump) and u_t (kept), times the gradient of v_t.
        jump = -v_threshold if IS_SOFT else v_reset - u
        kept = g_v if IS_SOFT else tl.where(u >= v_threshold, 0.0, g_v)
        incoming = _load(grad_spikes, place, inside)
        g = (incoming + g_v * jump) * slope + kept
        g_v = g * decay
        total += g
        # After the first loop the pointer is one step too far: move first, then read.
        x -= stride
        product += g * (_load(x, place, inside) - middle)
        if sum_decay is not None:
            if back == N_STEPS - 1:
                share += g * _load(before, place, inside)
            else:
                share += g * _reset(us[N_STEPS - 2 - back], v_threshold, v_reset, IS_SOFT)
        if grad_spikes is not None:
            grad_spikes -= n
        if grad_each is not None:
            tl.store(grad_each + place, g.to(grad_each.dtype.element_ty), inside)
            grad_each -= n
    if grad_all is not None:
        tl.store(grad_all + place, total.to(grad_all.dtype.element_ty), inside)
    if grad_before is not None:
        tl.store(grad_before + place, g_v.to(grad_before.dtype.element_ty), inside)
    _add_up(sum_grad, total, channels, n_channels)
    _add_up(sum_product, product, channels, n_channels)
    if sum_decay is not None:
        _add_up(sum_decay, share, channels, n_channels)


@_jit
def normalise_gradient(
    x: tensor, grad: tensor, out: tensor, scale: tensor, slope: tensor, offset: tensor, n: tensor, n_rows: tensor,
    n_channels: tensor, area: tensor, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
) -> None:  # fmt: skip
    """Compute the gradient of x from that of a x + b, one step per program: ``scale * grad - slope * x - offset``."""
    channels, place, inside = _tile(n_rows, n_channels, area, ROWS, CHANNELS)
    place += tl.program_id(2) * tl.cast(n, tl.int64)
    found = _load(grad, place, inside) * _row(scale, channels, n_channels)
    found -= _load(x, place, inside) * _row(slope, channels, n_channels) + _row(offset, channels, n_channels)
    tl.store(out + place, found.to(out.dtype.element_ty), inside)
