r"""Leaky integrate-and-fire neurons: parameters, one pure step, and many steps at once.

.. math:: u_t = \lambda v_{t-1} + x_t, \qquad s_t = [u_t \ge v_{th}], \qquad
          v_t = \begin{cases}(1 - s_t)\,u_t + s_t\,v_{reset} & \text{hard reset}\\
                             u_t - s_t\,v_{th} & \text{soft reset}\end{cases}

The gradient flows through the reset too, as in the official DT-SNN code. :func:`lif_sequence` does T
steps as one node of the autograd graph: backpropagation through time written out by hand. It keeps
:math:`u_t` and :math:`s_t`, where a loop of :func:`lif_step` would keep five tensors per step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spikewise._arguments import checks_arguments
from spikewise.errors import DataError, ParameterError, ShapeError

from .surrogate import Surrogate, Triangle, fire, spikes_at, surrogate_from_dict, surrogate_to_dict

Reset = Literal["hard", "soft"]


@checks_arguments
@dataclass(frozen=True, slots=True)
class LIFParams:
    """Parameters of a leaky integrate-and-fire (LIF) population.

    Parameters
    ----------
    decay : float
        Share of the potential that remains after one step, in [0, 1]; 1 is a neuron without leak.
    v_threshold : float
        A neuron fires at or above this potential; it must be above 0.
    v_reset : float
        Potential after a hard reset, below the threshold; a soft reset does not use it.
    reset : {"hard", "soft"}
        Whether a spike sets the potential to ``v_reset`` or subtracts the threshold from it.
    surrogate : Surrogate
        Slope of the firing step in training.
    """

    decay: float = 0.5
    v_threshold: float = 1.0
    v_reset: float = 0.0
    reset: Reset = "hard"
    surrogate: Surrogate = field(default_factory=Triangle)

    def __post_init__(self) -> None:
        if not 0 <= self.decay <= 1:
            raise ParameterError(f"decay must lie in [0, 1]; got {self.decay}.")
        if not (math.isfinite(self.v_threshold) and self.v_threshold > 0):
            raise ParameterError(f"v_threshold must be a finite number above 0; got {self.v_threshold}.")
        if not (math.isfinite(self.v_reset) and self.v_reset < self.v_threshold):
            raise ParameterError(f"v_reset must lie below v_threshold ({self.v_threshold}); got {self.v_reset}.")
        if self.reset not in ("hard", "soft"):
            raise ParameterError(f"reset must be 'hard' or 'soft'; got {self.reset!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary, ready for JSON."""
        values = {key: getattr(self, key) for key in ("decay", "v_threshold", "v_reset", "reset")}
        return {**values, "surrogate": surrogate_to_dict(self.surrogate)}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> LIFParams:
        """Read what :meth:`to_dict` returned; raises DataError if a key is missing or out of range."""
        try:
            return cls(**{**raw, "surrogate": surrogate_from_dict(raw["surrogate"])})
        except (KeyError, TypeError, ParameterError) as error:
            raise DataError(f"the LIF parameters have a missing, unknown or impossible entry; {error}") from None


def lif_step(current: Tensor, v: Tensor, params: LIFParams) -> tuple[Tensor, Tensor]:
    """Advance a LIF population by one time step.

    Parameters
    ----------
    current, v : Tensor of the same shape
        Input of this step and potential after the last one.
    params : LIFParams
        Parameters of the neurons.

    Returns
    -------
    spikes, v : Tensor
        Zeros and ones, and the potential after the reset.

    Examples
    --------
    >>> spikes, v = lif_step(torch.tensor([0.5, 0.75]), torch.tensor([0.5, 0.5]), LIFParams())
    >>> spikes.tolist(), v.tolist()
    ([0.0, 1.0], [0.75, 0.0])
    """
    v = params.decay * v + current
    spikes = fire(v, params.v_threshold, params.surrogate)
    return spikes, _reset(v, spikes, params)


def _reset(v: Tensor, spikes: Tensor, params: LIFParams) -> Tensor:
    """Return the potential after the reset."""
    if params.reset == "soft":
        return v - spikes * params.v_threshold
    # Products, not torch.where: the surrogate slope must reach v through the reset too.
    silent = torch.addcmul(v, v, spikes, value=-1)
    return silent + spikes * params.v_reset if params.v_reset else silent


