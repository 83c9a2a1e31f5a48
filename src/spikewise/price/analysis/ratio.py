"""Does one price lie below another? The ratio of two prices on one platform, with its band and a verdict.

Constants are uncertain, but the same constants stand in both prices: a dear converter is dear for both. So the band of
a ratio holds the ratios with all constants low, nominal and high together and, since two prices lean on different
parts, those with each constant alone at either end. That is narrower than the ratio of the bands. Where a baseline may
be built in several ways, the band holds them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spikewise.price.cost import CostReport
from spikewise.price.ledger import CORNERS

Answer = Literal["yes", "no", "too close to say"]
FIGURES = ("energy_j", "latency_s", "edp_js")
_MARGIN = 0.05  # no model of hardware is right to five per cent


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure of one price over that of another: lowest, nominal, and highest.

    Examples
    --------
    >>> Ratio("energy_j", 0.3, 0.4, 0.6).answer, Ratio("energy_j", 0.7, 0.9, 1.2).answer
    ('yes', 'too close to say')
    """

    figure: str
    low: float
    nominal: float
    high: float

    @property
    def answer(self) -> Answer:
        """Whether the first is cheaper: yes or no where the whole band agrees, and by more than five per cent."""
        if max(self.high, self.nominal + _MARGIN) < 1:
            return "yes"
        if min(self.low, self.nominal - _MARGIN) > 1:
            return "no"
        return "too close to say"


Pair = tuple[CostReport, Sequence[CostReport]]


def ratio_of(
    report: CostReport, baselines: Sequence[CostReport], figure: str = "energy_j", varied: Sequence[Pair] = ()
) -> Ratio | None:
    """A figure of a report over that of its baselines; None where one has none.

    Parameters
    ----------
    report : CostReport
        The one in question.
    baselines : sequence of CostReport
        What it is compared with, the nominal one first.
    figure : str
        The figure.
    varied : sequence of (CostReport, sequence of CostReport)
        The same with one constant at an end of its band: they widen the band of the ratio.

    Examples
    --------
    >>> from spikewise.price.analysis.ann_baseline import ann_baselines
    >>> from spikewise.price import load_platform
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> layers = [LayerShape("one", "linear", 16, 640), LayerShape("two", "linear", 640, 640)]
    >>> load, chip = uniform_workload("net", layers, 4, [0.5, 0.01]), load_platform("digital-45nm")
    >>> ratio_of(chip.estimate(load), ann_baselines(load, chip)).answer
    'yes'
    """
    ours = [float(getattr(report.at(corner), figure)) for corner in CORNERS]
    ratios = []
    for baseline in baselines:
        theirs = [float(getattr(baseline.at(corner), figure)) for corner in CORNERS]
        if not all(theirs):
            return None
        ratios += [one / other for one, other in zip(ours, theirs, strict=True)]
    for one, others in varied:
        ratios += [float(getattr(one, figure)) / float(getattr(other, figure)) for other in others]
    return Ratio(figure, min(ratios), ratios[CORNERS.index("nominal")], max(ratios))
