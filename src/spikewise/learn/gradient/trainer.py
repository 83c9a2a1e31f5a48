"""One update and one evaluation of a network in training, and the state that they change.

Every random number is a function of (seed, epoch, update): the order of the images, their variants, the number of
timesteps, and torch's own random numbers. So there is no random state to keep.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spikewise.data.augment import mixup, vary
from spikewise.errors import ParameterError, ShapeError
from spikewise.network.inputs import sample_axis

from .average import WeightAverage, measure_statistics
from .loss import accumulate_outputs, loss_named
from .optimize import build_optimizer, clip, learning_rate
from .parallel import Processes, shared_statistics
from .settings import FitSettings

_EVALUATED_TOGETHER = 256  # images
_MEASURED_BATCHES = 10  # for the statistics of normalisation, as temporal-flexibility training recommends
_CHECK_EVERY = 50  # updates between looks at the loss on a GPU, where each look waits

Images = tuple[Tensor, Tensor]
"""Images (B, C, H, W), or recordings (B, T, C, H, W), and labels (B,)."""


class Trainer:
    """A network with its optimiser and its averaged weights, on one device.

    Parameters
    ----------
    model : TrainableNetwork
        The network.
    train : pair of Tensor
        Images (B, C, H, W) or recordings (B, T, C, H, W), and labels (B,).
    settings : FitSettings
        Settings of the training.
    dtype : torch.dtype
        Type of the activations.
    processes : Processes
        The processes that train the network together.
    """

    def __init__(
        self, model: Any, train: Images, settings: FitSettings, dtype: torch.dtype, processes: Processes
    ) -> None:
        self.model, self.settings, self.processes, self.dtype = model, settings, processes, dtype
        self.images, self.labels = train
        self.device = self.images.device
        self.optimizer = build_optimizer(model, settings)
        self.average = WeightAverage(model, settings.ema) if settings.ema else None
        options = ("accumulate", "label_smoothing", "regularization", "distill", "temperature")
        self._loss_of = loss_named(settings.loss, **{key: getattr(settings, key) for key in options})
        self._plain_loss_of = loss_named(settings.loss, accumulate=settings.accumulate)
        self._weights_type = next(model.parameters()).dtype

    @property
    def n_batches(self) -> int:
        """Number of updates per epoch."""
        wanted = math.ceil(len(self.labels) / self.settings.batch_size)
        # A batch of one image breaks batch normalisation, so of an odd number of images one batch has one more.
        return wanted if self.settings.batch_size == 1 else max(1, min(wanted, len(self.labels) // 2))

    def batches(self, epoch: int) -> tuple[Tensor, ...]:
        """Return the rows of each batch of an epoch; their sizes differ by at most one."""
        generator = torch.Generator().manual_seed(_seed_of(self.settings.seed, epoch))
        # tensor_split: with split, the last batch might be a single image, which breaks batch normalisation.
        return torch.randperm(len(self.labels), generator=generator).tensor_split(self.n_batches)

    def update(self, epoch: int, index: int, batch: Tensor) -> Tensor:
        """Update the weights by one batch, number ``index`` (from 0) of an epoch; return the loss, a scalar."""
        settings, processes = self.settings, self.processes
        generator = torch.Generator().manual_seed(_seed_of(settings.seed, epoch, index + 1))
        torch.manual_seed(_seed_of(settings.seed, epoch, index + 1, processes.rank + 1))  # for dropout and the like
        n_done = (epoch - 1) * self.n_batches + index
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(settings, n_done / (settings.epochs * self.n_batches))
        images, labels = self._variants(batch, generator)
        most = settings.most_steps(epoch)
        least = most if settings.n_steps_min is None else min(settings.n_steps_min, most)
        n_steps = int(torch.randint(least, most + 1, (), generator=generator))
        images, labels = processes.mine(images), processes.mine(labels)
        self.model.train()
        with (
            shared_statistics(self.model, processes),
            torch.autocast(self.device.type, self.dtype, enabled=self.dtype == torch.bfloat16),
        ):
            outputs = self._outputs(self.model, images, n_steps)
            # The sum over processes of loss times share is the mean loss of the whole batch.
            share = len(labels) / len(batch)
            wide = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
            loss = self._loss_of(wide, labels) * share
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        loss = loss.detach()
        processes.add_up([*gradients, loss])
        clip(gradients, settings.clip_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.follow(self.model, n_done + 1)
        is_read = self.device.type == "cpu" or (index + 1) % _CHECK_EVERY == 0 or index + 1 == self.n_batches
        if is_read and not loss.isfinite():
            raise self._diverged(
                f"the training loss must stay finite; got {float(loss)} in epoch {epoch}, update {index + 1}."
            )
        return loss

    def candidate(self, epoch: int) -> nn.Module:
        """Return the network that is evaluated and may be kept, in eval mode."""
        # A neuron with the potential NaN stays silent, so the loss can stay finite.
        for name, values in self.model.state_dict().items():
            if values.is_floating_point() and not values.isfinite().all():
                raise self._diverged(f"the weights must stay finite; {name} are not after epoch {epoch}.")
        model = self.model if self.average is None else self.average.model
        # Running statistics come from all numbers of timesteps in training; evaluation uses ``n_steps``.
        is_shorter = self.settings.n_steps_min is not None or self.settings.most_steps(epoch) < self.settings.n_steps
        if self.average is not None or is_shorter:
            some = (self.images[rows.to(self.device)] for rows in self.batches(epoch)[:_MEASURED_BATCHES])
            measure_statistics(model, map(self._as_input, some), self.settings.n_steps)
        return model.eval()

    @torch.no_grad()
    def evaluate(self, model: nn.Module, held_out: Images) -> tuple[float, list[float]]:
        """Return the loss, and the accuracy of the evidence after each step."""
        n_samples = len(held_out[1])
        found = torch.zeros(1 + self.settings.n_steps, dtype=torch.float64, device=self.device)
        for rows in torch.split(self.processes.mine(torch.arange(n_samples)), _EVALUATED_TOGETHER):
            images, labels = (part[rows.to(self.device)] for part in held_out)
            outputs = self._outputs(model, images, self.settings.n_steps)
            found[0] += self._plain_loss_of(outputs, labels) * len(labels)
            # Mean or sum: the class with the highest evidence is the same.
            found[1:] += (accumulate_outputs(outputs).argmax(2) == labels).sum(1)
        self.processes.add_up([found])
        loss, *accuracy = (found / n_samples).tolist()
        return loss, accuracy

    def _outputs(self, model: Any, images: Tensor, n_steps: int) -> Tensor:
        """Run the network and return the logits (T, B, K), after a check of their shape."""
        outputs: Tensor = model(self._as_input(images), n_steps)
        wanted = (n_steps, len(images), self.model.spec.n_classes)
        if not isinstance(outputs, Tensor) or tuple(outputs.shape) != wanted:
            found = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
            raise ShapeError(
                f"forward of {type(self.model).__name__} must give logits (T, B, K) = {wanted}; got {found}. "
                "Stack the logits of each step along the first axis."
            )
        return outputs

    def _variants(self, batch: Tensor, generator: torch.Generator) -> Images:
        """Return random variants of a whole batch; every process draws all of them, so that they agree."""
        rows = batch.to(self.device)
        augment, labels = self.settings.augment, self.labels[rows]
        images = vary(self.images[rows], augment, generator)
        if not augment.mixup:
            return images, labels
        return mixup(images, labels, self.model.spec.n_classes, augment.mixup, generator)

    def _as_input(self, images: Tensor) -> Tensor:
        """Return images in [0, 1], in the type of the weights, and recordings with time first."""
        scale = 1 if images.is_floating_point() else 255
        values = images.to(self._weights_type) / scale
        return values.movedim(0, sample_axis(values))

    def _diverged(self, what: str) -> ParameterError:
        clipped = "" if self.settings.clip_norm else ", or shorten gradients by clip_norm = 1"
        exact = ", or use precision = float32" if self.dtype == torch.bfloat16 else ""
        return ParameterError(f"{what} Lower lr (it is {self.settings.peak_lr:g}){clipped}{exact}.")


def _seed_of(*place: int) -> int:
    # Unrelated seeds even for neighbouring places; 63 bits also fit into a signed integer.
    return int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> np.uint64(1))
