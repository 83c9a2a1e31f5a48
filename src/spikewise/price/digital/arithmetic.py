r"""Additions and multiplications of digital hardware, by the bits of their operands.

Constants are known for a few widths. Between them energy and area are interpolated on logarithmic axes, since an adder
grows with the bits and a multiplier with their square. Outside, the nearest known width is used, with one exception:
a multiplier narrower than the narrowest known one, of :math:`b_0` bits, is assumed to shrink with the number of its
partial products,

.. math:: e(b_1, b_2) = e(b_0, b_0) \cdot \frac{b_1 b_2}{b_0^2}.

Without this assumption, a product of 3 x 4 bits would cost as much as one of 8 x 8 bits, five times too much.
"""

from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from spikewise.price.ledger import FloatArray
from spikewise.price.quantity import Quantity, of_dimension


class AtBits(Quantity):
    """A constant that holds for operands of so many bits."""

    bits: int = Field(ge=1, le=64, description="width of the operands")


def _table(values: tuple[AtBits, ...]) -> tuple[AtBits, ...]:
    if not values:
        raise ValueError("a table must have at least one entry")
    if len({entry.bits for entry in values}) < len(values):
        raise ValueError(f"bits must be unique; got {[entry.bits for entry in values]}")
    for entry in values:
        # The interpolation takes logarithms.
        if entry.low <= 0:
            raise ValueError(f"low must be above 0 at {entry.bits} bits; got {entry.low:g}")
    return tuple(sorted(values, key=lambda entry: entry.bits))


Energies = Annotated[tuple[AtBits, ...], of_dimension("energy"), AfterValidator(_table)]
Areas = Annotated[tuple[AtBits, ...], of_dimension("area"), AfterValidator(_table)]


def at_bits(table: tuple[AtBits, ...], n_bits: ArrayLike) -> FloatArray:
    """Return low, nominal and high value for operands of n_bits bits; shape (3, ...).

    Examples
    --------
    >>> known = {"value": 0.2, "unit": "pJ", "source": "a paper", "tag": "verified", "bits": 8}
    >>> wide = {**known, "value": 3.1, "bits": 32}
    >>> at_bits((AtBits(**known), AtBits(**wide)), [4, 8, 16])[1].round(15).tolist()
    [2e-13, 2e-13, 7.87e-13]
    """
    widths = np.log([entry.bits for entry in table])
    wanted = np.log(np.asarray(n_bits, np.float64))
    corners = np.array([entry.corners for entry in table]).T
    return np.exp([np.interp(wanted, widths, row) for row in np.log(corners)])


def product_at_bits(table: tuple[AtBits, ...], n_bits: ArrayLike) -> FloatArray:
    """Return low, nominal and high value of a multiplier; shape (3, ...).

    Parameters
    ----------
    table : tuple of AtBits
        Multipliers of two equal factors.
    n_bits : float array
        Geometric mean of the widths of the two factors: two factors of this width have as many partial products.

    Examples
    --------
    >>> known = {"value": 0.2, "unit": "pJ", "source": "a paper", "tag": "verified", "bits": 8}
    >>> product_at_bits((AtBits(**known),), [8, (3 * 4) ** 0.5])[1].round(16).tolist()
    [2e-13, 3.75e-14]
    """
    narrowest = table[0].bits
    return at_bits(table, n_bits) * np.minimum((np.asarray(n_bits, np.float64) / narrowest) ** 2, 1.0)


class Arithmetic(BaseModel):
    """Adders and multipliers of one number format."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    add: Energies = Field(description="energy of an addition, by bits")
    multiply: Energies = Field(description="energy of a multiplication, by bits")
    add_area: Areas = Field(description="area of an adder, by bits")
    multiply_area: Areas = Field(description="area of a multiplier, by bits")
