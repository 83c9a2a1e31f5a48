"""A network priced on one or several platforms: all that is said of it, collected once and shown in any notation.

Platforms are kept by their place and not by their name. Those that must stand beside one that was asked for (see
:mod:`spikewise.price.analysis.companions`) are platforms like all others, marked as not asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from spikewise.energy.measurement import Measurement
from spikewise.errors import ParameterError
from spikewise.price.analysis.companions import companions_of
from spikewise.price.analysis.coverage import coverage_of
from spikewise.price.analysis.figures_of_merit import merit_figures
from spikewise.price.analysis.sensitivity import Swing
from spikewise.price.analysis.sensitivity import sensitivity as swings_of
from spikewise.price.cost import CostReport
from spikewise.price.digital.operations import Phase, phases_of
from spikewise.price.ledger import By
from spikewise.price.platform import load_platform
from spikewise.price.protocol import Platform
from spikewise.price.quantity import Quantity
from spikewise.report.cells import SideBySide, as_markdown
from spikewise.report.wording import measured_table
from spikewise.workload.metrics import count_metrics
from spikewise.workload.workload import Workload

from .ann_baseline import AnnComparison, comparison_tables
from .cost import assumption_table, breakdown_csv, breakdown_table, cost_table, once_table
from .platform import constant_names
from .platforms import phases_table, platforms_table, tornado_table
from .workload import layer_figures, layer_table, workload_table


@dataclass(frozen=True, slots=True, eq=False)
class PricedPlatform:
    """What one platform asks for a network.

    Parameters
    ----------
    platform : Platform
        The platform.
    asked : bool
        False for one that stands beside another that was asked for.
    report : CostReport
        The price.
    comparison : AnnComparison
        The conventional network there.
    phases : dict of Phase to CostReport
        Learning and answering from counted operations, where an engine counted them.
    swings : sequence of Swing, optional
        The constants that move the energy most; None if nobody asked.
    """

    platform: Platform
    asked: bool
    report: CostReport
    comparison: AnnComparison
    phases: dict[Phase, CostReport]
    swings: tuple[Swing, ...] | None

    def to_dict(self, workload: Workload) -> dict[str, Any]:
        """Plain dictionary, ready for JSON; the same keys whatever the platform."""
        report, names = self.report, constant_names(self.platform)
        swings = None if self.swings is None else [_swing(swing, names[swing.constant]) for swing in self.swings]
        return {
            **report.summary(),
            "asked": self.asked,
            "merit": asdict(merit_figures(report, workload)),
            "merit_static": asdict(merit_figures(report.static, workload.without_exit())),
            "layers": [asdict(row) for row in layer_figures(workload, self.platform)],
            "scope": dict(coverage_of(self.platform)),
            "ann": self.comparison.to_dict(),
            "operations": {phase: found.summary() for phase, found in self.phases.items()},
            "sensitivity": swings,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Priced:
    """A network and what each platform asks for it: those that were asked for first, then their companions.

    Beside them stands what a run of the network really took, by stage; None where there is no run.
    """

    workload: Workload
    platforms: tuple[PricedPlatform, ...]
    measured: Mapping[str, Measurement] | None = None

    @classmethod
    def of(
        cls,
        workload: Workload,
        platforms: Sequence[Platform],
        *,
        sensitivity: bool = False,
        measured: Mapping[str, Measurement] | None = None,
    ) -> Priced:
        """Price a network on platforms and on those that must stand beside them.

        Raises
        ------
        ParameterError
            If two platforms have one name, so that nobody could tell their figures apart.

        Examples
        --------
        >>> from spikewise.workload import LayerShape, uniform_workload
        >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], n_steps=2, rates=[0.1])
        >>> priced = Priced.of(load, [load_platform("rram-64-32nm")])
        >>> [(each.platform.name, each.asked) for each in priced.platforms]
        [('rram-64-32nm', True), ('rram-64-32nm-physical', False)]
        """
        for name, often in Counter(platform.name for platform in platforms).items():
            if often > 1:
                raise ParameterError(
                    f"platforms must have names of their own; got {name!r} {often} times. "
                    'Name it once, or give name = "..." in a file that extends it.'
                )
        beside = [load_platform(name) for name in companions_of(*platforms)]
        found = []
        for place, platform in enumerate([*platforms, *beside]):
            report = platform.estimate(workload)
            comparison, phases = AnnComparison.of(workload, platform, report), phases_of(workload, platform)
            swings = swings_of(platform, workload) if sensitivity else None
            found.append(PricedPlatform(platform, place < len(platforms), report, comparison, phases, swings))
        return cls(workload, tuple(found), measured)

    @property
    def reports(self) -> list[CostReport]:
        """The prices."""
        return [each.report for each in self.platforms]

    def tables(self, by: By = "component") -> Iterator[Table | SideBySide]:
        """Everything for people, in the order in which it is shown."""
        chips = [each.platform for each in self.platforms]
        yield workload_table(self.workload)
        if sum(each.asked for each in self.platforms) == 1:
            yield cost_table(self.platforms[0].report, self.workload)
        if len(chips) > 1:
            yield platforms_table(self.workload, self.reports, chips)
        if self.measured is not None:
            yield measured_table(self.measured)
        for each in self.platforms:
            once = once_table(each.report)
            if once is not None:
                yield once
            if by == "layer":
                yield layer_table(each.report, self.workload, each.platform)
            else:
                yield breakdown_table(each.report, by)
        yield from comparison_tables([each.comparison for each in self.platforms])
        for each in self.platforms:
            if each.phases:
                yield phases_table(each.phases, each.platform)
        for each in self.platforms:
            if each.swings is not None:
                yield tornado_table(each.swings, each.platform)
        yield from (assumption_table(report) for report in self.reports)

    def to_dict(self) -> dict[str, Any]:
        """One object for programs, of the same shape for one platform and for several."""
        network = {
            "name": self.workload.name,
            **count_metrics(self.workload).to_dict(),
            "static": count_metrics(self.workload.without_exit()).to_dict(),
        }
        measured = {stage: found.summary() for stage, found in (self.measured or {}).items()}
        platforms = [each.to_dict(self.workload) for each in self.platforms]
        return {"workload": network, "platforms": platforms, "measured": measured}

    def to_csv(self, by: By = "component") -> str:
        """Breakdowns, a row per platform and part."""
        return breakdown_csv(self.reports, by)

    def to_markdown(self, by: By = "component") -> str:
        """All tables, with their captions, in Markdown."""
        return "\n\n".join(as_markdown(table) for table in self.tables(by)) + "\n"


def _swing(swing: Swing, named: tuple[str, Quantity]) -> dict[str, Any]:
    """A swing with the band of its constant."""
    name, constant = named
    band = {"value": constant.value, "low": constant.low, "high": constant.high, "unit": constant.unit}
    energies = {"low": swing.low, "nominal": swing.nominal, "high": swing.high}
    return {
        "constant": swing.constant, "name": name, "band": band, "energy_j": energies, "source": swing.source,
        "tag": swing.tag,
    }  # fmt: skip
