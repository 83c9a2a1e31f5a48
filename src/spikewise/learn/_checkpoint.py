"""One file per training run: weights, optimiser, best weights and history, replaced in one move.

Tensors and the JSON header live in a single safetensors file, so that no kill can part them.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spikewise.errors import DataError, ParameterError
from spikewise.weights import read_weights, write_weights

_FORMAT = "spikewise-checkpoint-1"


@dataclass(slots=True)
class Progress:
    """How far a training run has come.

    Parameters
    ----------
    identity : dict
        Settings, model and a checksum of the data: a run may only go on with its own.
    history : list of dict
        One record per finished epoch.
    best_epoch : int
        Epoch (from 1) of the best validation accuracy so far, the lower loss deciding ties; 0 before the first.
    best_weights : dict of Tensor
        The model's state at that epoch.
    """

    identity: dict[str, Any]
    history: list[dict[str, Any]]
    best_epoch: int
    best_weights: dict[str, Tensor]

    @classmethod
    def fresh(cls, model: Any, settings: dict[str, Any], data: tuple[Tensor, ...]) -> Progress:
        """Progress of a run that has not begun."""
        checksum = 0
        for part in data:
            checksum = zlib.crc32(part.contiguous().cpu().numpy().tobytes(), checksum)
        # Threads change speed (and the last bits), not what is being trained.
        kept = {key: value for key, value in settings.items() if key != "threads"}
        return cls({"settings": kept, "model": model.spec.to_dict(), "data": checksum}, [], 0, {})

    def add(self, model: nn.Module, record: dict[str, Any]) -> None:
        """Take note of a finished epoch, and of its weights if they are the best so far."""
        self.history.append(record)
        best = self.history[self.best_epoch - 1] if self.best_epoch else None
        if best is None or _merit(record) > _merit(best):
            self.best_epoch = len(self.history)
            self.best_weights = {key: value.detach().clone() for key, value in model.state_dict().items()}


def _merit(record: dict[str, Any]) -> tuple[float, float]:
    return record["validation_accuracy"], -record["validation_loss"]


def write_checkpoint(
    path: str | os.PathLike[str], model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Replace the checkpoint file atomically."""
    tensors = {f"model/{key}": value for key, value in model.state_dict().items()}
    tensors |= {f"best/{key}": value for key, value in progress.best_weights.items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in values.items()}
    header = {"format": _FORMAT, **{key: getattr(progress, key) for key in ("identity", "history", "best_epoch")}}
    arrays = {key: value.detach().cpu().numpy() for key, value in tensors.items()}
    write_weights(path, arrays, header, sidecar=False)


def read_checkpoint(
    path: str | os.PathLike[str], model: nn.Module, optimizer: torch.optim.Optimizer, *, expected: Progress
) -> Progress:
    """Load model and optimiser from a checkpoint and return how far it had come.

    Raises
    ------
    DataError
        If the file is not a whole checkpoint, or a single bit of it has changed.
    ParameterError
        If it belongs to another model, other settings or other data.
    """
    arrays, header = read_weights(path, _FORMAT)
    tensors = {key: torch.as_tensor(value) for key, value in arrays.items()}
    try:
        found = Progress(header["identity"], header["history"], header["best_epoch"], _under(tensors, "best/"))
    except KeyError as error:
        raise DataError(
            f"{path} must be a training checkpoint written by spikewise; it lacks {error}. "
            "Delete it and run the command again."
        ) from None
    differing = [key for key, value in expected.identity.items() if found.identity.get(key) != value]
    if differing:
        raise ParameterError(
            f"{path} must belong to this run to be resumed; it differs in {', '.join(differing)}. "
            "Use the old settings, or another file."
        )
    model.load_state_dict(_under(tensors, "model/"))
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _under(tensors, "optimizer/").items():
        index, name = key.split("/", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return found


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
