r"""Fixed-point formats: integers for the weights of a layer, and for the potentials of its neurons.

A weight is :math:`w \approx s_c\,q` with an integer q of b bits and a step :math:`s_c`: one per output channel, or one
power of two for the whole layer, which is the classical Qi.f. The step is the one with the least squared error: with
few bits it is better to clip the largest weights.

All inputs of a neuron are in its own unit :math:`u_c = s_c\,2^{-k_c}`, so a weighted sum only has to be *shifted* into
this unit, and no multiplication by scales is left. The shift leaves room for the largest potential:

.. math:: k_c = \left\lfloor \log_2 \frac{2^{m - 1}\,s_c}{\max_t |u_t|} \right\rfloor

for potentials of m bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._arguments import checks_arguments
from spikewise._choices import Rounding
from spikewise.errors import DataError, ParameterError, unknown_name, whole_number
from spikewise.fixed_point import QFormat

Scale = Literal["channel", "power2"]
MIN_BITS, MAX_BITS = 2, 16
_CUTS = np.linspace(1.0, 0.3, 29)  # clipping thresholds to try, as shares of the largest weight
_FARTHEST = 62  # largest shift of 64-bit integers
# Weight decay drives the weights of a dead channel to 1e-38. In steps of these a threshold has no number; thousands of
# weights below this one do not reach it either.
_DEAD = 2.0**-24
_FINER = 3  # number of powers of two to try below the one that clips no weight


@checks_arguments
@dataclass(frozen=True, slots=True)
class FixedFormat:
    """Bits of a network in fixed point.

    Parameters
    ----------
    bits : int or mapping of str to int
        Bits of the weights, 2 to 16: one number for all layers, or one per layer by its name.
    membrane_bits : int
        Bits of the potentials, 4 to 16.
    scale : {"channel", "power2"}
        A step for each output channel, or a power of two for each layer.
    rounding : {"nearest", "truncate", "stochastic"}
        Rounding of the weights.
    seed : int
        Seed of stochastic rounding.

    Examples
    --------
    >>> FixedFormat({"conv1": 8, "readout": 4}).of("readout")
    4
    """

    bits: int | Mapping[str, int] = 8
    membrane_bits: int = 16
    scale: Scale = "channel"
    rounding: Rounding = "nearest"
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.bits, Mapping):
            if not self.bits:
                raise ParameterError("bits must name every layer; got none. Give one width for all instead.")
            bits = {name: whole_number(f"bits of {name}", each, MIN_BITS, MAX_BITS) for name, each in self.bits.items()}
            object.__setattr__(self, "bits", bits)
        else:
            object.__setattr__(self, "bits", whole_number("bits", self.bits, MIN_BITS, MAX_BITS))
        whole_number("membrane_bits", self.membrane_bits, 4, MAX_BITS)
        for key, known in (("scale", get_args(Scale)), ("rounding", get_args(Rounding))):
            if getattr(self, key) not in known:
                raise unknown_name(key, getattr(self, key), known)

    def of(self, layer: str) -> int:
        """Return the bits of a layer's weights."""
        if isinstance(self.bits, int):
            return self.bits
        if layer not in self.bits:
            raise ParameterError(f"bits must name every layer; {layer} is missing. Name it too.")
        return self.bits[layer]

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> FixedFormat:
        """Inverse of :meth:`to_dict`; raises DataError if an entry is missing, unknown or impossible."""
        try:
            return cls(**{each.name: raw[each.name] for each in fields(cls)})
        except (KeyError, IndexError, TypeError, ParameterError) as error:
            raise DataError(f"the fixed-point format has a missing or impossible entry; {error}") from None


def choose_steps(
    weights: ArrayLike, bits: int, scale: Scale = "channel", rounding: Rounding = "nearest"
) -> NDArray[np.float64]:
    """Choose the step of each output channel that has the least error of rounding and clipping.

    Parameters
    ----------
    weights : array of shape (C, ...)
        Weights of a layer.
    bits : int
        Bits of a weight, its sign included.
    scale : {"channel", "power2"}
        Whether each channel has a step, or all have the same power of two.
    rounding : {"nearest", "truncate", "stochastic"}
        How weights will be rounded.

    Returns
    -------
    array of shape (C,)

    Examples
    --------
    >>> choose_steps([[0.7, -0.2], [7.0, 2.0]], bits=4).round(3).tolist()
    [0.1, 1.0]
    >>> choose_steps([[0.7, -0.2], [0.3, 0.2]], bits=4, scale="power2").tolist()
    [0.125, 0.125]
    """
    rows = np.asarray(weights, np.float64).reshape(len(np.asarray(weights)), -1)
    top = 2 ** (bits - 1) - 1
    longest = np.abs(rows).max(1)
    if scale == "power2":
        coarsest = int(np.ceil(np.log2(max(longest.max(), _DEAD) / top)))
        tried = [np.full(len(rows), 2.0 ** (coarsest - finer)) for finer in range(_FINER + 1)]
        errors = [_error(rows, steps, bits, rounding).sum() for steps in tried]
        return tried[int(np.argmin(errors))]
    longest[longest < _DEAD] = top  # a channel without weights, which are rounded to zero: any step will do
    tried = [longest * cut / top for cut in _CUTS]
    best = np.argmin([_error(rows, steps, bits, rounding) for steps in tried], axis=0)
    found: NDArray[np.float64] = np.stack(tried)[best, np.arange(len(rows))]
    return found


def whole_numbers(
    weights: ArrayLike, steps: NDArray[np.float64], bits: int, rounding: Rounding = "nearest",
    rng: np.random.Generator | None = None,
) -> NDArray[np.float64]:  # fmt: skip
    """Return weights (C, ...) as whole multiples of their steps (C,)."""
    values = np.asarray(weights, np.float64)
    return QFormat(bits - 1, 0).quantize(values / steps.reshape(-1, *[1] * (values.ndim - 1)), rounding, rng)


def choose_shifts(
    steps: NDArray[np.float64], largest: NDArray[np.float64], membrane_bits: int, scale: Scale = "channel"
) -> NDArray[np.int64]:
    """Choose the shift k of each channel, given the largest potential (C,) of its neurons.

    Examples
    --------
    >>> choose_shifts(np.array([0.1, 0.1]), np.array([3.0, 12.0]), membrane_bits=8).tolist()
    [2, 0]
    """
    room = 2.0 ** (membrane_bits - 1) * steps / largest
    shifts = np.clip(np.floor(np.log2(room)), -_FARTHEST, _FARTHEST).astype(np.int64)
    return np.full_like(shifts, shifts.min()) if scale == "power2" else shifts


def _error(rows: NDArray[np.float64], steps: NDArray[np.float64], bits: int, rounding: Rounding) -> NDArray[np.float64]:
    """Return the squared error (C,) of rounding each row to its step."""
    # Stochastic rounding is judged as rounding to nearest, so that the choice of a step needs no random numbers.
    found = whole_numbers(rows, steps, bits, "truncate" if rounding == "truncate" else "nearest")
    lost: NDArray[np.float64] = ((rows - found * steps[:, None]) ** 2).sum(1)
    return lost
