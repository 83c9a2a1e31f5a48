"""Prices of one network on the requested platform and on its companion platforms.

A platform whose absolute scale is fitted, and not known, names in ``beside`` a companion with more reliable figures.
Every table and every file of figures that shows the first platform shows its companion too.

All prices are stored in one file, so that an interrupted program cannot leave one without the other: the report of the
requested platform, with the reports of its companions in the entry ``beside``. Older files have no such entry and hold
one price.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from spikewise._arguments import checks_arguments
from spikewise._files import mendable, read_json, write_json
from spikewise.errors import DataError
from spikewise.price.cost import CostReport
from spikewise.price.platform import load_platform
from spikewise.price.protocol import Platform
from spikewise.workload.workload import Workload


def companions_of(*platforms: Platform) -> list[str]:
    """Return the names of the companions of these platforms, each once, without those that are in the list already.

    Parameters
    ----------
    *platforms : Platform
        Requested platforms, in their order.

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> companions_of(load_platform("rram-64-32nm"))
    ['rram-64-32nm-physical']
    >>> companions_of(load_platform("rram-64-32nm"), load_platform("rram-64-32nm-physical"))
    []
    """
    asked = {platform.name for platform in platforms}
    # A dictionary, not a set: it keeps the order.
    wanted = dict.fromkeys(platform.beside for platform in platforms)
    return [name for name in wanted if name is not None and name not in asked]


Prices = tuple[CostReport, ...]
"""The report of the requested platform, then those of its companions."""

_BANDS = ("energy_j", "latency_s", "edp_saving")


@dataclass(frozen=True, slots=True)
class PriceFigures:
    """Headline figures of a price; those that have a band (low, nominal, high) come with it."""

    platform: str
    energy_j: float
    latency_s: float
    area_m2: float
    memory_bits: int
    edp_saving: float
    band: dict[str, list[float]]

    @classmethod
    def of(cls, report: CostReport) -> PriceFigures:
        """Take the figures of a report."""
        band = {key: list(report.band(key)) for key in _BANDS}
        return cls(
            report.platform, report.energy_j, report.latency_s, report.area_m2, report.memory_bits, report.edp_saving,
            band,
        )  # fmt: skip


@checks_arguments
def price_all(workload: Workload, platform: str) -> Prices:
    """Price a workload on a platform and on its companions.

    Examples
    --------
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], n_steps=2, rates=[0.1])
    >>> [report.platform for report in price_all(load, "rram-64-32nm")]
    ['rram-64-32nm', 'rram-64-32nm-physical']
    """
    return tuple(each.estimate(workload) for each in platforms_for(platform))


def platforms_for(platform: str) -> list[Platform]:
    """Load a platform by name or file, and its companions; raises ParameterError or DataError if one is unknown."""
    asked = load_platform(platform)
    return [asked, *(load_platform(name) for name in companions_of(asked))]


def check_platform(platform: str) -> None:
    """Raise ParameterError or DataError if a platform or one of its companions cannot be loaded."""
    platforms_for(platform)


def write_prices(path: str | os.PathLike[str], prices: Prices) -> None:
    """Write prices to one JSON file, atomically; :meth:`CostReport.read` reads the first of them."""
    asked, *beside = prices
    write_json(path, {**asked.to_dict(), "beside": [report.to_dict() for report in beside]})


def read_prices(path: str | os.PathLike[str]) -> Prices:
    """Inverse of :func:`write_prices`; raises DataError if the file is damaged."""
    with mendable(path):
        raw = read_json(path, "cost report")
        asked = CostReport.from_dict(raw)
        beside = raw.get("beside", [])
        if not isinstance(beside, list):
            raise DataError(f"beside must be a list of cost reports; got {beside!r:.40}.")
        return (asked, *(CostReport.from_dict(each) for each in beside))
