"""The protocol of a platform: all that prices, tables and searches ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from spikewise.workload.workload import Workload

from .cost import CostReport
from .quantity import Quantity


@runtime_checkable
class Platform(Protocol):
    """Hardware that can be asked for a price."""

    @property
    def name(self) -> str:
        """Shown in reports."""

    @property
    def kind(self) -> str:
        """One of :data:`spikewise.price.platform.KINDS`, or a kind of one's own."""

    @property
    def label(self) -> str:
        """One line on how far to trust it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Assumptions that every report repeats."""

    @property
    def beside(self) -> str | None:
        """Name of the platform that tables show beside this one."""

    def quantities(self) -> Sequence[Quantity]:
        """Every constant: a report takes its sources and its weakest tag from them."""

    def estimate(self, workload: Workload) -> CostReport:
        """Energy, latency, area and memory of a workload, by layer, component and step."""
