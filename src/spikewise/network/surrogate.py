r"""The firing step, and surrogate slopes that replace its derivative in training.

A neuron fires when :math:`v \ge v_{th}`. The derivative of that step is zero almost everywhere, so
training replaces it by a bump around the threshold. With :math:`x = v - v_{th}`:

* *Dspike*, the slope of :math:`\tanh(\gamma x) / (2\tanh\gamma^2) + \tfrac{1}{2}` for :math:`|x| \le \gamma`, else 0;
* *triangle*, :math:`\max(0, \gamma - |x|) / \gamma^2`.

Only the slope is an approximation; the spikes are exact zeros and ones.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from spikewise._arguments import checks_arguments
from spikewise.errors import DataError, ParameterError


class Surrogate(Protocol):
    """Replacement for the derivative of the firing step."""

    def slope(self, x: Tensor) -> Tensor:
        """Return the slope at the distance x = v - v_threshold, same shape."""
        ...


def _check_gamma(gamma: float) -> None:
    if not 1e-3 <= gamma <= 1e3:  # beyond, the slope leaves the range of floats
        raise ParameterError(f"gamma must lie in [0.001, 1000]; got {gamma}.")


@checks_arguments
@dataclass(frozen=True, slots=True)
class Dspike:
    """Slope of a scaled hyperbolic tangent, cut off at distance ``gamma`` from the threshold.

    Parameters
    ----------
    gamma : float
        Steepness and reach at once, in [0.001, 1000]. At 3 the slope is about 1.5 sech²(3x).

    Examples
    --------
    >>> Dspike().slope(torch.tensor([0.0, 3.5])).tolist()
    [1.5, 0.0]
    """

    gamma: float = 3.0

    def __post_init__(self) -> None:
        _check_gamma(self.gamma)

    def slope(self, x: Tensor) -> Tensor:
        """Return the slope at the distance x = v - v_threshold, same shape."""
        height = self.gamma / (2 * math.tanh(self.gamma**2))
        # The derivative of tanh is 1 - tanh². In place, since one activation may take much memory.
        bump = (x * self.gamma).tanh_().square_().mul_(-height).add_(height)
        # The slope falls with distance, so a limit on the distance is the same as a limit on the slope.
        return torch.threshold_(bump, height * (1 - math.tanh(self.gamma**2) ** 2), 0.0)


@checks_arguments
@dataclass(frozen=True, slots=True)
class Triangle:
    """A triangle of unit area around the threshold.

    Parameters
    ----------
    gamma : float
        Half its width, in [0.001, 1000].

    Examples
    --------
    >>> Triangle().slope(torch.tensor([0.0, -0.5, 2.0])).tolist()
    [1.0, 0.5, 0.0]
    """

    gamma: float = 1.0

    def __post_init__(self) -> None:
        _check_gamma(self.gamma)

    def slope(self, x: Tensor) -> Tensor:
        """Return the slope at the distance x = v - v_threshold, same shape."""
        return x.abs().neg_().add_(self.gamma).clamp_(min=0).div_(self.gamma**2)


_SURROGATES: dict[str, type[Dspike] | type[Triangle]] = {"dspike": Dspike, "triangle": Triangle}


def surrogate_to_dict(surrogate: Surrogate) -> dict[str, Any]:
    """Return a surrogate as a plain dictionary, ready for JSON.

    Examples
    --------
    >>> surrogate_to_dict(Triangle(0.5))
    {'kind': 'triangle', 'gamma': 0.5}
    """
    for kind, cls in _SURROGATES.items():
        if isinstance(surrogate, cls):
            return {"kind": kind, **asdict(surrogate)}
    raise ParameterError(
        f"surrogate must be Dspike or Triangle to be stored; got {surrogate!r}. "
        "Train without a checkpoint, or take one of these."
    )


def surrogate_from_dict(raw: dict[str, Any]) -> Surrogate:
    """Read what :func:`surrogate_to_dict` returned; raises DataError for anything else."""
    try:
        body = dict(raw)
        return _SURROGATES[body.pop("kind")](**body)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"a surrogate must be one of {', '.join(_SURROGATES)} with its gamma; {error}.") from None


def spikes_at(v: Tensor, v_threshold: float, out: Tensor | None = None) -> Tensor:
    """Return 1 where a neuron fires, ``v >= v_threshold``, else 0."""
    # Comparing straight into floats is several times faster on a CPU than working with booleans.
    return torch.ge(v, v_threshold, out=torch.empty_like(v) if out is None else out)


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor, v_threshold: float, surrogate: Surrogate) -> Tensor:
        ctx.save_for_backward(v)
        ctx.v_threshold, ctx.surrogate = v_threshold, surrogate
        return spikes_at(v, v_threshold)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (v,) = ctx.saved_tensors
        return grads[0] * ctx.surrogate.slope(v - ctx.v_threshold), None, None


def fire(v: Tensor, v_threshold: float, surrogate: Surrogate) -> Tensor:
    """Return spikes (0 or 1) of neurons with potential v; their gradient is the surrogate's slope.

    Examples
    --------
    >>> v = torch.tensor([0.5, 1.0, 2.5], requires_grad=True)
    >>> spikes = fire(v, 1.0, Triangle())
    >>> spikes.sum().backward()
    >>> spikes.tolist(), v.grad.tolist()
    ([0.0, 1.0, 1.0], [0.5, 1.0, 0.0])
    """
    spikes: Tensor = _Fire.apply(v, v_threshold, surrogate)  # type: ignore[no-untyped-call]
    return spikes
