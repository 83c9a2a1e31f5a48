"""Settings of gradient training: one frozen table, checked before training starts."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from spikewise._choices import Accumulate
from spikewise.data.augmentation import Augmentation

# Defaults that depend on the optimiser or the schedule.
_PEAK_LR = {"adamw": 5e-3, "sgd": 0.1, "muon": 5e-3}
_WEIGHT_DECAY = {"adamw": 1e-2, "sgd": 5e-4, "muon": 0.1}
_WARMUP = {"one_cycle": 0.3, "cosine": 0.0}


class FitSettings(BaseModel):
    """Settings of gradient training.

    Examples
    --------
    >>> FitSettings(epochs=5).n_steps
    4
    >>> FitSettings(optimizer="sgd").peak_lr
    0.1
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: int = Field(16, ge=1, le=10_000, description="Passes over the training images.")
    batch_size: int = Field(64, ge=2, le=65_536, description="Images per update, over all processes together.")
    n_steps: int = Field(4, ge=1, le=1024, description="Timesteps T; of recordings, as many frames.")
    n_steps_min: int | None = Field(
        None, ge=1, le=1024, description="Draw the timesteps of each update evenly from this many to T; T if absent."
    )
    growth: float = Field(0.0, ge=0, lt=1, description="Share of the epochs in which timesteps grow from 1 to T.")
    optimizer: Literal["adamw", "sgd", "muon"] = Field(
        "adamw", description="AdamW, SGD with Nesterov momentum, or Muon (AdamW for first layer and read-out)."
    )
    lr: float | None = Field(
        None, gt=0, le=10, description="Highest learning rate; 5e-3 with AdamW and Muon, 0.1 with SGD if absent."
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD.")
    weight_decay: float | None = Field(None, ge=0, le=1, description="Decay of weights; by optimiser if absent.")
    schedule: Literal["one_cycle", "cosine"] = Field("one_cycle", description="Course of the learning rate.")
    warmup: float | None = Field(
        None, ge=0, lt=1, description="Share of all updates in which lr rises; 0.3 of one_cycle, 0 of cosine if absent."
    )
    clip_norm: float = Field(0.0, ge=0, description="Longest gradient, of all weights together; 0 leaves it as it is.")
    ema: float = Field(0.0, ge=0, lt=1, description="Decay of averaged weights, which are then kept; 0 for none.")
    loss: Literal["cumulative", "per_step", "static"] = Field(
        "cumulative", description="cumulative (every prefix is right), per_step (TET), or static (the last answer)."
    )
    regularization: float = Field(0.0, ge=0, lt=1, description="Pull of outputs towards 1 (TET), of per_step alone.")
    distill: float = Field(0.0, ge=0, le=100, description="Weight of the last answer as a teacher of the earlier ones.")
    temperature: float = Field(2.0, gt=0, le=100, description="Softness of the last answer as a teacher.")
    accumulate: Accumulate = Field("mean", description="Evidence is the mean or the sum of the outputs.")
    label_smoothing: float = Field(0.0, ge=0, le=0.5, description="Share of the target spread over all classes.")
    augment: Augmentation = Field(
        Augmentation(),
        description="auto (customary for the data), none, a data set, or such as shift=4,flip,cutout=16,mixup=0.2.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Type of activations; auto is bfloat16 where the machine computes it natively."
    )
    device: str = Field("auto", description="cpu, cuda, cuda:1, ...; auto takes a GPU if there is one.")
    seed: int = Field(0, ge=0, lt=2**32, description="Fixes every random choice.")
    threads: int = Field(0, ge=0, le=1024, description="CPU threads; 0 for what torch finds.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.n_steps_min is not None and self.n_steps_min > self.n_steps:
            raise ValueError(f"n_steps_min must be at most n_steps ({self.n_steps}); got {self.n_steps_min}")
        if self.regularization and self.loss != "per_step":
            raise ValueError(f"regularization must be 0 with the loss {self.loss}; got {self.regularization}")
        return self

    @property
    def peak_lr(self) -> float:
        """Highest learning rate, by optimiser if it was not set."""
        return _PEAK_LR[self.optimizer] if self.lr is None else self.lr

    @property
    def used_weight_decay(self) -> float:
        """Weight decay, by optimiser if it was not set."""
        return _WEIGHT_DECAY[self.optimizer] if self.weight_decay is None else self.weight_decay

    @property
    def rise(self) -> float:
        """Share of all updates in which the learning rate rises."""
        return _WARMUP[self.schedule] if self.warmup is None else self.warmup

    def most_steps(self, epoch: int) -> int:
        """Return the largest number of timesteps in an epoch (from 1), by ``growth``; the last one has ``n_steps``.

        Examples
        --------
        >>> [FitSettings(epochs=8, growth=0.75).most_steps(epoch) for epoch in range(1, 9)]
        [1, 1, 2, 2, 3, 3, 4, 4]
        """
        growing = self.growth * self.epochs
        # The last epoch always has all steps, however slowly they grow.
        if epoch - 1 >= growing or epoch == self.epochs:
            return self.n_steps
        return 1 + int((self.n_steps - 1) * (epoch - 1) / growing)

    @property
    def of_the_result(self) -> dict[str, object]:
        """Settings that decide the result; device and threads change only the speed and the last bits."""
        return {key: value for key, value in self.resolved.items() if key not in ("device", "threads")}

    @property
    def resolved(self) -> dict[str, object]:
        """All settings, with the values of absent ones, since a later version may have other defaults."""
        return {**self.model_dump(), "lr": self.peak_lr, "weight_decay": self.used_weight_decay, "warmup": self.rise}
