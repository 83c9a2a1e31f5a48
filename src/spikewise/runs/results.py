"""What commands print with ``--json``, as typed values: fractions and SI units. Tables take the same values.

A value becomes JSON by :func:`as_plain`: its fields in their order, a field marked ``FLAT`` as if its own fields stood
in its place, a field marked ``OPTIONAL`` only where there is something to tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, JsonValue

from spikewise.dynamic.controls import cut_at
from spikewise.dynamic.guarantee import Certificate
from spikewise.dynamic.rule import NeverExit, rule_to_dict
from spikewise.dynamic.uncertainty import UncertaintyExit
from spikewise.energy.measurement import Measurement, measured_of
from spikewise.price.analysis.companions import PriceFigures, Prices
from spikewise.workload.operations import Operations

from .exit_record import CalibrationFigures, ExitRecord
from .exit_settings import ExitSettings
from .folder import Run

if TYPE_CHECKING:
    from spikewise.learn.stdp.health import Health
    from spikewise.search.designs import STDPDesign
    from spikewise.search.outcome import Candidate

FLAT, OPTIONAL = {"is_flat": True}, {"is_optional": True}
Settings = Mapping[str, JsonValue]


def as_plain(value: Any) -> Any:
    """A value as JSON has it.

    Examples
    --------
    >>> as_plain(Control(0.9, 1.5))
    {'accuracy': 0.9, 'mean_steps': 1.5}
    """
    if isinstance(value, Measurement):
        return value.summary()
    if isinstance(value, Certificate):
        return value.to_dict()
    if isinstance(value, UncertaintyExit | NeverExit):
        return rule_to_dict(value)
    if isinstance(value, ExitSettings):
        return value.model_dump(exclude_none=True)
    if isinstance(value, CalibrationFigures):
        return value.model_dump(exclude_unset=True)  # what was asked for may be None, what was not is left out
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Mapping):
        return {key: as_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(each) for each in value]
    if not is_dataclass(value):
        return value
    found: dict[str, Any] = {}
    for part in fields(value):
        each = getattr(value, part.name)
        if "is_flat" in part.metadata:
            found |= as_plain(each)
        elif each is not None or "is_optional" not in part.metadata:
            found[part.name] = as_plain(each)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFigures:
    """Which data, and how many samples of each part."""

    name: str
    n_train: int | None = field(default=None, metadata=OPTIONAL)
    n_validation: int | None = field(default=None, metadata=OPTIONAL)
    n_test: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitFigures:
    """What early exit does to the test images."""

    accuracy: float
    mean_steps: float
    median_steps: float | None = field(default=None, metadata=OPTIONAL)
    p95_steps: float | None = field(default=None, metadata=OPTIONAL)
    n_steps: int
    histogram: tuple[int, ...] | None = field(default=None, metadata=OPTIONAL)
    in_spike_share: float
    rule: UncertaintyExit | NeverExit
    threshold: str

    @classmethod
    def of(cls, record: ExitRecord, *, has_spread: bool = False) -> ExitFigures:
        """From a record; with the spread of the steps if it is asked for."""
        spread = {key: getattr(record, key) for key in ("median_steps", "p95_steps", "histogram")} if has_spread else {}
        return cls(
            accuracy=record.accuracy_exit, mean_steps=record.mean_steps, n_steps=record.n_steps,
            in_spike_share=record.in_spike_share, rule=record.rule, threshold=record.threshold, **spread,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Control:
    """Accuracy and mean steps of something that stands beside early exit."""

    accuracy: float
    mean_steps: float


@dataclass(frozen=True, slots=True)
class Controls:
    """What spends as many steps as early exit without asking the evidence; and the first spike, where there is one."""

    truncated: Control
    random_exit: Control
    first_spike: Control | None = field(default=None, metadata=OPTIONAL)

    @classmethod
    def of(cls, record: ExitRecord, *, has_first_spike: bool = False) -> Controls:
        """From a record; with the first spike if it is asked for and known."""
        first = None
        if has_first_spike and record.accuracy_first_spike is not None and record.first_spike_steps is not None:
            first = Control(record.accuracy_first_spike, record.first_spike_steps)
        return cls(
            Control(record.accuracy_truncated, float(cut_at(record.mean_steps))),
            Control(record.accuracy_random_exit, record.mean_steps),
            first,
        )


@dataclass(frozen=True, slots=True)
class PricedOn:
    """Figures on the platform that was asked for, and on those that must be seen beside it."""

    asked: PriceFigures = field(metadata=FLAT)
    beside: tuple[PriceFigures, ...]

    @classmethod
    def of(cls, prices: Prices) -> PricedOn:
        """From reports."""
        asked, *beside = map(PriceFigures.of, prices)
        return cls(asked, tuple(beside))

    @property
    def all(self) -> tuple[PriceFigures, ...]:
        """The platform that was asked for first."""
        return (self.asked, *self.beside)


@dataclass(frozen=True, slots=True)
class Costs:
    """Prices with early exit, and those of full runs."""

    with_exit: PricedOn = field(metadata=FLAT)
    without_exit: PricedOn

    @classmethod
    def of(cls, prices: Prices) -> Costs:
        """From reports with early exit."""
        return cls(PricedOn.of(prices), PricedOn.of(tuple(report.static for report in prices)))

    @property
    def pairs(self) -> list[tuple[PriceFigures, PriceFigures]]:
        """Full run and early exit on each platform."""
        return list(zip(self.without_exit.all, self.with_exit.all, strict=True))


Measured = Mapping[str, Measurement]
"""What the machine that made the run took, by stage."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where the page of a run is, and what there is to remark."""

    report: str | None
    remarks: list[str]


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall time of an image, step by step to the end and with early exit."""

    full_s_per_image: float
    exit_s_per_image: float
    speed_up: float


@dataclass(frozen=True, slots=True)
class ExitResults:
    """What ``spikewise exit`` found."""

    run: str
    name: str
    data: DataFigures
    asked: ExitSettings
    calibration: CalibrationFigures
    certificate: Certificate | None
    n_certificates: int
    accuracy: float
    accuracy_by_step: Mapping[str, float]
    exit: ExitFigures
    controls: Controls
    timing: Timing
    cost: Costs
    measured: Measured
    n_test_evaluations: int
    page: Page = field(metadata=FLAT)


@dataclass(frozen=True, slots=True)
class TrainingFigures:
    """How fast training was, on what."""

    seconds: float
    images_per_s: float
    device: str
    precision: str
    torch_threads: int


@dataclass(frozen=True, slots=True)
class TrainResults:
    """What ``spikewise train`` found."""

    run: str
    data: DataFigures
    settings: Settings
    n_parameters: int
    best_epoch: int
    training: TrainingFigures
    validation_accuracy: float
    validation_accuracy_by_step: list[float]
    accuracy: float
    accuracy_by_step: Mapping[str, float]
    exit: ExitFigures
    controls: Controls
    cost: Costs
    measured: Measured
    n_test_evaluations: int
    page: Page = field(metadata=FLAT)


@dataclass(frozen=True, slots=True)
class STDPExitFigures:
    """What early exit does to a network without labels, and the share of CPU time that is left."""

    figures: ExitFigures = field(metadata=FLAT)
    cpu_share: float | None


@dataclass(frozen=True, slots=True)
class CPUSeconds:
    """CPU time of a sample, one thread; None where it was not measured."""

    training_sample: float | None
    inference: float | None
    inference_exit: float | None


@dataclass(frozen=True, slots=True)
class HealthFigures:
    """How the neurons of a network without labels fare, and what is wrong with them."""

    figures: Health = field(metadata=FLAT)
    problems: list[str]


@dataclass(frozen=True, slots=True)
class AccessFigures:
    """Operations of a sample by kind."""

    weight_accesses: float
    state_accesses: float
    additions: float
    multiplications: float

    @classmethod
    def of(cls, total: Operations) -> AccessFigures:
        """From counted operations."""
        return cls(
            total.weight_reads + total.weight_writes, total.state_reads + total.state_writes, total.additions,
            total.multiplications,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class STDPResults:
    """What ``spikewise stdp`` found."""

    run: str
    data: DataFigures
    settings: Settings
    accuracy: float
    accuracy_by_decoder: Mapping[str, float]
    exit: STDPExitFigures
    controls: Controls
    cpu_s: CPUSeconds
    health: HealthFigures
    operations: Mapping[str, AccessFigures]
    cost: Costs
    measured: Measured
    n_test_evaluations: int
    pictures: str
    page: Page = field(metadata=FLAT)


@dataclass(frozen=True, slots=True)
class NetworkOfDemo:
    """One of the two networks of ``spikewise demo``."""

    accuracy_static: float | None = field(metadata=OPTIONAL)
    accuracy_full: float | None = field(metadata=OPTIONAL)
    run: str
    accuracy_exit: float
    accuracy_random_exit: float
    mean_steps: float
    n_steps: int
    n_test: int
    cost: PricedOn = field(metadata=FLAT)
    measured: Measured

    @classmethod
    def of(cls, run: Run, record: ExitRecord, prices: Prices, watts: float | None) -> NetworkOfDemo:
        """From a run that was stopped early and priced."""
        is_deep = run.record["kind"] == "deep"
        return cls(
            record.accuracy_full if is_deep else None, None if is_deep else record.accuracy_full, str(run.path),
            record.accuracy_exit, record.accuracy_random_exit, record.mean_steps, record.n_steps, record.n_test,
            PricedOn.of(prices), measured_of(run, record.name, watts),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class DemoResults:
    """What ``spikewise demo`` found."""

    data: str
    out: str
    deep: NetworkOfDemo
    stdp: NetworkOfDemo
    report: str


@dataclass(frozen=True, slots=True)
class ShrinkColumn:
    """A network before or after it was shrunk; no cost where it does not fit."""

    accuracy: float
    accuracy_exit: float
    mean_steps: float
    precision: str
    weight_bits: int
    state_bits: int
    cost: Costs | None
    channel_bits: int | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True, slots=True)
class ShrinkResults:
    """What ``spikewise shrink`` found."""

    run: str
    parent: str
    data: str
    settings: Settings
    format: Settings | None
    trials: list[Settings]
    tuning: Mapping[str, float] | None
    exit: str
    before: ShrinkColumn
    after: ShrinkColumn
    n_test: int
    n_test_evaluations: int
    page: Page = field(metadata=FLAT)


@dataclass(frozen=True, slots=True)
class DesignFigures:
    """A trained design of a search with one of its exits, on validation images."""

    name: str
    design: STDPDesign
    accuracy: float
    memory_bits: float
    energy_j: float
    latency_s: float
    trial: int
    max_drop: float
    mean_steps: float

    @classmethod
    def of(cls, found: Candidate) -> DesignFigures:
        """From a candidate of the search."""
        point = found.point
        return cls(
            found.design.name, found.design, point.accuracy, found.memory_bits, point.energy_j, point.latency_s,
            found.trial, point.max_drop, point.mean_steps,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignTest:
    """A design of a search, trained again and tested, and the limits that it exceeded."""

    run: str
    accuracy: float
    accuracy_exit: float
    mean_steps: float
    n_test: int
    n_test_evaluations: int
    energy_j: float
    latency_s: float
    memory_bits: float
    energy_full_j: float
    exceeded: list[str]


@dataclass(frozen=True, slots=True)
class TakenDesign:
    """A design that a search takes, with the reasons, and its test once there is one."""

    figures: DesignFigures = field(metadata=FLAT)
    reasons: list[str] | None = field(default=None, metadata=OPTIONAL)
    test: DesignTest | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResults:
    """What ``spikewise search`` found."""

    data: str
    settings: Settings
    strategy: str
    n_designs: int
    n_feasible: int
    n_trials: int
    n_trained: int
    n_hopeless: int
    n_over_budget_proposed: int
    n_over_budget_trained: int
    n_taken_up_again: int
    judged_apart: bool
    n_over_budget_measured: int
    energy_measured_by_predicted: tuple[float, float, float] | None
    memory_is_as_predicted: bool
    trial_cpu_s: float
    reference: tuple[float, float, float]
    hypervolume: Mapping[str, float]
    n_trained_fspinn: int
    front: list[DesignFigures]
    trained: list[DesignFigures]
    chosen: TakenDesign | None
    fspinn: TakenDesign | None
    search: str
    seconds: float
    picture: str | None


@dataclass(frozen=True, slots=True)
class SweptNetwork:
    """A network in one width of weights: accuracy on the images that choose, and on those that judge."""

    name: str
    accuracy: float
    accuracy_kept: float
    memory_bits: float


@dataclass(frozen=True, slots=True)
class SweptDesign:
    """A network with an exit threshold on a platform, as a sweep judges it."""

    network: str
    platform: str
    accuracy: float
    accuracy_kept: float
    mean_steps: float
    memory_bits: float
    energy_j: float
    latency_s: float
    edp_js: float
    rule: UncertaintyExit | None = field(default=None, metadata=OPTIONAL)
    max_drop_left: float | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResults:
    """What ``spikewise sweep`` found."""

    run: str
    data: str | None
    n_images: int
    judged_apart: bool
    max_drop: float
    budget: Settings
    accuracy_full: float
    networks: list[SweptNetwork]
    n_platforms: int
    n_designs: int
    n_within: int
    seconds: float
    designs_per_s: float
    front: list[SweptDesign]
    chosen: SweptDesign | None
