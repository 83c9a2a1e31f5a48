r"""Cost report: the price of a network on a platform.

A :class:`Ledger` holds what each layer (L) costs in each component (C): once per inference and per step
(T). A sample that leaves after step t has cost

.. math:: E(t) = E_{once} + \sum_{s \le t} E_s, \qquad D(t) = D_{once} + \sum_{s \le t} D_s.

With :math:`p_t` the share of samples that leave at t, a :class:`CostReport` gives the means
:math:`\sum_t p_t E(t)` and :math:`\sum_t p_t D(t)`, and the energy-delay product as the mean of products
:math:`\sum_t p_t E(t) D(t)`, which depends on the spread of the exits and not on their mean alone.

Constants are uncertain, so there is a ledger with all constants low, one with all nominal and one with all high. Early
exit is compared with full runs, so each of them exists twice: for the activity of the samples still *running*, and for
that of *all* samples. :meth:`CostReport.at` and :attr:`CostReport.static` are views of these ledgers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from spikewise._arguments import checks_arguments
from spikewise._files import mendable, read_json, write_json
from spikewise.errors import DataError, ParameterError, ShapeError, unknown_name
from spikewise.workload.workload import as_histogram

from .ledger import BREAKDOWNS, CORNERS, By, Corner, Cost, FloatArray, Ledger

_BANDS = ("energy_j", "latency_s", "edp_js", "edp_saving", "area_m2")
_SEQUENCES = ("layers", "components", "running", "full", "once_modes", "assumptions", "sources")
_FORMAT = "spikewise-cost-1"
OnceMode = Literal["fit_proportional", "fit_per_crossbar", "first_layer", "none"]
ONCE_MODES: tuple[OnceMode, ...] = get_args(OnceMode)


@dataclass(frozen=True, slots=True)
class OnceFigures:
    """Mean energy per sample and EDP saving by early exit, for one way to charge work done once; all else nominal."""

    mode: OnceMode
    energy_j: float
    edp_saving: float

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> OnceFigures:
        """Build from JSON; raises ValueError if the mode is unknown or a figure is not a finite number."""
        found = cls(raw["mode"], float(raw["energy_j"]), float(raw["edp_saving"]))
        if found.mode not in ONCE_MODES or not np.isfinite([found.energy_j, found.edp_saving]).all():
            raise ValueError(f"once_modes must hold finite figures of {', '.join(ONCE_MODES)}; got {raw!r:.80}")
        return found


@dataclass(frozen=True, eq=False)
class CostReport:
    """Cost of a network on a platform, mean per sample with its early exits.

    Parameters
    ----------
    platform, workload : str
        Names, for display.
    exit_histogram : sequence of int, length T
        Number of samples that left after step 1, 2, ..., T.
    layers, components : sequence of str
        Names of the L layers and C components; costs of the whole chip are in a last layer ``"chip"``.
    running, full : sequence of three Ledger
        Low, nominal and high; from the activity of samples still running, and from that of all samples.
    once_modes : sequence of OnceFigures
        Figures for each way to charge work done once per inference, where it is unknown which work that is.
    assumptions, sources, weakest_tag : sequence of str, sequence of str, str
        Assumptions, sources of the constants, and the least certain tag among the constants.
    corner : {"low", "nominal", "high"}
        Corner that the figures are read at; see :meth:`at`.

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> from spikewise.workload import LayerShape, uniform_workload
    >>> layer = LayerShape("conv", "conv", 64, 64, kernel=(3, 3), out_height=8, out_width=8, weight_bits=4)
    >>> load = uniform_workload("toy", [layer], 4, [0.2], exit_histogram=[3, 0, 0, 1])
    >>> report = load_platform("rram-64-32nm").estimate(load)
    >>> bool(report.energy_j < report.static.energy_j), round(report.edp_saving, 2)
    (True, 0.68)
    """

    platform: str
    workload: str
    exit_histogram: tuple[int, ...]
    layers: tuple[str, ...]
    components: tuple[str, ...]
    running: tuple[Ledger, ...]
    full: tuple[Ledger, ...]
    once_modes: tuple[OnceFigures, ...] = ()
    assumptions: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    weakest_tag: str = "verified"
    corner: Corner = "nominal"

    def __post_init__(self) -> None:
        for key in _SEQUENCES:
            object.__setattr__(self, key, tuple(getattr(self, key)))
        object.__setattr__(self, "exit_histogram", as_histogram(self.exit_histogram))
        if len(set(self.layers)) < len(self.layers):
            raise ParameterError(f"layer names must be unique, 'chip' is taken; got {', '.join(self.layers)}.")
        shape = (self.n_steps, len(self.layers), len(self.components))
        found = [ledger.step_energy_j.shape for ledger in (*self.running, *self.full)]
        if found != [shape] * 2 * len(CORNERS):
            raise ShapeError(f"running and full must hold three ledgers of shape {shape} (T, L, C) each; got {found}.")

    @checks_arguments
    def at(self, corner: Corner) -> CostReport:
        """Return the same report with all constants low, nominal or high together."""
        if corner not in CORNERS:
            raise unknown_name("corner", corner, CORNERS)
        return replace(self, corner=corner)

    @cached_property
    def _corners(self) -> tuple[CostReport, ...]:
        """The report at each corner."""
        return tuple(self.at(corner) for corner in CORNERS)

    @cached_property
    def static(self) -> CostReport:
        """The same network and platform with every sample run to the last step."""
        histogram = (0,) * (self.n_steps - 1) + (self.n_samples,)
        # Without once_modes, because their figures are those of early exit.
        return replace(self, running=self.full, exit_histogram=histogram, once_modes=())

    @property
    def ledger(self) -> Ledger:
        """Costs by step, layer and component, at this corner."""
        return self.running[CORNERS.index(self.corner)]

    @cached_property
    def _energies_j(self) -> FloatArray:
        return self.ledger.energies_j()

    @cached_property
    def _latencies_s(self) -> FloatArray:
        return self.ledger.latencies_s()

    @checks_arguments
    def band(self, figure: str) -> tuple[float, float, float]:
        """Return lowest, nominal and highest value of a figure, such as ``"energy_j"``, over corners and once-modes."""
        if figure not in _BANDS:
            raise unknown_name("figure", figure, _BANDS)
        # Sorted anew: a saving need not grow with the constants. Low and high ledgers already span the energies of the
        # once-modes, but not their savings.
        values = [float(getattr(report, figure)) for report in self._corners]
        modes = [mode.edp_saving for mode in self.once_modes] if figure == "edp_saving" else []
        return min(values + modes), values[1], max(values + modes)

    @property
    def n_steps(self) -> int:
        """Timesteps T of a full run."""
        return len(self.exit_histogram)

    @property
    def n_samples(self) -> int:
        """Number of samples in the exit histogram."""
        return sum(self.exit_histogram)

    @property
    def exit_shares(self) -> FloatArray:
        """Share of samples (T,) that leave after each step."""
        return np.asarray(self.exit_histogram, np.float64) / self.n_samples

    @property
    def alive_shares(self) -> FloatArray:
        """Share of samples (T,) that compute each step: 1 at the first."""
        # Sums from the last step back: who leaves after step t computes steps 1..t.
        return np.cumsum(self.exit_shares[::-1])[::-1]

    @property
    def mean_steps(self) -> float:
        """Mean number of timesteps used per sample."""
        return float(self.alive_shares.sum())

    @checks_arguments
    def energy_at(self, step: int) -> float:
        """Return the energy of a sample that leaves after this step (1..T)."""
        return float(self._energies_j[self._index(step)])

    @checks_arguments
    def latency_at(self, step: int) -> float:
        """Return the time to the answer of a sample that leaves after this step (1..T)."""
        return float(self._latencies_s[self._index(step)])

    def _index(self, step: int) -> int:
        if not 1 <= step <= self.n_steps:
            raise ParameterError(f"step must lie in 1..{self.n_steps}; got {step}.")
        return step - 1

    @property
    def energy_j(self) -> float:
        """Mean energy per sample."""
        return float(self.exit_shares @ self._energies_j)

    @property
    def latency_s(self) -> float:
        """Mean time to the answer."""
        return float(self.exit_shares @ self._latencies_s)

    @checks_arguments
    def latency_quantile(self, quantile: float) -> float:
        """Return the time within which this share of the samples (0..1) has its answer."""
        if not 0 <= quantile <= 1:
            raise ParameterError(f"quantile must lie in [0, 1]; got {quantile}.")
        served = np.cumsum(self.exit_histogram)  # counts, not shares: 95 of 100 samples are exactly 95 %
        return self.latency_at(int(np.searchsorted(served, quantile * self.n_samples * (1 - 1e-12))) + 1)

    @property
    def edp_js(self) -> float:
        """Energy-delay product, mean over samples of energy times delay."""
        return float(self.exit_shares @ (self._energies_j * self._latencies_s))

    @property
    def edp_of_means_js(self) -> float:
        """Mean energy times mean delay: smaller than :attr:`edp_js` whenever samples leave at different steps."""
        return self.energy_j * self.latency_s

    @property
    def edp_saving(self) -> float:
        """1 - EDP(with exit) / EDP(static), as a fraction."""
        static = self.static.edp_js
        return 1.0 - self.edp_js / static if static else 0.0

    @property
    def area_m2(self) -> float:
        """Silicon area of the whole chip."""
        return float(self.ledger.area_m2.sum())

    @property
    def memory_bits(self) -> int:
        """Bits of storage, weights included."""
        return int(self.ledger.memory_bits.sum())

    @property
    def total(self) -> Cost:
        """Energy, latency, area and memory as one :class:`Cost`."""
        return Cost(self.energy_j, self.latency_s, self.area_m2, self.memory_bits)

    @checks_arguments
    def breakdown(self, by: By = "component") -> dict[str, Cost]:
        """Split the total by ``"component"``, ``"layer"`` or ``"timestep"``; the parts sum to :attr:`total`.

        The entry of a step is weighted with the share of samples that compute it; area and memory, which
        are built once, are in the entry ``"once"``.
        """
        if by not in BREAKDOWNS:
            raise unknown_name("by", by, BREAKDOWNS)
        steps = ("once", *(f"step {step}" for step in range(1, self.n_steps + 1)))
        names = {"layer": self.layers, "component": self.components, "timestep": steps}[by]
        return dict(zip(names, self.ledger.split(by, self.alive_shares), strict=True))

    def summary(self) -> dict[str, Any]:
        """Return figures, bands and breakdowns as a plain dictionary, without the ledgers."""
        static = self.static
        return {
            "format": _FORMAT,
            "platform": self.platform,
            "workload": self.workload,
            **self.total.to_dict(),
            "edp_js": self.edp_js,
            "edp_of_means_js": self.edp_of_means_js,
            "edp_saving": self.edp_saving,
            "latency_median_s": self.latency_quantile(0.5),
            "latency_p95_s": self.latency_quantile(0.95),
            "mean_steps": self.mean_steps,
            "exit_histogram": list(self.exit_histogram),
            "static": {key: getattr(static, key) for key in ("energy_j", "latency_s", "edp_js")},
            "band": {figure: list(self.band(figure)) for figure in _BANDS},
            "breakdown": {by: {k: cost.to_dict() for k, cost in self.breakdown(by).items()} for by in BREAKDOWNS},
            "once_modes": [asdict(mode) for mode in self.once_modes],
            "assumptions": list(self.assumptions),
            "sources": list(self.sources),
            "weakest_tag": self.weakest_tag,
            "corner": self.corner,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return :meth:`summary` and the ledgers, ready for JSON."""
        # Without early exit both sets of ledgers are equal, and the file holds one of them.
        same = all(a.same_as(b) for a, b in zip(self.running, self.full, strict=True))
        running, full = ([ledger.to_dict() for ledger in ledgers] for ledgers in (self.running, self.full))
        names = {"layers": list(self.layers), "components": list(self.components)}
        return {**self.summary(), **names, "running": running, "full": None if same else full}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> CostReport:
        """Inverse of :meth:`to_dict`; recomputes the figures. Raises DataError if the dictionary is not a report."""
        if not isinstance(raw, Mapping) or raw.get("format") != _FORMAT:
            raise DataError(f"a cost report must carry format {_FORMAT!r}. Is this the right file?")
        try:
            body = {item.name: raw[item.name] for item in fields(cls)}
            body["running"] = [Ledger.from_dict(ledger) for ledger in raw["running"]]
            body["full"] = [Ledger.from_dict(ledger) for ledger in raw["full"] or raw["running"]]
            body["once_modes"] = [OnceFigures.from_dict(mode) for mode in raw["once_modes"]]
            return cls(**body)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"the cost report has a missing or misshapen entry: {error}.") from None

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write as JSON, atomically."""
        write_json(path, self.to_dict())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> CostReport:
        """Read a report from a JSON file."""
        with mendable(path):
            return cls.from_dict(read_json(path, "cost report"))
