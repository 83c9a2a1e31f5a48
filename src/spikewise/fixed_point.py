r"""Fixed-point numbers: step, limits, rounding and saturation.

A ``Qi.f`` number has one sign bit, *i* integer and *f* fraction bits: step :math:`2^{-f}`, range
:math:`[-2^i, 2^i - 2^{-f}]`. The unsigned form drops the sign bit and starts at 0: weights in [0, 1)
with 8 bits are ``QFormat(0, 8, is_signed=False)``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._choices import Rounding
from spikewise.errors import ParameterError


@dataclass(frozen=True, slots=True)
class QFormat:
    """A fixed-point number format.

    Parameters
    ----------
    n_int, n_frac : int
        Integer and fraction bits, each at least 0.
    is_signed : bool
        Whether there is a sign bit in addition.

    Examples
    --------
    >>> q = QFormat(1, 2)
    >>> q.n_bits, q.step, q.limits
    (4, 0.25, (-2.0, 1.75))
    >>> q.quantize([0.3, 9.0], rounding="nearest").tolist()
    [0.25, 1.75]
    """

    n_int: int
    n_frac: int
    is_signed: bool = True

    def __post_init__(self) -> None:
        if self.n_int < 0 or self.n_frac < 0 or not 1 <= self.n_bits <= 32:
            raise ParameterError(
                f"n_int and n_frac must be at least 0 and give 1 to 32 bits in all; "
                f"got {self.n_int} and {self.n_frac} ({self.n_bits} bits)."
            )

    @property
    def n_bits(self) -> int:
        """Bits of one number, sign included."""
        return self.n_int + self.n_frac + self.is_signed  # a bool adds 0 or 1

    @property
    def step(self) -> float:
        """Distance between neighbouring numbers."""
        return float(2.0**-self.n_frac)

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest number."""
        return (-float(2.0**self.n_int) if self.is_signed else 0.0), float(2.0**self.n_int) - self.step

    def quantize(
        self, values: ArrayLike, rounding: Rounding = "nearest", rng: np.random.Generator | None = None
    ) -> NDArray[np.float64]:
        """Round to the grid and saturate at the limits.

        Parameters
        ----------
        values : array
            Finite numbers of any shape.
        rounding : {"nearest", "truncate", "stochastic"}
            Round to the closest number (ties to even), towards minus infinity, or at random: up with a probability
            equal to the fractional part, so that the mean is unchanged.
        rng : numpy.random.Generator, optional
            Random generator; needed by ``"stochastic"`` alone.

        Returns
        -------
        float array of the same shape
        """
        # The step is a power of two, so neither this division nor the product below rounds.
        scaled = np.asarray(values, np.float64) / self.step
        if not np.isfinite(scaled).all():
            raise ParameterError("values must be finite; got NaN or infinity.")
        if rounding == "nearest":
            whole = np.rint(scaled)
        elif rounding == "truncate":
            whole = np.floor(scaled)
        elif rounding == "stochastic":
            if rng is None:
                raise ParameterError("stochastic rounding needs rng; got None. Pass numpy.random.default_rng(seed).")
            # P(up) is the fractional part, so the expected value of the result is the value itself.
            whole = np.floor(scaled + rng.random(scaled.shape))
        else:
            raise ParameterError(f"rounding must be truncate, nearest or stochastic; got {rounding!r}.")
        low, high = self.limits
        return np.asarray(np.clip(whole * self.step, low, high))
