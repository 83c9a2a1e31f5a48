"""The files of one exit setting, ``exit.json`` and ``choice.json``: checked as they are read, here alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spikewise._files import mendable, read_json
from spikewise.dynamic.guarantee import Certificate
from spikewise.dynamic.rule import NeverExit, rule_from_dict
from spikewise.dynamic.uncertainty import DoubtExit
from spikewise.errors import DataError


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class CalibrationFigures(_Part):
    """What the threshold did on the images it was chosen on."""

    max_drop: float | None = Field(None, ge=0)
    n_samples: int = Field(ge=1)
    n_needed: int | None = Field(None, ge=1)
    n_to_halve: int | None = Field(None, ge=1)


class AskedFigures(_Part):
    """What was asked of the threshold."""

    max_steps: float | None = Field(None, ge=1)
    max_energy_j: float | None = Field(None, gt=0)
    max_edp_js: float | None = Field(None, gt=0)
    platform: str | None = None
    confidence: float | None = Field(None, gt=0, lt=1)
    form: Literal["drop", "harm"] = "drop"
    conditional: bool = False


class ExitFigures(_Part):
    """Content of ``exit.json``: one exit setting, and what it did on the test images."""

    name: str
    rule: dict[str, Any]
    threshold: str
    calibration: CalibrationFigures
    asked: AskedFigures = AskedFigures()
    n_steps: int = Field(ge=1)
    n_test: int = Field(ge=1)
    accuracy_full: float = Field(ge=0, le=1)
    accuracy_exit: float = Field(ge=0, le=1)
    accuracy_random_exit: float = Field(ge=0, le=1)
    accuracy_truncated: float | None = Field(None, ge=0, le=1)
    accuracy_first_spike: float | None = Field(None, ge=0, le=1)
    first_spike_steps: float | None = Field(None, ge=1)
    mean_steps: float = Field(ge=1)
    median_steps: float = Field(ge=1)
    p95_steps: float = Field(ge=1)
    histogram: tuple[int, ...]

    @property
    def exit_rule(self) -> DoubtExit | NeverExit:
        """The rule as an object."""
        return rule_from_dict(self.rule)


def read_figures(path: Path) -> ExitFigures:
    """Read ``exit.json``; raises DataError if it is damaged."""
    with mendable(path):
        try:
            figures = ExitFigures.model_validate(read_json(path, "exit setting"))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"])
            raise DataError(f"{path} must be an exit setting; {where}: {problem['msg']}.") from None
        counts = figures.histogram
        if len(counts) != figures.n_steps or sum(counts) != figures.n_test or min(counts) < 0:
            raise DataError(
                f"{path} must count {figures.n_test} samples over {figures.n_steps} steps in its histogram."
            )
        _ = figures.exit_rule  # an unknown rule is found here, not while drawing
    return figures


EXIT_AGAIN = "Delete it and run spikewise exit again."


def read_choice(path: Path) -> dict[str, Any]:
    """Content of ``choice.json``: a certificate or None, and how samples left."""
    if not path.exists():
        raise DataError(f"{path} must hold a certificate and a profile; it is missing. Run spikewise exit again.")
    with mendable(path, EXIT_AGAIN):
        found = read_json(path, "choice of a threshold")
        if not isinstance(found, dict) or not found.keys() >= {"certificate", "profile"}:
            raise DataError(f"{path} must hold a certificate and a profile.")
        if found["certificate"] is not None:
            Certificate.from_dict(found["certificate"])
    return found


def is_certified(path: Path) -> bool:
    """Whether ``choice.json`` holds a certificate; raises DataError if it is damaged."""
    return read_choice(path)["certificate"] is not None
