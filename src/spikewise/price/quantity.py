"""Hardware constants, each with its uncertainty band, unit, source and a tag that says how certain it is.

Every constant of a platform is a :class:`Quantity`, written in TOML as
``{ value = 0.79, low = 0.23, high = 0.92, unit = "pJ", source = "...", tag = "verified" }``. Tags, from the most
certain to the least: ``verified`` (read in the named source), ``run`` (output of a public tool), ``derived`` (own
arithmetic from such numbers), ``unverified`` (second-hand). A report has the least certain tag of its constants.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from spikewise._validation import complaint
from spikewise.errors import DataError

from .preset import read_toml

Tag = Literal["verified", "run", "derived", "unverified"]
TAGS: tuple[Tag, ...] = ("verified", "run", "derived", "unverified")
Dimension = Literal["energy", "time", "power", "area", "memory", "throughput", "bandwidth", "ratio"]

_ARTICLES: dict[str, str] = {
    "energy": "an energy", "time": "a time", "power": "a power", "area": "an area", "memory": "a memory size",
    "throughput": "operations per second", "bandwidth": "bytes per second", "ratio": "a ratio",
}  # fmt: skip
_PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-3, "": 1.0}
_LARGE = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS: dict[str, tuple[float, Dimension]] = {
    **{f"{prefix}J": (factor, "energy") for prefix, factor in _PREFIXES.items()},
    **{f"{prefix}s": (factor, "time") for prefix, factor in _PREFIXES.items()},
    **{f"{prefix}W": (factor, "power") for prefix, factor in _PREFIXES.items()},
    **{f"{prefix}m2": (factor**2, "area") for prefix, factor in _PREFIXES.items()},
    **{f"{prefix}m²": (factor**2, "area") for prefix, factor in _PREFIXES.items()},
    **{f"{prefix}op/s": (factor, "throughput") for prefix, factor in _LARGE.items()},
    **{f"{prefix}B/s": (8.0 * factor, "bandwidth") for prefix, factor in _LARGE.items()},  # in bits per second
    "bit": (1.0, "memory"),
    "B": (8.0, "memory"),
    "kB": (8e3, "memory"),
    "KiB": (8.0 * 1024, "memory"),
    "1": (1.0, "ratio"),
    "%": (0.01, "ratio"),
}
_Model = TypeVar("_Model", bound=BaseModel)


def parse_unit(unit: str) -> tuple[float, Dimension]:
    """Return the factor to SI base units and the dimension of a unit such as ``"pJ"``, ``"µm2"`` or ``"KiB"``.

    Examples
    --------
    >>> parse_unit("pJ")
    (1e-12, 'energy')
    """
    if unit not in _UNITS:
        raise ValueError(f"unit must be a known one such as pJ, ns, um2, bit, KiB or 1; got {unit!r}")
    return _UNITS[unit]


def _without_band(schema: dict[str, Any]) -> None:
    """Make low and high optional in the JSON schema: they default to the value."""
    schema["required"] = [key for key in schema["required"] if key not in ("low", "high")]


_MOST = 1e30  # no constant in any unit is larger, and sums of such ones stay finite


class Quantity(BaseModel):
    """A constant with its band, unit, source and tag.

    Low and high default to the value; ``low <= value <= high`` and nothing is negative.

    Examples
    --------
    >>> adc = Quantity(value=0.79, low=0.23, high=0.92, unit="pJ", source="a paper", tag="verified")
    >>> adc.dimension, (adc.corners * 1e15).round(6).tolist()
    ('energy', [230.0, 790.0, 920.0])
    """

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_without_band)

    value: float = Field(ge=0, le=_MOST, strict=True, allow_inf_nan=False, description="nominal, in the given unit")
    low: float = Field(ge=0, le=_MOST, strict=True, allow_inf_nan=False, description="lowest plausible value")
    high: float = Field(ge=0, le=_MOST, strict=True, allow_inf_nan=False, description="highest plausible value")
    unit: str = Field(description="unit of the three numbers")
    source: str = Field(min_length=1, description="where the number comes from")
    tag: Tag = Field(description="how sure we are of it")

    @model_validator(mode="before")
    @classmethod
    def _fill_band(cls, raw: Any) -> Any:
        if isinstance(raw, Mapping) and "value" in raw:
            return {"low": raw["value"], "high": raw["value"], **raw}
        return raw

    @model_validator(mode="after")
    def _check(self) -> Self:
        parse_unit(self.unit)
        if not self.low <= self.value <= self.high:
            raise ValueError(f"low <= value <= high must hold; got {self.low}, {self.value}, {self.high}")
        return self

    @property
    def dimension(self) -> Dimension:
        """Dimension of the unit."""
        return parse_unit(self.unit)[1]

    @cached_property
    def corners(self) -> NDArray[np.float64]:
        """Low, nominal and high value in SI base units; shape (3,)."""
        return np.array([self.low, self.value, self.high]) * parse_unit(self.unit)[0]


def of_dimension(*dimensions: Dimension) -> AfterValidator:
    """Return a pydantic check that a quantity, or each of several, has one of these dimensions."""

    def check(value: Quantity | Sequence[Quantity]) -> Quantity | Sequence[Quantity]:
        for quantity in [value] if isinstance(value, Quantity) else value:
            if quantity.dimension not in dimensions:
                allowed = " or ".join(_ARTICLES[name] for name in dimensions)
                raise ValueError(f"unit must be {allowed}; got {quantity.unit!r}")
        return value

    return AfterValidator(check)


class PlatformSettings(BaseModel):
    """Settings that every kind of platform has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="shown in reports")
    label: str = Field(description="one line on how far to trust it")
    notes: tuple[str, ...] = Field(default=(), description="assumptions that every report repeats")
    beside: str | None = Field(default=None, description="platform that tables show beside this one")

    @property
    def constants(self) -> dict[str, Quantity]:
        """Every constant, by its dotted key."""
        return dict(constants_of(self))

    def quantities(self) -> tuple[Quantity, ...]:
        """Return every constant."""
        return tuple(self.constants.values())


Ratio = Annotated[Quantity, of_dimension("ratio")]


def constants_of(settings: Any, key: str = "") -> Iterator[tuple[str, Quantity]]:
    """Yield every constant in a settings model, at any depth, with its dotted key."""
    if isinstance(settings, Quantity):
        yield key, settings
        return
    items: Any = ()
    if isinstance(settings, BaseModel):
        items = ((name, getattr(settings, name)) for name in type(settings).model_fields)
    elif isinstance(settings, Mapping):
        items = settings.items()
    elif isinstance(settings, tuple):
        # A file may give a single rate without a list, so its key has no number.
        items = (("" if len(settings) == 1 else str(place), item) for place, item in enumerate(settings))
    for name, item in items:
        yield from constants_of(item, ".".join(part for part in (key, name) if part))


def weakest(tags: Iterable[Tag]) -> Tag:
    """Return the least certain of several tags.

    Examples
    --------
    >>> weakest(["verified", "derived"])
    'derived'
    """
    return max(tags, key=TAGS.index, default="verified")


def read_settings(model: type[_Model], source: Path | Traversable) -> _Model:
    """Read a TOML file into a settings model; raises DataError as :func:`checked` does."""
    return checked(model, read_toml(source), source.name)


def checked(model: type[_Model], raw: Mapping[str, Any], name: str) -> _Model:
    """Build a settings model from these values.

    Raises
    ------
    DataError
        If a key is missing, unknown or wrong; the message names file and key.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise DataError(f"{name}: {complaint(model, raw, error)}") from None
