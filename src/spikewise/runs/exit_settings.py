"""When a network shall stop: what a user may ask for."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from spikewise._choices import Form

TARGETS = ("max_drop", "max_steps", "max_energy_j", "max_edp_js")


class ExitSettings(BaseModel):
    """When a network shall stop.

    Examples
    --------
    >>> ExitSettings(max_drop=0.005).name, ExitSettings(max_drop=0.01, confidence=0.95, rule="margin").name
    ('drop-0.005', 'drop-0.01-sure-0.95-margin')
    >>> ExitSettings(max_steps=1.5).name
    'steps-1.5'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_drop: float | None = Field(
        None, ge=0, lt=1, description="Loss of accuracy that may be; 0.005 if nothing is asked."
    )
    max_steps: float | None = Field(None, ge=1, description="Instead: mean timesteps that may be used.")
    max_energy_j: float | None = Field(None, gt=0, description="Instead: mean energy of an answer, in joules.")
    max_edp_js: float | None = Field(None, gt=0, description="Instead: mean energy-delay product, in joule seconds.")
    platform: str = Field("rram-64-32nm", description="Platform that the network is priced on.")
    confidence: float | None = Field(None, gt=0, lt=1, description="Guarantee it: how sure it must be, such as 0.95.")
    form: Form = Field("drop", description="Guarantee the loss of accuracy (drop) or answers spoiled (harm).")
    conditional: bool = Field(False, description="Guarantee it also among those that have left by each step.")
    rule: Literal["entropy", "confidence", "margin"] = Field("entropy", description="What the exit rule reads.")
    temperature: bool = Field(False, description="Scale the evidence of each step to true probabilities first.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        given = [name for name in TARGETS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(TARGETS)} must be given; got {', '.join(given) or 'none'}")
        if self.confidence is not None and self.max_drop is None:
            raise ValueError(f"confidence must stand with max_drop, the loss that it is about; got {given[0]}")
        if self.confidence is not None and not self.max_drop:
            raise ValueError(f"max_drop must be above 0 with a confidence; got {self.max_drop}")
        if self.confidence is None and (self.conditional or self.form != "drop"):
            raise ValueError("confidence must be given for a guarantee of any form; got none")
        return self

    @property
    def decides(self) -> dict[str, Any]:
        """The settings that decide the rule, ready for JSON."""
        left_out = set() if self._hangs_on_platform else {"platform"}
        return self.model_dump(exclude_none=True, exclude=left_out)

    @property
    def _hangs_on_platform(self) -> bool:
        return self.max_energy_j is not None or self.max_edp_js is not None

    @property
    def name(self) -> str:
        """Name of the folder that such an exit setting has in a run."""
        targets = {"drop": self.max_drop, "steps": self.max_steps, "energy": self.max_energy_j, "edp": self.max_edp_js}
        parts = [f"{key}-{value:.15g}" for key, value in targets.items() if value is not None]
        if self._hangs_on_platform:
            parts.append("".join(c if c.isalnum() else "-" for c in self.platform))
        if self.confidence is not None:
            parts.append(f"sure-{self.confidence:.15g}")
        parts += [self.form] * (self.form != "drop") + ["conditional"] * self.conditional
        return "-".join(parts + [self.rule] * (self.rule != "entropy") + ["tempered"] * self.temperature)
