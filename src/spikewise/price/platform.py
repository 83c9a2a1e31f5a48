"""Load a platform by its name or from a file, and price a workload on it."""

import os
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from spikewise._arguments import checks_arguments
from spikewise.errors import DataError, ParameterError, unknown_name
from spikewise.workload.workload import Workload

from .cost import CostReport
from .preset import find_platform, is_shipped, merged, platform_names, read_platform_table
from .protocol import Platform
from .quantity import PlatformSettings, checked

KINDS = {
    "imc": ("imc.chip", "ImcChip"),
    "digital": ("digital.accelerator", "DigitalAccelerator"),
    "roofline": ("digital.roofline", "RooflineProcessor"),
    "neuromorphic": ("digital.neuromorphic", "NeuromorphicChip"),
}
"""Kinds of platforms: the module and the class that prices each, imported when a platform of the kind is asked for."""


def settings_of(kind: str) -> Any:
    """Return the settings class of a kind of :data:`KINDS`; its instances are platforms."""
    # Imported only now, so that pricing on one kind does not import the others.
    module, name = KINDS[kind]
    return getattr(import_module(f"spikewise.price.{module}"), name)


def load_platform(name: str | os.PathLike[str]) -> Platform:
    """Load a platform that ships with the package, or one from a TOML file.

    Parameters
    ----------
    name : str or path
        A name among :func:`~spikewise.price.preset.platform_names`, or a path that ends in ``.toml``.

    Raises
    ------
    ParameterError
        If the name is unknown.
    DataError
        If the file is absent or one of its keys is wrong; the message names the key.
    """
    # Only shipped platforms are cached: a user's file may change between two calls.
    if not isinstance(name, str | os.PathLike):
        raise ParameterError(f"platform must be a platform, its name or the path of its file; got {repr(name)[:60]}.")
    return _preset(str(name)) if str(name) in platform_names() else _read(str(name))


@cache
def _preset(name: str) -> Platform:
    return _read(name)


@checks_arguments
def varied(name: str, changes: Mapping[str, Any]) -> Platform:
    """Load a platform with some of its settings changed.

    Parameters
    ----------
    name : str
        Name or TOML file of a platform.
    changes : mapping
        New values by the dotted keys of the platform's file, such as ``{"mapping.adc_bits": 6}``. A constant's new
        value has no band.

    Raises
    ------
    ParameterError
        If a key does not exist, or its new value is not allowed.

    Examples
    --------
    >>> chip = varied("rram-64-32nm-physical", {"mapping.adc_bits": 6})
    >>> chip.name, chip.mapping.adc_bits
    ('rram-64-32nm-physical adc_bits=6', 6)
    """
    if not changes:
        return load_platform(name)
    raw = read_platform_table(find_platform(name))
    for key, value in changes.items():
        raw = _with(raw, key, value, name)
    raw["name"] = " ".join([raw["name"], *(f"{key.rpartition('.')[2]}={value}" for key, value in changes.items())])
    try:
        return _built(raw, name)
    except DataError as error:
        raise ParameterError(f"what varies must be possible together; {error}") from None


def _with(raw: Mapping[str, Any], key: str, value: Any, name: str) -> dict[str, Any]:
    """Return the table with one value changed; raise ParameterError if the table has no such key."""
    *path, last = key.split(".")
    inner: Any = raw
    for part in path:
        inner = inner.get(part) if isinstance(inner, Mapping) else None
    # A top-level key must be a table, such as a constant: name, kind and label do not vary.
    if not isinstance(inner, Mapping) or last not in inner or (not path and not isinstance(inner[last], Mapping)):
        tables = {group: table for group, table in raw.items() if isinstance(table, Mapping)}
        # A top-level constant is named by its own key, all other settings by group and key.
        known = [
            group if "value" in table and each == "value" else f"{group}.{each}"
            for group, table in tables.items() for each in table if "value" not in table or each == "value"
        ]  # fmt: skip
        raise unknown_name(f"what varies on {name}", key, known)
    change: Any = {"value": value} if isinstance(inner[last], Mapping) else value
    for part in reversed([*path, last]):
        change = {part: change}
    return merged(raw, change, "varied")


def _read(name: str) -> Platform:
    source = find_platform(name)
    platform = _built(read_platform_table(source), source.name)
    if platform.name in platform_names() and not is_shipped(source):
        raise DataError(
            f"{source.name}: name must not be that of a platform that ships with the package; got {platform.name!r}. "
            "Choose another, so that nobody takes one for the other."
        )
    return platform


def _built(raw: Mapping[str, Any], file: str) -> Platform:
    kind = raw.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise DataError(f"{file}: {unknown_name('kind', str(kind), KINDS)}")
    built: Platform = checked(settings_of(kind), dict(raw), file)
    return built


def estimate(workload: Workload, platform: str | os.PathLike[str] | Platform = "rram-64-32nm") -> CostReport:
    """Price a workload on a platform, given as an object, a name or a TOML file.

    Examples
    --------
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], n_steps=2, rates=[0.1])
    >>> report = estimate(load)
    >>> parts = report.breakdown("component")
    >>> abs(sum(cost.energy_j for cost in parts.values()) / report.energy_j - 1) < 1e-12
    True
    """
    if not isinstance(workload, Workload):
        raise ParameterError(
            f"workload must be a Workload; got {repr(workload)[:60]}. Read one from a file: Workload.read(path)."
        )
    # Our own platforms first: asking a protocol takes 10 µs, a fiftieth of a price.
    is_ours = isinstance(platform, PlatformSettings)
    chosen: Any = platform if is_ours or isinstance(platform, Platform) else load_platform(platform)
    report: CostReport = chosen.estimate(workload)
    return report