class _LIFSequence(torch.autograd.Function):
    """Equation in the module's docstring, and its derivative backwards in time."""

    @staticmethod
    def forward(ctx: Any, currents: Tensor, v: Tensor | None, params: LIFParams) -> tuple[Tensor, Tensor]:
        potentials = torch.empty(currents.shape, dtype=currents.dtype, device=currents.device)
        spikes = torch.empty_like(potentials)
        for step, current in enumerate(currents):
            u = potentials[step]
            if v is None:
                # A missing potential is zero, and so is its decayed share.
                u.copy_(current)
            else:
                torch.mul(v, params.decay, out=u).add_(current)
            fired = spikes_at(u, params.v_threshold, out=spikes[step])
            v = _reset(u, fired, params)
        ctx.save_for_backward(potentials, spikes)
        ctx.params = params
        # An output that no loss uses then has the gradient None, and its work is skipped.
        ctx.set_materialize_grads(False)
        assert v is not None  # at least one step, checked by the caller
        return spikes, v

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, Tensor | None, None]:
        potentials, spikes = ctx.saved_tensors
        params: LIFParams = ctx.params
        grad_spikes, grad_v = grads
        grad_currents = torch.empty_like(potentials)
        for step in reversed(range(len(potentials))):
            u, grad_u = potentials[step], grad_currents[step]
            grad_s = None if grad_spikes is None else grad_spikes[step]
            if grad_v is not None:
                # Derivative of v_t with respect to s_t, times the gradient of v_t.
                jump = -params.v_threshold if params.reset == "soft" else params.v_reset - u
                through_reset = grad_v * jump
                grad_s = through_reset if grad_s is None else through_reset.add_(grad_s)
                if params.reset == "hard":
                    # A neuron that fired forgets u_t, so no gradient passes through.
                    grad_v = torch.addcmul(grad_v, grad_v, spikes[step], value=-1)
            if grad_s is None:
                grad_u.zero_()
            else:
                # The surrogate replaces the derivative of s_t with respect to u_t.
                torch.mul(params.surrogate.slope(u - params.v_threshold), grad_s, out=grad_u)
            if grad_v is not None:
                grad_u.add_(grad_v)
            # Gradient of v_{t-1}, since u_t contains decay times v_{t-1}.
            grad_v = grad_u * params.decay
        return grad_currents, grad_v if ctx.needs_input_grad[1] else None, None


def lif_sequence(currents: Tensor, params: LIFParams, v0: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Advance a LIF population by T steps; equals T calls of :func:`lif_step` exactly.

    Parameters
    ----------
    currents : Tensor of shape (T, B, ...)
        Input of each step; may be an expanded view of a single step.
    params : LIFParams
        Parameters of the neurons.
    v0 : Tensor of shape (B, ...), optional
        Potential before the first step; zero if absent.

    Returns
    -------
    spikes : Tensor of shape (T, B, ...)
        Zeros and ones.
    v : Tensor of shape (B, ...)
        Potential after the last reset.

    Examples
    --------
    >>> spikes, v = lif_sequence(torch.full((4, 1), 0.6), LIFParams())
    >>> spikes.flatten().tolist()
    [0.0, 0.0, 1.0, 0.0]
    """
    if currents.ndim < 1 or not len(currents):
        raise ShapeError(f"currents must have shape (T, B, ...) with T at least 1; got {tuple(currents.shape)}.")
    if v0 is not None and v0.shape != currents.shape[1:]:
        raise ShapeError(f"v0 must have shape {tuple(currents.shape[1:])}; got {tuple(v0.shape)}.")
    spikes, v = _LIFSequence.apply(currents, v0, params)  # type: ignore[no-untyped-call]
    return spikes, v


def tell_decay(currents: Tensor, decay: Tensor, v0: Tensor | None, params: LIFParams) -> Tensor:
    """Return the currents (T, B, ...) unchanged; backward adds the gradient of a scalar ``decay``."""
    told: Tensor = _TellDecay.apply(currents, decay, v0, params)  # type: ignore[no-untyped-call]
    return told


class _TellDecay(torch.autograd.Function):
    """Identity of the currents, with the gradient of the decay (:mod:`spikewise.network.decay`) in backward."""

    @staticmethod
    def forward(ctx: Any, currents: Tensor, decay: Tensor, v0: Tensor | None, params: LIFParams) -> Tensor:
        ctx.save_for_backward(currents, v0)
        ctx.params = params
        return currents.view_as(currents)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        currents, v0 = ctx.saved_tensors
        v = torch.zeros_like(currents[0]) if v0 is None else v0
        share = torch.zeros((), dtype=torch.float32, device=currents.device)
        for grad, current in zip(grads[0], currents, strict=True):
            # dL/dx_t times v_{t-1}; potentials are computed again instead of kept.
            share += (grad * v).sum(dtype=torch.float32)
            _, v = lif_step(current, v, ctx.params)
        return grads[0], share, None, None


class LIF(nn.Module):
    """A LIF population as a module. It holds only parameters; the potential is an argument and a result.

    Parameters
    ----------
    params : LIFParams
        Parameters of the neurons; the defaults if absent.
    """

    emits_spikes = True  # by which network.record recognises neurons

    def __init__(self, params: LIFParams | None = None) -> None:
        super().__init__()
        self.params = LIFParams() if params is None else params

    def current_params(self) -> LIFParams:
        """Return the parameters now in use; they differ from ``params`` if the population learns its decay."""
        return self.params

    def forward(self, currents: Tensor, v0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return spikes (T, B, ...) and last potential (B, ...) of :func:`lif_sequence`."""
        return lif_sequence(currents, self.params, v0)

    def extra_repr(self) -> str:
        """Return the parameters, as torch shows them when it prints the module."""
        return str(self.params)
