"""Limits of a design: largest costs and least accuracy."""

import math
import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from spikewise._arguments import checks_arguments
from spikewise.errors import ParameterError

# K and Ki are left out on purpose, since their meaning (1000 or 1024) differs; ASCII digits only.
_QUANTITY = re.compile(
    r"\s*((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?)\s*([fpnuµmkMGT]?)(B|b|bit|J|s|m2|mm2)\s*", re.ASCII
)
_PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9,
             "T": 1e12}  # fmt: skip


class Budget(BaseModel):
    """Limits of a search; a quantity without a limit is None.

    Examples
    --------
    >>> budget = Budget(memory_bits=1.6e6, energy_j=20e-6)
    >>> budget.exceeded({"memory_bits": 2e6, "energy_j": 1e-6})
    ['memory_bits']
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    memory_bits: float | None = Field(
        None, gt=0, description="Weights and states in bits, or such as 200kB (kB is 1000 B)."
    )
    energy_j: float | None = Field(None, gt=0, description="Energy of an answer in joules, or such as 20uJ.")
    latency_s: float | None = Field(None, gt=0, description="Time of an answer in seconds, or such as 5ms.")
    accuracy: float | None = Field(None, gt=0, le=1, description="Least accuracy, as a fraction.")

    @checks_arguments
    def exceeded(self, figures: Mapping[str, float]) -> list[str]:
        """Return the names of the limits that these figures violate; missing figures violate none."""
        found = []
        for key, value in figures.items():
            limit = getattr(self, key, None)
            if limit is not None and (value < limit if key == "accuracy" else value > limit):
                found.append(key)
        return found

    @checks_arguments
    def excess(self, figures: Mapping[str, float]) -> float:
        """Return the sum of the relative violations of the limits; 0 if all are kept.

        Examples
        --------
        >>> Budget(memory_bits=100).excess({"memory_bits": 150, "energy_j": 9.0})
        0.5
        """
        return float(sum(abs(figures[key] / getattr(self, key) - 1) for key in self.exceeded(figures)))


def quantity(words: str, unit: str) -> float:
    """Convert text with a number, prefix and unit to base units: bits for memory, joules, seconds.

    Parameters
    ----------
    words : str
        Quantity such as ``200kB``, where k is 1000 and B eight bits, or ``20uJ``.
    unit : {"bit", "J", "s"}
        Base unit that the quantity must have.

    Raises
    ------
    ParameterError
        If the text is not a quantity with this base unit.

    Examples
    --------
    >>> quantity("200kB", "bit"), quantity("2 mJ", "J")
    (1600000.0, 0.002)
    """
    example = {"bit": "200kB", "J": "20uJ", "s": "5ms"}[unit]
    found = _QUANTITY.fullmatch(words)
    if found is None:
        hint = " k is 1000; there is no K or Ki." if "K" in words else ""
        raise ParameterError(f"a limit must be a number with a unit, such as {example}; got {words!r}.{hint}")
    number, prefix, measured = found.groups()
    factor = {"B": 8.0, "b": 1.0, "bit": 1.0}.get(measured, 1.0)
    if ("bit" if measured in ("B", "b", "bit") else measured) != unit:
        raise ParameterError(f"a limit must be measured like {example} here; got {words!r}.")
    total = float(number) * _PREFIXES[prefix] * factor
    if not 0 < total < math.inf:
        raise ParameterError(f"a limit must be above 0 and finite; got {words!r}.")
    # "200mB" is most likely a typing error for MB.
    if unit == "bit" and _PREFIXES[prefix] < 1:
        raise ParameterError(f"a limit of memory must be in bits or bytes, k, M or G of them; got {words!r}.")
    return total
