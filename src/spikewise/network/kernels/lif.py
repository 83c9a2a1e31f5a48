r"""Normalisation and LIF neurons over many steps in one pass, forward and backward, sixteen neighbours at a time.

With :math:`x_t` the weighted sum, scale and shift of its channel, and :math:`r_t` the current of a shortcut,

.. math:: u_t = \lambda v_{t-1} + (a x_t + b + r_t), \quad s_t = [u_t \ge v_{th}], \quad v_t = \text{reset}(u_t, s_t) .

Backward runs the steps again instead of keeping potentials and spikes: it reads the sums and the gradients of the
spikes once, and writes the gradient of :math:`a x + b` once, with the sums over it that normalisation needs. What is
touched often, T potentials of sixteen neurons, lies in the nearest cache.

Arrays are flat and channels-last: ``(T, n)`` with n = B H W C elements per step, and channels repeat every
``len(scale)`` elements, a multiple of 16. A static input has ``stride`` 0: its one step serves all. Potentials that are
zero throughout have ``v_stride`` 0, gradients of them ``g_stride`` 0, and absent shortcuts ``r_stride`` 0: sixteen
zeros serve all elements.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spikewise._compile import inlined, kernel
from spikewise._vector import LANES, absolute, exp_of_negative, load, splat, store, where_ge

_F = np.float32
_ZERO, _ONE, _TWO, _FOUR = _F(0.0), _F(1.0), _F(2.0), _F(4.0)
DSPIKE, TRIANGLE = 0, 1


@kernel
def moments(x: Any, begin: int, end: int, centre: Any, sums: Any, squares: Any) -> None:
    """Add x - centre and its square, channel by channel, over elements begin to end."""
    n_channels = len(centre)
    for channel in range(0, n_channels, LANES):
        middle, total, square = load(centre, channel), splat(_ZERO), splat(_ZERO)
        for place in range(begin + channel, end, n_channels):
            distance = load(x, place) - middle
            total = total + distance
            square = square + distance * distance
        store(sums, channel, load(sums, channel) + total)
        store(squares, channel, load(squares, channel) + square)


@inlined
def _reset(u: Any, threshold: Any, v_reset: Any, is_soft: bool) -> Any:
    if is_soft:
        return where_ge(u, threshold, u - threshold, u)
    return where_ge(u, threshold, v_reset, u)


@kernel
def forward(
    x: Any, stride: int, scale: Any, shift: Any, residual: Any, r_stride: int, before: Any, v_stride: int, v: Any,
    spikes: Any, s_stride: int, origin: int, n_steps: int, n: int, begin: int, end: int, neurons: Any,
) -> None:  # fmt: skip
    """Spikes of elements begin to end, and their potentials ``v`` (n,) after the steps, from those before.

    Those of step t and element i go to place ``t * s_stride + i - origin`` of ``spikes``.
    """
    decay, v_threshold, v_reset, is_soft = neurons
    leak, threshold, rest, zero, one = splat(decay), splat(v_threshold), splat(v_reset), splat(_ZERO), splat(_ONE)
    n_channels = len(scale)
    for row in range(begin, end, n_channels):
        for channel in range(0, n_channels, LANES):
            place, a, b = row + channel, load(scale, channel), load(shift, channel)
            potential = load(before, place * v_stride)
            for step in range(n_steps):
                current = load(x, step * stride + place) * a + b + load(residual, (step * n + place) * r_stride)
                u = potential * leak + current
                store(spikes, step * s_stride + place - origin, where_ge(u, threshold, one, zero))
                potential = _reset(u, threshold, rest, is_soft)
            store(v, place, potential)


@inlined
def _slope(distance: Any, surrogate: int, gamma: Any, height: Any) -> Any:
    """Slope of the surrogate at this distance (at least 0) from the threshold."""
    zero, one, reach = splat(_ZERO), splat(_ONE), splat(gamma)
    if surrogate == TRIANGLE:
        return where_ge(reach, distance, (reach - distance) * splat(height), zero)
    y = exp_of_negative(splat(-_TWO * gamma) * distance)  # sech² = 4 y / (1 + y)²
    return where_ge(reach, distance, splat(_FOUR * height) * y / ((one + y) * (one + y)), zero)


@kernel
def backward(
    x: Any, stride: int, scale: Any, shift: Any, mean: Any, residual: Any, r_stride: int, before: Any, v_stride: int,
    grad_spikes: Any, s_stride: int, origin: int, grad_v: Any, g_stride: int, grad: Any, grad_residual: Any,
    grad_before: Any, sum_grad: Any, sum_product: Any, sum_decay: Any, n_steps: int, n: int, begin: int, end: int,
    neurons: Any, surrogate: Any,
) -> None:  # fmt: skip
    """Gradient of a x + b for elements begin to end, and its channel sums, alone and times x - mean.

    ``grad_spikes`` lies as ``spikes`` do in :func:`forward`. ``grad_v`` is the gradient of the potentials after the
    last step; that of those before the first goes to ``grad_before`` if there are any. Gradients of a static input add
    up over the steps. The gradient of the decay is summed in ``sum_decay`` unless that is empty.
    """
    decay, v_threshold, v_reset, is_soft = neurons
    shape, gamma, height = surrogate
    leak, threshold, rest, zero = splat(decay), splat(v_threshold), splat(v_reset), splat(_ZERO)
    n_channels = len(scale)
    potentials = np.empty(n_steps * LANES, np.float32)
    for row in range(begin, end, n_channels):
        for channel in range(0, n_channels, LANES):
            place, a, b, middle = row + channel, load(scale, channel), load(shift, channel), load(mean, channel)
            potential = load(before, place * v_stride)
            for step in range(n_steps):
                current = load(x, step * stride + place) * a + b + load(residual, (step * n + place) * r_stride)
                u = potential * leak + current
                store(potentials, step * LANES, u)
                potential = _reset(u, threshold, rest, is_soft)
            g_v = load(grad_v, place * g_stride)
            total, product, share = zero, zero, zero
            for back in range(n_steps):
                step = n_steps - 1 - back
                u = load(potentials, step * LANES)
                slope = _slope(absolute(u - threshold), shape, gamma, height)
                # What a spike changes in the potential, times what the potential is worth.
                jump = zero - threshold if is_soft else rest - u
                kept = g_v if is_soft else where_ge(u, threshold, zero, g_v)
                g = (load(grad_spikes, step * s_stride + place - origin) + g_v * jump) * slope + kept
                g_v = g * leak
                total = total + g
                if r_stride:
                    store(grad_residual, step * n + place, g)
                if len(sum_decay) and step:
                    share = share + g * _reset(load(potentials, (step - 1) * LANES), threshold, rest, is_soft)
                elif len(sum_decay):
                    share = share + g * load(before, place * v_stride)
                if stride:
                    store(grad, step * stride + place, g)
                    product = product + g * (load(x, step * stride + place) - middle)
            if stride == 0:
                store(grad, place, total)
                product = total * (load(x, place) - middle)
            if v_stride:
                store(grad_before, place, g_v)
            if len(sum_decay):
                store(sum_decay, channel, load(sum_decay, channel) + share)
            store(sum_grad, channel, load(sum_grad, channel) + total)
            store(sum_product, channel, load(sum_product, channel) + product)


@kernel
def normalise_gradient(x: Any, grad: Any, scale: Any, slope: Any, offset: Any, begin: int, end: int) -> None:
    """Gradient of x in place of that of a x + b: ``scale * grad - slope * x - offset``, channel by channel."""
    n_channels = len(scale)
    for row in range(begin, end, n_channels):
        for channel in range(0, n_channels, LANES):
            place = row + channel
            found = load(grad, place) * load(scale, channel) - load(x, place) * load(slope, channel)
            store(grad, place, found - load(offset, channel))
