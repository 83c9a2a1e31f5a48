"""Platforms: whatever turns a workload into a cost report, by name or from a file of its own."""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Protocol, runtime_checkable

from spikewise.errors import unknown_name
from spikewise.workload import Workload

from .chip import ImcChip
from .cost import CostReport
from .technology import read_settings

_PRESETS = files("spikewise.price") / "presets"


@runtime_checkable
class Platform(Protocol):
    """Hardware that can be asked for a price."""

    @property
    def name(self) -> str:
        """Shown in reports."""
        ...

    def estimate(self, workload: Workload) -> CostReport:
        """Energy, latency, area and memory of a workload, by layer, component and step."""
        ...


def platform_names() -> tuple[str, ...]:
    """Names of the platforms that ship with the package.

    Examples
    --------
    >>> "rram-64-32nm" in platform_names()
    True
    """
    return tuple(sorted(item.name.removesuffix(".toml") for item in _PRESETS.iterdir() if item.name.endswith(".toml")))


def load_platform(name: str | os.PathLike[str]) -> Platform:
    """Load a platform that ships with the package, or one from a TOML file.

    Parameters
    ----------
    name : str or path
        A name among :func:`platform_names`, or a path that ends in ``.toml``.

    Raises
    ------
    ParameterError
        If nobody knows the name.
    DataError
        If the file is absent or one of its keys is wrong; the message names the key.
    """
    if str(name).endswith(".toml"):
        return read_settings(ImcChip, Path(name))
    return _preset(str(name))


@cache
def _preset(name: str) -> ImcChip:
    if name not in platform_names():
        raise unknown_name("platform", name, platform_names())
    return read_settings(ImcChip, _PRESETS / f"{name}.toml")


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
    chosen = platform if isinstance(platform, Platform) else load_platform(platform)
    return chosen.estimate(workload)
