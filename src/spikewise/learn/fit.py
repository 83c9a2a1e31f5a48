"""Gradient training of spiking networks: a short loop on ``accelerate``.

Everything random is a function of (seed, epoch), and one file written at the end of each epoch holds
weights, optimiser and history. So a run that was killed at any point and resumed ends in the same
weights, bit for bit, as one that was left alone. The weights that are kept are those of the epoch with
the best *validation* accuracy; test data have no way in.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from spikewise.data.augment import random_flip, random_shift
from spikewise.errors import ParameterError, require
from spikewise.network._inputs import check_images, check_labels
from spikewise.network.models import SpikingNetwork

from ._checkpoint import Progress, read_checkpoint, write_checkpoint
from .loss import Accumulate, accumulate_outputs, loss_named

Pair = tuple[ArrayLike | Tensor, ArrayLike | Tensor]


class FitSettings(BaseModel):
    """How a deep network is trained.

    Examples
    --------
    >>> FitSettings(epochs=5).n_steps
    4
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(16, ge=1, le=10_000, description="Passes over the training images.")
    batch_size: int = Field(64, ge=2, le=65_536, description="Images per update, over all processes together.")
    n_steps: int = Field(4, ge=1, le=1024, description="Timesteps T of a training run.")
    lr: float = Field(5e-3, gt=0, le=10, description="Highest learning rate of the schedule.")
    schedule: Literal["one_cycle", "cosine"] = Field("one_cycle", description="Course of the learning rate.")
    weight_decay: float = Field(1e-2, ge=0, le=1, description="Of weight matrices; AdamW, so relative to lr.")
    loss: Literal["cumulative", "per_step", "static"] = Field("cumulative", description="Loss on outputs over time.")
    accumulate: Accumulate = Field("mean", description="How outputs become evidence; must match the exit rule.")
    label_smoothing: float = Field(0.0, ge=0, le=0.5, description="Share of the target spread over all classes.")
    max_shift: int = Field(0, ge=0, le=64, description="Largest random shift of a training image, in pixels.")
    flip: bool = Field(False, description="Whether training images are mirrored at random.")
    seed: int = Field(0, ge=0, lt=2**32, description="Fixes the order of the data and their variants.")
    threads: int = Field(0, ge=0, le=1024, description="CPU threads of torch; 0 leaves them as they are.")


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What one epoch brought: training loss, validation loss and accuracy, seconds."""

    epoch: int
    loss: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a training run brought.

    Parameters
    ----------
    history : tuple of EpochRecord
        One per epoch, those before a resume included.
    best_epoch : int
        Epoch (from 1) whose weights the model now holds.
    best_validation_accuracy : float
        Its accuracy on the validation images after the last step, in [0, 1].
    seconds : float
        Training time, summed over the epochs.
    """

    history: tuple[EpochRecord, ...]
    best_epoch: int
    best_validation_accuracy: float
    seconds: float

    @property
    def n_epochs(self) -> int:
        """Epochs that were run."""
        return len(self.history)


def learning_rate(settings: FitSettings, progress: float) -> float:
    """Learning rate after a share ``progress`` in [0, 1] of all updates.

    Examples
    --------
    >>> settings = FitSettings(lr=1.0)
    >>> [round(learning_rate(settings, p), 3) for p in (0.0, 0.3, 1.0)]
    [0.04, 1.0, 0.0]
    """
    if settings.schedule == "cosine":
        return settings.lr * (1 + math.cos(math.pi * progress)) / 2
    # One cycle (arXiv 1708.07120): up from lr / 25 during the first 30 %, then down to nothing.
    rise = 0.3
    if progress < rise:
        return settings.lr * (1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * progress / rise)) / 2)
    return settings.lr * (1 + math.cos(math.pi * (progress - rise) / (1 - rise))) / 2


