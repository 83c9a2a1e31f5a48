"""The configurations that are compared, and what is measured of each."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

_BATCHES = (8, 16, 32, 64, 128, 256, 512)


@dataclass(slots=True)
class Row:
    """One configuration of one engine: what its script is asked, and what it answered.

    ``is_kept`` rows are measured in every round, the others only while they are near their engine's best.
    """

    engine: str
    name: str
    batch: int
    n: int
    request: dict[str, Any]
    is_kept: bool = False
    cpu_us: list[float] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def median_us(self) -> float:
        """Median CPU time per sample over the rounds."""
        return statistics.median(self.cpu_us)

    @property
    def label(self) -> str:
        """Engine, configuration and batch in words."""
        return f"{self.engine}, {self.name}, batch {self.batch}"


def all_rows(is_quick: bool) -> list[Row]:
    """Every row, ours first."""
    n = 1_000 if is_quick else 10_000
    ours = [
        Row("ours", name, 1, n, {"rule": rule}, is_kept=True)
        for name, rule in (("default (lean, 8 bits)", "lean"), ("first_spike, 8 bits", "first_spike"))
    ]
    others = [*_bindsnet_rows(), *_brian2_rows(10 if is_quick else 60)]
    return [*ours, *(row for row in others if not is_quick or _is_quick(row))]


def _bindsnet_rows() -> list[Row]:
    """Its example first, then the sweep for its best."""

    def row(name: str, batch: int, n: int, *, is_kept: bool = False, **request: Any) -> Row:
        request = {"model": "v1", "encoder": "bernoulli", "is_lean": False, "batch": batch} | request
        return Row("bindsnet", name, batch, max(n, batch), request, is_kept)

    example, lean, direct = "its example, Poisson", "lean options, Bernoulli", "v2 (direct inhibition), Bernoulli"
    return [
        row(example, 1, 20, encoder="poisson", is_kept=True),
        row(example, 32, 64, encoder="poisson", is_kept=True),
        row(lean, 1, 20, is_lean=True, is_kept=True),
        *(row(lean, batch, 64, is_lean=True) for batch in _BATCHES),
        row("post-spike rule, Bernoulli", 1, 8, model="post"),
        row(direct, 1, 8, model="v2"),
        *(row(direct, batch, 64, model="v2") for batch in (32, 64, 128, 256, 512, 1024)),
    ]


def _brian2_rows(n: int) -> list[Row]:
    """The published schedule, then larger steps, then no rest between images."""
    cases = {
        "dt 0.5 ms, 150 ms rest, Euler": {"dt_ms": 0.5, "rest_ms": 150, "method": "euler"},
        "dt 1 ms, 150 ms rest": {"dt_ms": 1.0, "rest_ms": 150, "method": "exponential_euler"},
        "dt 1 ms, state cleared": {"dt_ms": 1.0, "rest_ms": 0, "method": "exponential_euler"},
    }
    return [Row("brian2", name, 1, n, case, is_kept=True) for name, case in cases.items()]


def _is_quick(row: Row) -> bool:
    """Whether a row belongs to the quick run."""
    return row.request.get("rest_ms") == 0 or (row.request.get("is_lean", False) and row.batch in (1, 128))


def measured(rows: Iterable[Row]) -> list[Row]:
    """Rows that have a figure."""
    return [row for row in rows if row.cpu_us]


def headline(rows: list[Row]) -> dict[str, Any]:
    """CPU time of our default, and how many times as much the best rows of the others take."""
    ours, others = rows[0], [row for row in measured(rows) if row.engine != "ours"]
    if not ours.cpu_us:
        return {}
    bindsnet = [row for row in others if row.engine == "bindsnet"]
    groups = {
        "best peer": others,
        "best BindsNET": bindsnet,
        "best BindsNET, batch 1": [row for row in bindsnet if row.batch == 1],
        "BindsNET's example, batch 1": [r for r in bindsnet if r.batch == 1 and r.request["encoder"] == "poisson"],
        "best Brian2": [row for row in others if row.engine == "brian2"],
    }
    figures: dict[str, Any] = {"ours_us": ours.median_us}
    for name, few in groups.items():
        if few:
            row = min(few, key=lambda row: row.median_us)
            ratios = [theirs / own for theirs, own in zip(row.cpu_us, ours.cpu_us, strict=False)]
            spread = [min(ratios), max(ratios)]
            figures[name] = {"row": row.label, "ratio": row.median_us / ours.median_us, "ratio_by_round": spread}
    return figures
