"""Protocol of a platform: the interface that prices, tables and searches use."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from spikewise.errors import ParameterError
from spikewise.workload.workload import Workload

from .cost import CostReport
from .quantity import Quantity


@runtime_checkable
class Platform(Protocol):
    """Hardware that can price a workload."""

    @property
    def name(self) -> str:
        """Name shown in reports."""

    @property
    def kind(self) -> str:
        """One of :data:`spikewise.price.platform.KINDS`, or a kind defined by the user."""

    @property
    def label(self) -> str:
        """One line on the accuracy of the platform's constants."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Assumptions that every report repeats."""

    @property
    def beside(self) -> str | None:
        """Name of the platform that tables show together with this one."""

    def quantities(self) -> Sequence[Quantity]:
        """Return every constant: a report takes its sources and its weakest tag from them."""

    def estimate(self, workload: Workload) -> CostReport:
        """Return energy, latency, area and memory of a workload, by layer, component and step."""


def as_platform(platform: Any) -> Platform:
    """Return the platform, or raise ParameterError if it is none."""
    # A class has the methods of a protocol too.
    if isinstance(platform, type) or not isinstance(platform, Platform):
        raise ParameterError(
            f"platform must be a platform; got {repr(platform)[:60]}. Make one: load_platform('rram-64-32nm')."
        )
    return platform
