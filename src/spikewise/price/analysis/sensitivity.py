"""Sensitivity of a figure to each constant alone, at its low and at its high end, the strongest first (tornado)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from spikewise._arguments import checks_arguments
from spikewise.errors import ParameterError, unknown_name, whole_number
from spikewise.price.protocol import Platform
from spikewise.price.quantity import Quantity, constants_of
from spikewise.workload.workload import Workload

FIGURES = ("energy_j", "latency_s", "edp_js", "edp_saving", "area_m2")
# Checked first in `replaced`, since most values are such; a Quantity is a BaseModel, but holds no other constant.
_LEAVES = (str, int, float, type(None), Quantity)


@dataclass(frozen=True, slots=True)
class Swing:
    """Effect of one constant on a figure.

    Parameters
    ----------
    constant : str
        Key of the constant in the platform.
    low, nominal, high : float
        The figure with this constant at its low, nominal and high value; all other constants are nominal.
    source, tag : str
        Source of the constant, and its certainty.
    """

    constant: str
    low: float
    nominal: float
    high: float
    source: str
    tag: str

    @property
    def width(self) -> float:
        """Distance between the figures at the two ends."""
        return abs(self.high - self.low)


@checks_arguments
def sensitivity(
    platform: Platform, workload: Workload, figure: str = "energy_j", n_strongest: int = 10
) -> tuple[Swing, ...]:
    """Return the constants that change a figure most, strongest first.

    Parameters
    ----------
    platform : Platform
        A settings model, from :func:`~spikewise.price.platform.load_platform`.
    workload : Workload
        Workload to price.
    figure : {"energy_j", "latency_s", "edp_js", "edp_saving", "area_m2"}
        A figure of the cost report.
    n_strongest : int
        Largest number of constants to return.

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 64, weight_bits=4)], 4, [0.2])
    >>> strongest = sensitivity(load_platform("rram-64-32nm"), load, n_strongest=2)
    >>> [swing.constant for swing in strongest]
    ['components.periphery.energy', 'pe_cycle']
    """
    if figure not in FIGURES:
        raise unknown_name("figure", figure, FIGURES)
    n_strongest = whole_number("n_strongest", n_strongest, 1)
    if not isinstance(platform, BaseModel):
        raise ParameterError(f"platform must be a settings model, whose constants can be varied; got {platform!r}.")
    nominal = float(getattr(platform.estimate(workload), figure))
    ends: dict[str, list[float]] = {}
    known: dict[str, Quantity] = {}
    for key, constant, varied in variants(platform):
        known[key] = constant
        ends.setdefault(key, []).append(float(getattr(varied.estimate(workload), figure)))
    swings = [Swing(key, low, nominal, high, known[key].source, known[key].tag) for key, (low, high) in ends.items()]
    moving = [swing for swing in swings if swing.width > 0]
    return tuple(sorted(moving, key=lambda swing: -swing.width)[:n_strongest])


def variants(platform: Platform) -> Iterator[tuple[str, Quantity, Platform]]:
    """Yield each constant that has a band, with the platform where it alone is low, then the one where it is high."""
    for key, constant in constants_of(platform):
        if constant.low < constant.high:
            for end in (constant.low, constant.high):
                yield key, constant, replaced(platform, constant, _at(constant, end))


def replaced(settings: Any, old: Quantity, new: Quantity) -> Any:
    """Return a copy of settings with one constant replaced; parts without that constant are shared, not copied."""
    # By identity, not by value: two constants may be equal, and only one of them varies.
    if settings is old:
        return new
    if isinstance(settings, _LEAVES):
        return settings
    if isinstance(settings, BaseModel):
        values = {name: getattr(settings, name) for name in type(settings).model_fields}
        changed = _replaced_among(values, old, new)
        # Without validation, which would take longer than the price.
        return settings if changed is values else type(settings).model_construct(**changed)
    if isinstance(settings, dict):
        return _replaced_among(settings, old, new)
    if isinstance(settings, tuple):
        for place, value in enumerate(settings):
            other = replaced(value, old, new)
            if other is not value:
                return (*settings[:place], other, *settings[place + 1 :])
    return settings


def _replaced_among(values: dict[str, Any], old: Quantity, new: Quantity) -> dict[str, Any]:
    """Return the entries with one constant replaced; the same object if no entry holds the constant."""
    for name, value in values.items():
        if isinstance(value, _LEAVES):
            if value is old:
                return {**values, name: new}
            continue
        other = replaced(value, old, new)
        if other is not value:
            return {**values, name: other}
    return values


def _at(constant: Quantity, value: float) -> Quantity:
    """Return the constant with another nominal value and the same ends."""
    fields = {name: getattr(constant, name) for name in type(constant).model_fields}
    return type(constant).model_construct(**{**fields, "value": value})
