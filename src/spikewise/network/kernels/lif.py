r"""Normalisation and LIF neurons over many steps in one pass, forward and backward, sixteen neighbours at a time.

With :math:`x_t` the weighted sum, scale and shift of its channel, and :math:`r_t` the current of a shortcut,

.. math:: u_t = \lambda v_{t-1} + (a x_t + b + r_t), \quad s_t = [u_t \ge v_{th}], \quad v_t = \text{reset}(u_t, s_t) .

Backward computes the potentials again instead of keeping potentials and spikes: it reads the sums and the gradients of
the spikes once, and writes the gradient of :math:`a x + b` once, with the sums of it that normalisation needs. The data
that it uses often, T potentials of sixteen neurons, stay in the nearest cache.

Arrays are flat and channels-last: ``(T, n)`` with n = B H W C elements per step, and channels repeat every
``len(scale)`` elements, a multiple of 16. A static input has ``stride`` 0: all steps read the same sums. Initial
potentials that are all zero have ``v_stride`` 0, and so do gradients of potentials that are all zero; an absent
shortcut has ``r_stride`` 0: sixteen zeros stand for all elements.

Arguments that belong together are named tuples where they are made (``Sums``, ``Train``, ...) and passed as plain
tuples: numba recognises these four times as fast, 0.4 instead of 1.7 us each, which is noticeable in small layers.
"""

from typing import Any, NamedTuple

import numpy as np

from spikewise._compile import inlined, kernel
from spikewise._vector import LANES, absolute, exp_of_negative, load, splat, store, where_ge

_F = np.float32
_ZERO, _ONE, _TWO, _FOUR = _F(0.0), _F(1.0), _F(2.0), _F(4.0)
DSPIKE, TRIANGLE = 0, 1


class Sums(NamedTuple):
    """Input of neurons over T steps of n elements, and their initial potentials."""

    x: Any
    stride: int
    scale: Any
    shift: Any
    residual: Any
    r_stride: int
    before: Any
    v_stride: int
    n_steps: int
    n: int


class Train(NamedTuple):
    """Spikes or their gradients: that of step t and element i is at index ``t * stride + i - origin``."""

    values: Any
    stride: int
    origin: int


class Neurons(NamedTuple):
    """Parameters of the neurons, as a kernel takes them."""

    decay: Any
    v_threshold: Any
    v_reset: Any
    is_soft: bool


class Slope(NamedTuple):
    """Kind, reach and height of the surrogate's slope."""

    kind: int
    gamma: Any
    height: Any


class Gradients(NamedTuple):
    """Gradient of the potentials after the last step, and memory for the gradients to be computed."""

    v: Any
    v_stride: int
    x: Any
    residual: Any
    before: Any
    sum_x: Any
    sum_product: Any
    sum_decay: Any


@kernel
def moments(x: Any, begin: int, end: int, centre: Any, sums: Any, squares: Any) -> None:
    """Add up x - centre and its square, channel by channel, over elements begin to end."""
    n_channels = len(centre)
    for channel in range(0, n_channels, LANES):
        # Channels outside, so that both sums stay in registers.
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
def forward(sums: Any, train: Any, v: Any, begin: int, end: int, neurons: Any) -> None:
    """Compute spikes of elements begin to end, and their potentials ``v`` (n,) after the last step."""
    x, stride, scale, shift, residual, r_stride, before, v_stride, n_steps, n = sums
    spikes, s_stride, origin = train
    decay, v_threshold, v_reset, is_soft = neurons
    leak, threshold, rest, zero, one = splat(decay), splat(v_threshold), splat(v_reset), splat(_ZERO), splat(_ONE)
    n_channels = len(scale)
    for row in range(begin, end, n_channels):
        for channel in range(0, n_channels, LANES):
            place, a, b = row + channel, load(scale, channel), load(shift, channel)
            # All steps of sixteen neurons in one go: their potentials stay in a register.
            potential = load(before, place * v_stride)
            for step in range(n_steps):
                current = load(x, step * stride + place) * a + b + load(residual, (step * n + place) * r_stride)
                u = potential * leak + current
                store(spikes, step * s_stride + place - origin, where_ge(u, threshold, one, zero))
                potential = _reset(u, threshold, rest, is_soft)
            store(v, place, potential)


@inlined
def _slope(distance: Any, kind: int, gamma: Any, height: Any) -> Any:
    """Return the slope of the surrogate at this distance (at least 0) from the threshold."""
    zero, one, reach = splat(_ZERO), splat(_ONE), splat(gamma)
    if kind == TRIANGLE:
        return where_ge(reach, distance, (reach - distance) * splat(height), zero)
    y = exp_of_negative(splat(-_TWO * gamma) * distance)  # sech² = 4 y / (1 + y)²
    return where_ge(reach, distance, splat(_FOUR * height) * y / ((one + y) * (one + y)), zero)


@kernel
def backward(sums: Any, mean: Any, train: Any, grads: Any, begin: int, end: int, neurons: Any, surrogate: Any) -> None:
    """Compute the gradient of a x + b for elements begin to end, and its channel sums, alone and times x - mean.

    If there are initial potentials, their gradient is written too. Gradients of a static input add up over the
    steps. The gradient of the decay is summed in ``sum_decay`` unless that is empty.
    """
    x, stride, scale, shift, residual, r_stride, before, v_stride, n_steps, n = sums
    grad_spikes, s_stride, origin = train
    grad_v, g_stride, grad, grad_residual, grad_before, sum_grad, sum_product, sum_decay = grads
    decay, v_threshold, v_reset, is_soft = neurons
    kind, gamma, height = surrogate
    leak, threshold, rest, zero = splat(decay), splat(v_threshold), splat(v_reset), splat(_ZERO)
    n_channels = len(scale)
    potentials = np.empty(n_steps * LANES, np.float32)
    for row in range(begin, end, n_channels):
        for channel in range(0, n_channels, LANES):
            place, a, b, middle = row + channel, load(scale, channel), load(shift, channel), load(mean, channel)
            potential = load(before, place * v_stride)
            for step in range(n_steps):
                current = load(x, step * stride + place) * a + b + load(residual, (step * n + place) * r_stride)
                # The same operations in the same order as in forward, so that the same neurons fire.
                u = potential * leak + current
                store(potentials, step * LANES, u)
                potential = _reset(u, threshold, rest, is_soft)
            g_v = load(grad_v, place * g_stride)
            total, product, share = zero, zero, zero
            for back in range(n_steps):
                step = n_steps - 1 - back
                u = load(potentials, step * LANES)
                slope = _slope(absolute(u - threshold), kind, gamma, height)
                # Derivative of v_t with respect to s_t (jump) and u_t (kept), times the gradient of v_t.
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
            # Added at the end of the steps: memory is touched once per sixteen neurons.
            store(sum_grad, channel, load(sum_grad, channel) + total)
            store(sum_product, channel, load(sum_product, channel) + product)


@kernel
def normalise_gradient(x: Any, grad: Any, scale: Any, slope: Any, offset: Any, begin: int, end: int) -> None:
    """Replace the gradient of a x + b by that of x, ``scale * grad - slope * x - offset``, channel by channel."""
    n_channels = len(scale)
    for row in range(begin, end, n_channels):
        for channel in range(0, n_channels, LANES):
            place = row + channel
            found = load(grad, place) * load(scale, channel) - load(x, place) * load(slope, channel)
            store(grad, place, found - load(offset, channel))