def fit(
    model: SpikingNetwork,
    train: Pair,
    validation: Pair,
    settings: FitSettings | None = None,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Callable[[EpochRecord], None] | None = None,
) -> FitResult:
    """Train a spiking network by gradient descent; it ends with its best weights and in eval mode.

    Parameters
    ----------
    model : SpikingNetwork
        Changed in place; its normalisation is taken from the training images.
    train, validation : pair of arrays
        Images (B, C, H, W), uint8 or floats in [0, 1], and their integer labels (B,).
    settings : FitSettings, optional
        The defaults if absent.
    checkpoint : path, optional
        File that is replaced at the end of every epoch.
    resume : bool
        Go on from that file if it exists.
    progress : callable, optional
        Called with the record of each epoch, after its checkpoint is written.

    Raises
    ------
    ShapeError, ParameterError
        If images or labels do not fit the model, the loss stops being finite, or a checkpoint belongs to other
        settings or data.
    """
    settings = FitSettings() if settings is None else settings
    train_set, validation_set = _pair(model, "train", train), _pair(model, "validation", validation)
    accelerate = require("accelerate", "deep")
    with _threads(settings.threads):
        accelerator = accelerate.Accelerator()
        data, held_out = (_to(accelerator.device, pair) for pair in (train_set, validation_set))
        model.to(accelerator.device).normalize_by(data[0])
        wrapped, optimizer = accelerator.prepare(model, _optimizer(model, settings))
        inner = optimizer.optimizer
        state = Progress.fresh(model, settings.model_dump(), (*train_set, *validation_set))
        if resume and checkpoint is not None and Path(checkpoint).exists():
            state = read_checkpoint(checkpoint, model, inner, expected=state)
        for epoch in range(len(state.history) + 1, settings.epochs + 1):
            began = time.perf_counter()
            loss = _train_epoch(accelerator, wrapped, optimizer, data, settings, epoch)
            validation_loss, accuracy = _evaluate(model, held_out, settings)
            record = EpochRecord(epoch, loss, validation_loss, accuracy, time.perf_counter() - began)
            state.add(model, asdict(record))
            if checkpoint is not None and accelerator.is_main_process:
                write_checkpoint(checkpoint, model, inner, state)
            if progress is not None and accelerator.is_main_process:
                progress(record)
        model.load_state_dict(state.best_weights)
        model.eval()
    history = tuple(EpochRecord(**row) for row in state.history)
    best = history[state.best_epoch - 1]
    return FitResult(history, best.epoch, best.validation_accuracy, sum(row.seconds for row in history))


def _train_epoch(
    accelerator: Any, model: nn.Module, optimizer: Any, data: tuple[Tensor, Tensor], settings: FitSettings, epoch: int
) -> float:
    """One pass over the training images; returns the mean loss."""
    images, labels = data
    loss_of = loss_named(settings.loss, accumulate=settings.accumulate, label_smoothing=settings.label_smoothing)
    generator = torch.Generator().manual_seed(_epoch_seed(settings.seed, epoch))
    order = torch.randperm(len(labels), generator=generator)
    n_batches = math.ceil(len(labels) / settings.batch_size)
    model.train()
    total = torch.zeros((), device=images.device)
    # tensor_split makes batches of nearly equal size: a last batch of one would break batch normalisation.
    for index, batch in enumerate(order.tensor_split(n_batches)):
        rate = learning_rate(settings, (epoch - 1 + index / n_batches) / settings.epochs)
        for group in optimizer.param_groups:
            group["lr"] = rate
        rows = batch[accelerator.process_index :: accelerator.num_processes].to(images.device)
        variants = random_shift(images[rows], settings.max_shift, generator)
        if settings.flip:
            variants = random_flip(variants, generator)
        loss = loss_of(model(variants, settings.n_steps), labels[rows])
        optimizer.zero_grad()
        accelerator.backward(loss)
        optimizer.step()
        total += loss.detach() * len(rows) / len(labels)
    mean_loss = float(accelerator.reduce(total))
    if not math.isfinite(mean_loss):
        raise ParameterError(f"the training loss must stay finite; got {mean_loss} in epoch {epoch}. Lower lr.")
    return mean_loss


@torch.no_grad()
def _evaluate(model: SpikingNetwork, held_out: tuple[Tensor, Tensor], settings: FitSettings) -> tuple[float, float]:
    """Loss and accuracy of the evidence after the last step."""
    loss_of = loss_named(settings.loss, accumulate=settings.accumulate)
    model.eval()
    loss, n_right = 0.0, 0
    for images, labels in zip(*(torch.split(part, 256) for part in held_out), strict=True):
        outputs = model(images, settings.n_steps)
        loss += float(loss_of(outputs, labels)) * len(labels) / len(held_out[1])
        n_right += int((accumulate_outputs(outputs)[-1].argmax(1) == labels).sum())
    return loss, n_right / len(held_out[1])


def _optimizer(model: nn.Module, settings: FitSettings) -> torch.optim.Optimizer:
    """AdamW that shrinks weight matrices but neither biases nor normalisation."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.lr)


def _to(device: torch.device, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return pair[0].to(device), pair[1].to(device)


def _epoch_seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextmanager
def _threads(n_threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _pair(model: SpikingNetwork, what: str, pair: Pair) -> tuple[Tensor, Tensor]:
    """Images and labels as tensors, checked against the model; batch normalisation needs two images."""
    images = check_images(pair[0], model.spec.in_shape, f"{what} images", at_least=2)
    labels = check_labels(pair[1], len(images), model.spec.n_classes, f"{what} labels")
    return torch.from_numpy(images), torch.from_numpy(labels)
