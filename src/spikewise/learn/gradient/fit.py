"""Gradient training of spiking networks.

Every random number is a function of (seed, epoch, update); one file, replaced at the end of each epoch and every few
minutes within a long one, holds the rest of the state. So a run that was killed and resumed ends in the same weights,
bit for bit, as an uninterrupted one. The kept weights are those of the last epoch within one standard error of the best
*validation* accuracy; training never sees test data.
"""

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from spikewise._arguments import checks_arguments
from spikewise._gates import class_numbers
from spikewise.errors import ParameterError, RunError
from spikewise.network.inputs import check_images, sample_axis
from spikewise.network.protocol import TrainableNetwork, check_finite, check_network

from .checkpoint import EpochRecord, Progress, identity_of, place_of, read_checkpoint, write_checkpoint
from .device import choose_device, choose_precision, thread_count
from .logs import TrainingLog
from .parallel import connect, this_process
from .settings import FitSettings
from .trainer import Images, Trainer

Pair = tuple[ArrayLike | Tensor, ArrayLike | Tensor]

_CHECKPOINT_S = 300.0  # the most work that is lost if a run is killed
_REPORT_S = 1.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Report of progress: epochs done (a fraction), loss of the current epoch, and its record at its end."""

    epochs_done: float
    loss: float
    record: EpochRecord | None = None


@dataclass(frozen=True, slots=True)
class FitResult:
    """Result of a training run.

    Parameters
    ----------
    history : tuple of EpochRecord
        One per epoch, including those before the run was resumed.
    best_epoch : int
        Epoch (from 1) whose weights the model now holds.
    device, precision : str
        Device of the run, and type of its activations.
    """

    history: tuple[EpochRecord, ...]
    best_epoch: int
    device: str
    precision: str

    @property
    def best(self) -> EpochRecord:
        """Record of the epoch whose weights were kept."""
        return self.history[self.best_epoch - 1]

    @property
    def best_validation_accuracy(self) -> float:
        """Accuracy of the kept weights on the validation images after the last step, in [0, 1]."""
        return self.best.validation_accuracy

    @property
    def seconds(self) -> float:
        """Training time, summed over the epochs."""
        return sum(row.seconds for row in self.history)

    @property
    def n_epochs(self) -> int:
        """Number of epochs that were run."""
        return len(self.history)


@checks_arguments
def fit(
    model: TrainableNetwork,
    train: Pair,
    validation: Pair,
    settings: FitSettings | None = None,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Callable[[Moment], None] | None = None,
    logs: str | os.PathLike[str] | None = None,
    tensorboard: bool = False,
) -> FitResult:
    """Train a spiking network by gradient descent; at the end it has its best weights and is in eval mode.

    Under ``torchrun`` or ``accelerate launch`` each process computes its share of every batch.

    Parameters
    ----------
    model : TrainableNetwork
        From :func:`~spikewise.network.build_model`, or user-written (:mod:`spikewise.network.protocol`); changed in
        place.
    train, validation : pair of arrays
        Images (B, C, H, W) or recordings (T, B, C, H, W), uint8 or floats in [0, 1], and their integer labels (B,).
    settings : FitSettings, optional
        The defaults if absent.
    checkpoint : path, optional
        File that is replaced at the end of every epoch, and every few minutes within a long one.
    resume : bool
        Continue from that file if it exists. A finished run goes on if more epochs are asked for; the schedule of its
        learning rate is then that of the new number.
    progress : callable, optional
        Called at the start, about every second, and with the record of each epoch after its checkpoint is written.
    logs : Path, optional
        Folder in which ``training.csv`` is written.
    tensorboard : bool
        Whether event files of TensorBoard are written there too.

    Raises
    ------
    ShapeError, ParameterError
        If images or labels do not fit the model, the loss stops being finite, or a checkpoint is a folder, or belongs
        to other settings or data, or processes do not start from the same weights.
    RunError
        If there is no folder for checkpoint or logs.
    """
    settings = FitSettings() if settings is None else settings
    _check_place(checkpoint, logs)
    network = check_network(model)
    _check_weights(network)
    train_set, validation_set = (
        _pair(network, what, pair, settings) for what, pair in (("train", train), ("validation", validation))
    )
    device = choose_device(settings.device, this_process().local_rank)
    dtype = choose_precision(settings.precision, device)
    # After the checks of the input, since it waits for the other processes.
    processes = connect(device)
    own_randomness = torch.random.fork_rng([device] if device.type == "cuda" else [])
    with thread_count(settings.threads), own_randomness:
        processes.check_batch(settings.batch_size)
        is_main = processes.is_main
        log = TrainingLog(Path(logs) if is_main and logs is not None else None, tensorboard=tensorboard)
        data, held_out = ((images.to(device), labels.to(device)) for images, labels in (train_set, validation_set))
        network.to(device)
        if hasattr(network, "normalize_by"):
            # Training images alone: statistics of validation images would leak into the network.
            network.normalize_by(data[0].movedim(0, sample_axis(data[0])))
        trainer = Trainer(network, data, settings, dtype, processes)
        decided = {**settings.of_the_result, "precision": str(dtype)}
        data_of_all = (*train_set, *validation_set)
        identity = identity_of(network, decided, data_of_all) if checkpoint is not None else {}
        state = Progress(identity)
        if resume and checkpoint is not None and Path(checkpoint).exists():
            state = read_checkpoint(checkpoint, trainer, identity)
        if processes.size > 1:
            # After a resume, since one process may not have found the checkpoint.
            processes.check_same(place_of(network, state), device)

        def report(moment: Moment) -> None:
            if is_main and progress is not None:
                progress(moment)

        # The main process alone writes; all processes hold the same weights.
        def save() -> None:
            if is_main and checkpoint is not None:
                write_checkpoint(checkpoint, trainer, state)

        # Also at the start, so that a resumed run shows at once how far it is.
        report(Moment(len(state.history) + state.n_batches / trainer.n_batches, state.loss))
        log.write([_flat(row) for row in state.history])
        while len(state.history) < settings.epochs:
            record = _epoch(trainer, held_out, state, save, report)
            log.write([_flat(row) for row in state.history])
            report(Moment(record.epoch, record.loss, record))
        log.close()
        network.load_state_dict(state.best_weights)
        network.eval()
    return FitResult(tuple(state.history), state.best_epoch, str(device), str(dtype).removeprefix("torch."))


def _check_weights(network: torch.nn.Module) -> None:
    for name, values in network.named_parameters():
        if values.dtype not in (torch.float32, torch.float64):
            raise ParameterError(
                f"weights must be float32 or float64; got {values.dtype} for {name}. Call network.float(); the "
                "setting precision='bfloat16' computes activations with 16 bits."
            )
    check_finite(network)
    if not any(values.requires_grad for values in network.parameters()):
        raise ParameterError("some weights must learn; requires_grad is false for all. Call network.requires_grad_().")
    if not torch.is_grad_enabled() or torch.is_inference_mode_enabled():
        raise ParameterError("gradients must be on while a network is trained; they are off. Leave torch.no_grad().")


def _epoch(
    trainer: Trainer,
    held_out: Images,
    state: Progress,
    save: Callable[[], None],
    report: Callable[[Moment], None],
) -> EpochRecord:
    """Run the rest of an epoch, and update the state of the run."""
    epoch, n_samples = len(state.history) + 1, len(trainer.labels)
    saved = reported = time.perf_counter()
    # As if the part before a resume had just been done.
    began = saved - state.seconds
    # Kept on the device: reading it after every update would make a GPU wait.
    loss = torch.tensor(state.loss, dtype=torch.float64, device=trainer.device)
    batches = trainer.batches(epoch)
    for index in range(state.n_batches, len(batches)):
        loss += trainer.update(epoch, index, batches[index]) * (len(batches[index]) / n_samples)
        now = time.perf_counter()
        state.n_batches = index + 1
        if now - saved >= _CHECKPOINT_S and state.n_batches < len(batches):
            state.loss, state.seconds, saved = float(loss), now - began, now
            save()
        if now - reported >= _REPORT_S:
            done = state.n_batches / len(batches)
            # So far only part of the images has contributed: divide by their share.
            report(Moment(epoch - 1 + done, float(loss) * n_samples / sum(map(len, batches[: index + 1]))))
            reported = now
    candidate = trainer.candidate(epoch)
    validation_loss, accuracy = trainer.evaluate(candidate, held_out)
    seconds = time.perf_counter() - began
    record = EpochRecord(epoch, float(loss), validation_loss, accuracy[-1], tuple(accuracy), seconds)
    state.end_epoch(candidate, record, len(held_out[1]))
    save()
    return record


def _check_place(checkpoint: str | os.PathLike[str] | None, logs: str | os.PathLike[str] | None) -> None:
    """Raise an error before training, not after an epoch, if checkpoint or logs could not be written."""
    if not this_process().is_main:
        return
    if logs is not None and not Path(logs).is_dir():
        raise RunError(f"logs must be a folder; {logs} is none. Make it first.")
    if checkpoint is None:
        return
    path = Path(checkpoint)
    if path.is_dir():
        raise ParameterError(
            f"checkpoint must be a file; got the folder {path}. Name a file in it, such as checkpoint.safetensors."
        )
    if not path.parent.is_dir():
        raise RunError(f"checkpoint must lie in a folder; {path.parent} is none. Make it first.")


def _flat(record: EpochRecord) -> dict[str, Any]:
    """Return a record as one line of a table."""
    row = asdict(record)
    accuracies = row.pop("accuracy_by_step")
    return row | {f"accuracy_step_{step}": value for step, value in enumerate(accuracies, 1)}


def _pair(model: Any, what: str, pair: Pair, settings: FitSettings) -> Images:
    """Check images and labels, and return them as tensors with samples first."""
    # Batch normalisation needs at least two images.
    values = check_images(pair[0], model.spec.in_shape, f"{what} images", at_least=2, n_frames=settings.n_steps)
    images = torch.from_numpy(values).movedim(sample_axis(values), 0)
    labels = class_numbers(pair[1], len(images), model.spec.n_classes, f"{what} labels")
    return images, torch.from_numpy(labels)
