"""What a run keeps of an exit setting: rule and test figures in ``exit.json``, the certificate in ``choice.json``.

The form of both files is known here alone; :mod:`~spikewise.runs.exit_folder` reads and writes them where they lie, and
whoever shows an exit setting takes these values.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from spikewise._files import mendable, read_json
from spikewise.dynamic.guarantee import Certificate
from spikewise.dynamic.monitor import ExitProfile
from spikewise.dynamic.rule import NeverExit, rule_from_dict, rule_to_dict
from spikewise.dynamic.uncertainty import UncertaintyExit
from spikewise.errors import DataError

from .exit_settings import ExitSettings

EXIT_AGAIN = "Delete it and run spikewise exit again."
"""What to do with a damaged file of an exit setting."""
Share = Annotated[float, Field(ge=0, le=1)]
Steps = Annotated[float, Field(ge=1)]


def _as_rule(raw: Any) -> Any:
    return rule_from_dict(raw) if isinstance(raw, dict) else raw


class CalibrationFigures(BaseModel):
    """What the threshold did on the images it was chosen on; what was not asked for or cannot be told is None."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_drop: float | None = Field(None, ge=0)
    accuracy_full: Share
    accuracy_exit: Share
    mean_steps: Steps
    n_samples: int = Field(ge=1)
    n_needed: int | None = Field(None, ge=1)
    n_to_halve: int | None = Field(None, ge=1)


class ExitRecord(BaseModel):
    """Content of ``exit.json``: one exit setting, and what it did on the test images.

    The last three are known of networks without labels alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)

    name: str
    rule: Annotated[UncertaintyExit | NeverExit, BeforeValidator(_as_rule), PlainSerializer(rule_to_dict)]
    asked: ExitSettings
    decided: dict[str, JsonValue]
    identity: dict[str, str]
    threshold: str
    calibration: CalibrationFigures
    n_steps: int = Field(ge=1)
    n_test: int = Field(ge=1)
    accuracy_full: Share
    accuracy_exit: Share
    accuracy_random_exit: Share
    accuracy_truncated: Share
    in_spike_share: float = Field(ge=0)
    mean_steps: Steps
    median_steps: Steps
    p95_steps: Steps
    histogram: tuple[int, ...]
    accuracy_by_decoder: dict[str, Share] | None = None
    accuracy_first_spike: Share | None = None
    first_spike_steps: Steps | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        counts = self.histogram
        if len(counts) != self.n_steps or sum(counts) != self.n_test or min(counts) < 0:
            raise ValueError(f"histogram must count {self.n_test} samples over {self.n_steps} steps")
        return self

    @classmethod
    def read(cls, path: Path) -> ExitRecord:
        """Read ``exit.json``; raises DataError if it is damaged."""
        with mendable(path, EXIT_AGAIN):
            try:
                return cls.model_validate(read_json(path, "exit setting"))
            except ValidationError as error:
                problem = error.errors()[0]
                where = "".join(f"{part}: " for part in problem["loc"][:1])
                raise DataError(f"{path} must be an exit setting; {where}{problem['msg']}.") from None

    def to_dict(self) -> dict[str, Any]:
        """As the file holds it: only what is known."""
        calibration = self.calibration.model_dump(exclude_unset=True)
        return self.model_dump(mode="json", exclude_none=True) | {"calibration": calibration}


@dataclass(frozen=True, slots=True, eq=False)
class ChoiceRecord:
    """Content of ``choice.json``: the certificate of a guarantee, and how the calibration images left."""

    certificate: Certificate | None
    profile: ExitProfile

    @classmethod
    def read(cls, path: Path) -> ChoiceRecord:
        """Read ``choice.json``; raises DataError if it is absent or damaged."""
        if not path.exists():
            raise DataError(f"{path} must hold a certificate and a profile; it is missing. Run spikewise exit again.")
        with mendable(path, EXIT_AGAIN):
            found = read_json(path, "choice of a threshold")
            if not isinstance(found, dict) or not found.keys() >= {"certificate", "profile"}:
                raise DataError(f"{path} must hold a certificate and a profile.")
            certificate = None if found["certificate"] is None else Certificate.from_dict(found["certificate"])
            return cls(certificate, ExitProfile.from_dict(found["profile"]))

    def to_dict(self) -> dict[str, Any]:
        """As the file holds it."""
        return {"certificate": self.certificate and self.certificate.to_dict(), "profile": self.profile.to_dict()}
