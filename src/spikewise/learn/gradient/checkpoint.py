"""Checkpoint of a training run: weights, optimiser, average, best weights and history in one file.

Tensors and JSON header are a single safetensors file, which is replaced atomically, so they always fit each other. It
holds no random state, since every random number of training is a function of (seed, epoch, update).
"""

import math
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from torch import Tensor, nn

from spikewise._files import as_json, differences
from spikewise.errors import DataError, ParameterError
from spikewise.network.protocol import wrong_shapes
from spikewise.weights import as_card, read_weights, write_weights

from .trainer import Trainer

_FORMAT = "spikewise-checkpoint-2"
_SUMMED_TOGETHER = 4096  # samples


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """Results of one epoch: training loss, validation loss, accuracy after the last and after each step, seconds."""

    epoch: int
    loss: float
    validation_loss: float
    validation_accuracy: float
    accuracy_by_step: tuple[float, ...]
    seconds: float


class _Header(BaseModel):
    """What a checkpoint says beside its tensors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    identity: dict[str, JsonValue]
    history: list[EpochRecord]
    best_epoch: int = Field(ge=0)
    n_batches: int = Field(ge=0)
    loss: float
    seconds: float = Field(ge=0)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.best_epoch > len(self.history):
            raise ValueError(f"best_epoch must lie within the history of {len(self.history)}; got {self.best_epoch}")
        return self


@dataclass(slots=True)
class Progress:
    """State of a training run.

    Parameters
    ----------
    identity : dict
        Settings, model and a checksum of the data; a run continues only if these are equal.
    history : list of EpochRecord
        One per finished epoch.
    best_epoch : int
        Epoch (from 1) whose weights are kept, see :func:`is_as_good`; 0 before the first.
    n_batches : int
        Updates done in the current epoch.
    loss, seconds : float
        Loss of these updates, weighted by their share of the images and summed, and their time.
    best_weights : dict of Tensor
        State of the model at that epoch.
    """

    identity: dict[str, Any]
    history: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0
    n_batches: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def end_epoch(self, model: nn.Module, record: EpochRecord, n_validation: int) -> None:
        """Record a finished epoch, and keep its weights if they are as good as the best ones."""
        self.history.append(record)
        self.n_batches, self.loss, self.seconds = 0, 0.0, 0.0
        # The new epoch is included: the limit is one standard error below the best of all.
        highest = max(row.validation_accuracy for row in self.history)
        if is_as_good(record.validation_accuracy, highest, n_validation):
            self.best_epoch = len(self.history)
            self.best_weights = {key: value.detach().clone() for key, value in model.state_dict().items()}


def is_as_good(accuracy: float, highest: float, n_images: int) -> bool:
    r"""Whether an accuracy lies within one standard error of the highest one, :math:`\sqrt{p (1 - p) / n}`.

    If epochs differ no more than by chance, the last is the best trained: its learning rate is lowest, and its
    timesteps are complete. Choosing the highest accuracy instead costs accuracy on other images.

    Examples
    --------
    >>> is_as_good(0.890, 0.893, n_images=2500), is_as_good(0.880, 0.893, n_images=2500)
    (True, False)
    """
    return accuracy >= highest - math.sqrt(highest * (1 - highest) / n_images)


def identity_of(model: Any, settings: dict[str, Any], data: tuple[Tensor, ...]) -> dict[str, Any]:
    """Return what decides the result of a training run: settings, network, and a checksum of the data."""
    found: dict[str, Any] = as_json({"settings": settings, "model": model.spec.to_dict(), "data": _checksum(data)})
    return found


def place_of(model: nn.Module, progress: Progress) -> list[float]:
    """Return progress and a checksum of the weights, by which processes compare their states."""
    return [
        len(progress.history),
        progress.n_batches,
        _checksum(each.flatten() for each in model.state_dict().values()),
    ]


def _checksum(tensors: Iterable[Tensor]) -> int:
    checksum = 0
    for values in tensors:
        # In pieces, since a copy of a whole training set may not fit.
        for piece in torch.split(values, _SUMMED_TOGETHER):
            checksum = zlib.crc32(piece.detach().contiguous().cpu().numpy().data, checksum)
    return checksum


def write_checkpoint(path: str | os.PathLike[str], trainer: Trainer, progress: Progress) -> None:
    """Replace the checkpoint file atomically."""
    tensors = {f"model/{key}": value for key, value in trainer.model.state_dict().items()}
    tensors |= {f"best/{key}": value for key, value in progress.best_weights.items()}
    if trainer.average is not None:
        tensors |= {f"average/{key}": value for key, value in trainer.average.model.state_dict().items()}
    for index, values in trainer.optimizer.state_dict()["state"].items():
        # One entry per tensor, since safetensors has no nesting.
        tensors |= {f"optimizer/{index}/{key}": value for key, value in values.items() if value is not None}
    arrays = {key: value.detach().cpu().numpy() for key, value in tensors.items()}
    kept = {key: getattr(progress, key) for key in _Header.model_fields if key != "format"}
    header = _Header(format=_FORMAT, **kept).model_dump(mode="json")
    write_weights(path, arrays, header, sidecar=False)


def read_checkpoint(path: str | os.PathLike[str], trainer: Trainer, identity: dict[str, Any]) -> Progress:
    """Load a checkpoint into a trainer, and return the state of the run.

    Raises
    ------
    DataError
        If the file is not a complete checkpoint, or is damaged.
    ParameterError
        If it belongs to another model, other settings or other data; a finished run may have more epochs.
    """
    arrays, raw = read_weights(path, _FORMAT)
    header = as_card(_Header, raw, path)
    tensors = {key: torch.as_tensor(value) for key, value in arrays.items()}
    found = Progress(
        **{key: getattr(header, key) for key in _Header.model_fields if key != "format"},
        best_weights=_under(tensors, "best/"),
    )
    # Before anything is loaded: a refused checkpoint changes nothing.
    differing = differences(found.identity, identity)
    if differing and not _goes_on(found, identity, differing):
        here = (
            " Other machines compute with another precision unless it is named."
            if any(name.endswith("precision") for name in differing)
            else ""
        )
        raise ParameterError(
            f"{path} must belong to this run to be resumed; it differs in {', '.join(differing)}. "
            f"Use the old settings, or another file.{here}"
        )
    weights = {"model/": trainer.model, **({"average/": trainer.average.model} if trainer.average else {})}
    for part, model in {**weights, **({"best/": trainer.model} if found.best_epoch else {})}.items():
        _check_state(path, part, _under(tensors, part), model.state_dict())
    state = _optimizer_state(path, tensors, [p for group in trainer.optimizer.param_groups for p in group["params"]])
    for part, model in weights.items():
        model.load_state_dict(_under(tensors, part))
    found.identity = identity
    # Options of the groups follow from the settings, which are equal, so the file need not hold them.
    groups = trainer.optimizer.state_dict()["param_groups"]
    trainer.optimizer.load_state_dict({"state": state, "param_groups": groups})
    return found


def _goes_on(found: Progress, identity: Mapping[str, Any], differing: list[str]) -> bool:
    """Whether a finished run shall have more epochs; its learning rate then follows the new number."""
    if differing != ["settings.epochs"]:
        return False
    before, wanted = (each["settings"]["epochs"] for each in (found.identity, identity))
    return len(found.history) == before < wanted


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _check_state(
    path: str | os.PathLike[str], part: str, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> None:
    """Raise DataError unless a part of a checkpoint has the tensors of a model, with finite values."""
    wrong = wrong_shapes(found, wanted) or [key for key, value in found.items() if not torch.isfinite(value).all()]
    if wrong:
        raise DataError(
            f"{path} must hold the weights of this network, finite; {part}{wrong[0]} is not. "
            "Delete it and run the command again."
        )


def _optimizer_state(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], parameters: list[nn.Parameter]
) -> dict[int, dict[str, Tensor]]:
    """Return the state of the optimiser by number of the parameter, each tensor as large as that or a number."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        part, _, rest = key.partition("/")
        if part != "optimizer":
            continue
        index, _, name = rest.partition("/")
        place = int(index) if index.isdecimal() and len(index) < 9 else len(parameters)
        if place >= len(parameters) or (value.numel() != 1 and value.shape != parameters[place].shape):
            raise DataError(f"{path} must hold the state of this optimiser; {key} is not. Delete it and begin again.")
        state.setdefault(place, {})[name] = value
    return state
