"""What a network shall be shrunk to: widths, grids, roundings, and whether it is trained on."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from spikewise._choices import Rounding

REST = "rest"
"""Stands for all layers that are not named."""
N_TYPICAL = 512
"""Training images that show how large potentials become."""
FLOAT_BITS = 32
"""Bits of a number of a network that is not in fixed point."""

_DEFAULTS = {"membrane_bits": 16, "scale": "channel", "epochs": 2, "lr": 5e-4, "max_drop": 0.005}
_NEEDED_BY = {"epochs": "finetune", "lr": "finetune", "max_drop": "several widths of bits"}


class ShrinkSettings(BaseModel):
    """What a network shall be shrunk to; what is absent takes its default, as :attr:`used` says.

    Examples
    --------
    >>> ShrinkSettings(bits=(8, 4)).is_chosen, ShrinkSettings(bits={"conv1": 8, "rest": 4}).label
    (True, 'conv1-8-rest-4')
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    bits: tuple[int, ...] | dict[str, int] = Field(
        (8,), description="Of a weight: 8; 8,4 to choose for each layer; conv1=8,rest=4 to say it by layer."
    )
    membrane_bits: int | None = Field(
        None, ge=4, le=16, description="Bits of potentials of deep networks; 16 if absent."
    )
    scale: Literal["channel", "power2"] | None = Field(
        None, description="channel: a step per output channel (if absent); power2: Qi.f, one power of two per layer."
    )
    rounding: Rounding = Field("nearest", description="How weights are rounded.")
    finetune: bool = Field(False, description="Train on with rounded weights.")
    epochs: int | None = Field(None, ge=1, le=10_000, description="Epochs of that; 2 if absent.")
    lr: float | None = Field(None, gt=0, le=10, description="Highest learning rate of that; 5e-4 if absent.")
    max_drop: float | None = Field(None, ge=0, lt=1, description="Loss of accuracy by choosing bits; 0.005 if absent.")
    platform: str | None = Field(None, description="Platform to price on; the run's last one if absent.")
    seed: int = Field(0, ge=0, lt=2**32, description="Fixes every random choice.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.bits:
            raise ValueError("bits must name a width; got none")
        if self.finetune and self.rounding != "nearest":
            raise ValueError(f"rounding must be nearest with finetune, which trains for that; got {self.rounding}")
        needed = {"epochs": self.finetune, "lr": self.finetune, "max_drop": self.is_chosen}
        for key, is_used in needed.items():
            if getattr(self, key) is not None and not is_used:
                raise ValueError(f"{key} must be left out without {_NEEDED_BY[key]}; got {getattr(self, key)}")
        return self

    @property
    def is_chosen(self) -> bool:
        """Whether each layer gets bits of its own, by how much it minds."""
        return not isinstance(self.bits, Mapping) and len(set(self.bits)) > 1

    @property
    def used(self) -> dict[str, Any]:
        """All settings that decide the network, with what absent ones come to."""
        decisive = self.model_dump(exclude={"platform"})
        return {key: _DEFAULTS.get(key) if value is None else value for key, value in decisive.items()}

    @property
    def label(self) -> str:
        """Ending of the child's name: whatever is not as usual."""
        if isinstance(self.bits, Mapping):
            parts = [f"{name}-{bits}" for name, bits in self.bits.items()]
        else:
            parts = ["-".join(map(str, self.bits)) + "bit"]
        parts += ["tuned"] * self.finetune + [self.rounding] * (self.rounding != "nearest")
        parts += ["power2"] * (self.scale == "power2")
        for key, letter in (("membrane_bits", "m"), ("epochs", "e"), ("lr", "lr"), ("max_drop", "drop")):
            if self.used[key] != _DEFAULTS[key]:
                parts.append(f"{letter}{self.used[key]:g}")
        return "-".join(parts + [f"seed{self.seed}"] * (self.seed != 0))
