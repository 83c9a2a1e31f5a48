"""Ratio of two prices on one platform, with its uncertainty band and an answer whether the first is lower.

Constants are uncertain, but both prices use the same constants: an expensive converter is expensive for both. So the
band of a ratio spans the ratios with all constants low, nominal and high together and, since two prices depend on
different parts, those with one constant alone at either end. This band is narrower than the ratio of the two bands. If
a baseline can be built in several ways, the band spans all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spikewise._arguments import checks_arguments
from spikewise.errors import ParameterError
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
        """Whether the first is cheaper: yes or no if the whole band agrees and the nominal ratio is 5 % away from 1."""
        if max(self.high, self.nominal + _MARGIN) < 1:
            return "yes"
        if min(self.low, self.nominal - _MARGIN) > 1:
            return "no"
        return "too close to say"


Pair = tuple[CostReport, Sequence[CostReport]]


@checks_arguments
def ratio_of(
    report: CostReport, baselines: Sequence[CostReport], figure: str = "energy_j", varied: Sequence[Pair] = ()
) -> Ratio | None:
    """Return a figure of a report over that of its baselines; None if the figure of a baseline is 0.

    Parameters
    ----------
    report : CostReport
        Report in the numerator.
    baselines : sequence of CostReport
        Reports to compare with, the nominal one first.
    figure : str
        Name of the figure.
    varied : sequence of (CostReport, sequence of CostReport)
        Report and baselines with one constant at an end of its band: they widen the band of the ratio.

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
    if not baselines or not isinstance(getattr(report, figure, None), int | float):
        what = f"a figure of a report; got {figure!r}" if baselines else "followed by at least one baseline; got none"
        raise ParameterError(f"figure must be {what}.")
    ours = [float(getattr(report.at(corner), figure)) for corner in CORNERS]
    ratios = []
    for baseline in baselines:
        theirs = [float(getattr(baseline.at(corner), figure)) for corner in CORNERS]
        if not all(theirs):
            return None
        ratios += [one / other for one, other in zip(ours, theirs, strict=True)]
    for one, others in varied:
        ratios += [float(getattr(one, figure)) / float(getattr(other, figure)) for other in others]
    # The first three ratios are the corners of the first baseline, so the nominal one is among them.
    return Ratio(figure, min(ratios), ratios[CORNERS.index("nominal")], max(ratios))
