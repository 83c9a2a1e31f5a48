"""Does spiking pay? The conventional network of the same shape beside the spiking one, with a verdict per figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from spikewise.price.analysis.ann_baseline import ann_assumptions, ann_baselines, why_no_ann_baseline
from spikewise.price.analysis.ratio import FIGURES, Pair, Ratio, ratio_of
from spikewise.price.analysis.sensitivity import variants
from spikewise.price.cost import CostReport
from spikewise.price.protocol import Platform
from spikewise.report.cells import add_row, format_joule_seconds, new_table
from spikewise.units import format_si
from spikewise.workload.workload import Workload

_LEAST = 1e-3  # smaller ratios are said in words
_DIGITS = ((0.1, 3), (10.0, 2))  # below a bound, so many decimals; none beyond
_NAMES = {"energy_j": "energy", "latency_s": "latency", "edp_js": "EDP"}
_SHOW: dict[str, Callable[[float], str]] = {
    "energy_j": lambda value: format_si(value, "J"),
    "latency_s": lambda value: format_si(value, "s"),
    "edp_js": format_joule_seconds,
}


@dataclass(frozen=True, slots=True, eq=False)
class AnnComparison:
    """A spiking network and its ANN baseline on one platform.

    Parameters
    ----------
    report : CostReport
        The spiking network.
    baselines : sequence of CostReport
        The conventional one, in the ways it may be built, the nominal one first; none if no fair one is known.
    reason : str
        Why none is known, else empty.
    assumptions : sequence of str
        What was taken for granted of the baseline.
    varied : sequence of (CostReport, sequence of CostReport)
        Both with each constant alone at its low and at its high end.
    """

    report: CostReport
    baselines: tuple[CostReport, ...] = ()
    reason: str = ""
    assumptions: tuple[str, ...] = ()
    varied: tuple[Pair, ...] = ()

    @classmethod
    def of(cls, workload: Workload, platform: Platform, report: CostReport) -> AnnComparison:
        """Price the baseline, or say why there is none."""
        reason = why_no_ann_baseline(workload, platform)
        if reason:
            return cls(report, (), reason)
        varied = tuple((each.estimate(workload), ann_baselines(workload, each)) for _, _, each in variants(platform))
        return cls(report, ann_baselines(workload, platform), "", ann_assumptions(workload, platform), varied)

    def ratios(self) -> dict[str, dict[str, Ratio]]:
        """Ratios with exit and static, by figure; empty without a baseline."""
        if not self.baselines:
            return {}
        static = tuple((each.static, baselines) for each, baselines in self.varied)
        both = {"with_exit": (self.report, self.varied), "static": (self.report.static, static)}
        found = {
            how: {figure: ratio_of(report, self.baselines, figure, varied) for figure in FIGURES}
            for how, (report, varied) in both.items()
        }
        return {how: {key: ratio for key, ratio in row.items() if ratio is not None} for how, row in found.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, ready for JSON: figures of the baseline, and each ratio with its answer."""
        baseline = {figure: getattr(self.baselines[0], figure) for figure in FIGURES} if self.baselines else None
        ratios = {
            how: {figure: {**asdict(ratio), "answer": ratio.answer} for figure, ratio in row.items()}
            for how, row in self.ratios().items()
        }
        return {"rival": baseline, "ratios": ratios, "reason": self.reason, "assumptions": list(self.assumptions)}


def comparison_tables(comparisons: Sequence[AnnComparison]) -> Iterator[Table]:
    """A table per platform with a fair ANN baseline, then the reasons of the others."""
    for comparison in comparisons:
        if comparison.baselines:
            yield _comparison_table(comparison)
    reasons = [(comparison.report.platform, comparison.reason) for comparison in comparisons if comparison.reason]
    if reasons:
        table = new_table("does spiking pay? no ANN baseline is fair", ("platform", "why"), left=(0, 1), fold=True)
        for row in reasons:
            add_row(table, *row)
        yield table


def _comparison_table(comparison: AnnComparison) -> Table:
    """The spiking network's figures over those of its ANN baseline, with exit and without."""
    words = "times: spiking over ANN baseline, constants low or high in both, together or one alone; the baseline: a"
    caption = [f"{words} {comparison.assumptions[0]}", *comparison.assumptions[1:]]
    headers = ("", "ANN baseline", "spiking", "times", "low to high", "does it pay?")
    table = new_table(f"does spiking pay on {comparison.report.platform}?", headers, caption, (0, 5))
    exits = comparison.report.mean_steps < comparison.report.n_steps
    shown = {"with_exit": comparison.report} if exits else {}
    for how, report in {**shown, "static": comparison.report.static}.items():
        table.add_section()
        add_row(table, how.replace("_", " "), *[""] * 5, is_head=True)
        for figure, ratio in comparison.ratios()[how].items():
            values = [_SHOW[figure](getattr(each, figure)) for each in (comparison.baselines[0], report)]
            band = f"{times(ratio.low)} to {times(ratio.high)}"
            add_row(table, _NAMES[figure], *values, times(ratio.nominal), band, ratio.answer)
    return table


def times(ratio: float) -> str:
    """A ratio without powers of ten.

    Examples
    --------
    >>> times(0.4217), times(1.004), times(112.4), times(1e-6)
    ('0.42', '1.00', '112', 'under 0.001')
    """
    if ratio < _LEAST:
        return f"under {_LEAST:g}"
    digits = next((digits for bound, digits in _DIGITS if ratio < bound), 0)
    return f"{ratio:,.{digits}f}"
