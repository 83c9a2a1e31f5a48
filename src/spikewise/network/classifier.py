"""Run a deep spiking network step by step, and really stop.

After every step the exit rule is asked about the samples that are still running. Those that may stop leave the batch,
so the next step computes fewer samples. All runs use one loop, so a rule that is never ready gives exactly the answers
of the full run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from torch import Tensor

from spikewise._arguments import checks_arguments
from spikewise._files import as_json
from spikewise._gates import MOST_STEPS, as_array, class_numbers, step_count
from spikewise.dynamic.anytime import Answer, ExitResult
from spikewise.dynamic.fingerprint import fingerprint_of
from spikewise.dynamic.rule import ExitRule, ask, check_rule
from spikewise.dynamic.trace import ScoreTrace, check_scores
from spikewise.errors import DataError, ParameterError, whole_number
from spikewise.weights import as_card, read_weights, write_weights
from spikewise.workload.workload import Workload

from .inputs import check_images, sample_axis
from .models import SpikingNetwork
from .neurons import LIFParams
from .protocol import TrainableNetwork, check_finite, check_network, evaluated, select, wrong_shapes
from .spec import ModelSpec

_FORMAT = "spikewise-classifier-1"
_Step = tuple[slice, int, NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]
_Network = TypeVar("_Network", bound=SpikingNetwork)


class NetworkCard(BaseModel):
    """What a file of a deep network says beside its arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    model: dict[str, JsonValue]
    n_steps: int = Field(ge=1, le=MOST_STEPS)
    class_names: list[str]


@checks_arguments
class SpikingClassifier:
    """A trained spiking network as an :class:`~spikewise.dynamic.AnytimeClassifier`.

    Parameters
    ----------
    model : TrainableNetwork
        From :func:`build_model`, or user-written (:mod:`spikewise.network.protocol`); put into eval mode.
    n_steps : int
        Timesteps T of a full run.
    class_names : sequence of str, optional
        One per class, for people to read; ``"0"``, ``"1"``, ... if absent. Labels are class numbers throughout.
    batch_size : int
        Images that run together.

    Examples
    --------
    >>> from spikewise.dynamic import EntropyExit
    >>> from spikewise.network import build_model
    >>> classifier = SpikingClassifier(build_model("vgg5", (1, 8, 8), 10, width=0.25), n_steps=4)
    >>> images = np.zeros((3, 1, 8, 8), np.uint8)
    >>> classifier.predict_with_exit(images, EntropyExit(1.1)).steps.tolist()
    [1, 1, 1]
    """

    def __init__(
        self, model: TrainableNetwork, n_steps: int, class_names: Sequence[str] | None = None, batch_size: int = 256
    ) -> None:
        network = check_network(model).eval()
        n_classes = network.spec.n_classes
        self.class_names = tuple(map(str, range(n_classes) if class_names is None else class_names))
        if len(self.class_names) != n_classes:
            raise ParameterError(f"class_names must name the {n_classes} classes; got {len(self.class_names)}.")
        self.model: Any = network  # a module and a TrainableNetwork, which no type says at once
        self.n_steps = step_count(n_steps)
        self.batch_size = whole_number("batch_size", batch_size, 1)

    def trace(self, X: ArrayLike | Tensor, y: ArrayLike | Tensor | None = None) -> ScoreTrace:
        """Compute the cumulative class scores of a full run.

        Parameters
        ----------
        X : array of shape (B, C, H, W) or (T, B, C, H, W)
            Images, or recordings with a frame for each step; uint8, or floats in [0, 1].
        y : int array of shape (B,), optional
            Their classes, -1 where unknown.
        """
        images = self._check(X)
        n_classes = self.model.spec.n_classes
        n_samples = images.shape[sample_axis(images)]
        labels = None if y is None else class_numbers(y, n_samples, n_classes, allow_unknown=True)
        score_sum = np.empty((self.n_steps, n_samples, n_classes), np.float32)
        for rows, step, running, scores, _ in self._run(images, None):
            score_sum[step - 1, rows.start + running] = scores
        return ScoreTrace.dense(score_sum, labels)

    def predict_with_exit(self, X: ArrayLike | Tensor, rule: ExitRule) -> ExitResult:
        """Run each sample until the rule is ready, and really stop there.

        Parameters
        ----------
        X : array of shape (B, C, H, W) or (T, B, C, H, W)
            Images, or recordings with a frame for each step; uint8, or floats in [0, 1].
        rule : ExitRule
            Asked after every step but the last.
        """
        images, rule = self._check(X), check_rule(rule)
        n_samples = images.shape[sample_axis(images)]
        steps = np.empty(n_samples, np.int64)
        scores = np.empty((n_samples, self.model.spec.n_classes), np.float32)
        # Started after the checks of the input, so that only inference is timed.
        began = time.perf_counter()
        for rows, step, running, score_sum, leaves in self._run(images, rule):
            # ``running`` counts within the batch; ``rows.start`` is the place of the batch among all samples.
            left = rows.start + running[leaves]
            steps[left], scores[left] = step, score_sum[leaves]
        wall_time = time.perf_counter() - began
        return ExitResult(scores.argmax(1), steps, scores, self.n_steps, wall_time)

    def predict(self, X: ArrayLike | Tensor) -> NDArray[np.int64]:
        """Return the classes (B,) after a full run."""
        return np.asarray(self.trace(X).final_scores().argmax(1), np.int64)

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return int(self.model.spec.n_classes)

    @property
    def takes_frames(self) -> bool:
        """Whether a sample may be the frames of a recording: always true."""
        return True

    def fingerprint(self) -> dict[str, str]:
        """Return the identity of weights, engine, precision and device, for a certificate."""
        return fingerprint_of(
            *self.content(), engine="torch", precision=self.precision, device=self._device.type, n_steps=self.n_steps,
            more=_changed_neurons(self.model),
        )  # fmt: skip

    def stream(self, sample: Any, rule: ExitRule | None = None) -> Iterator[Answer]:
        """Yield the answer for one sample after each step; see :func:`spikewise.network.stream.stream`.

        Parameters
        ----------
        sample : array of shape (C, H, W), or iterable of such arrays
            An image, or the frames of a recording as they arrive.
        rule : ExitRule, optional
            When to stop; all steps if absent.

        Examples
        --------
        >>> from spikewise.network import build_model
        >>> classifier = SpikingClassifier(build_model("vgg5", (1, 8, 8), 10, width=0.25), n_steps=4)
        >>> [(answer.step, answer.is_last) for answer in classifier.stream(np.zeros((1, 8, 8), np.uint8))]
        [(1, False), (2, False), (3, False), (4, True)]
        """
        from .stream import stream

        return stream(self.model, sample, self.n_steps, rule)

    def workload(self, X: ArrayLike | Tensor, rule: ExitRule | None = None) -> Workload:
        """Record the workload of the network on these samples, with early exit if a rule is given."""
        # Imported here: inference does not need the recorder.
        from .record.record import record_workload

        check_finite(self.model)
        rule = None if rule is None else check_rule(rule)
        images = torch.as_tensor(self._check(X)).to(self._device)
        name, axis = self.model.spec.name, sample_axis(images)
        return record_workload(
            evaluated(self.model), images, self.n_steps, rule, name=name, batch_size=self.batch_size, sample_axis=axis
        )

    @torch.no_grad()
    def _run(self, images: NDArray[Any], rule: ExitRule | None) -> Iterator[_Step]:
        """Yield per batch and step: rows of the batch, step, samples that ran it, their scores, who leaves."""
        model, axis = evaluated(self.model), sample_axis(images)
        for start in range(0, images.shape[axis], self.batch_size):
            rows = slice(start, min(start + self.batch_size, images.shape[axis]))
            batch = images[:, rows] if axis else images[rows]
            running = np.arange(rows.stop - rows.start)
            # A single sample has a faster, event-driven form if the network is of a known kind.
            alone = _alone(model) if len(running) == 1 else None
            if alone is None:  # which there is only if all weights are finite
                check_finite(model)
            network = alone or model
            state = network.start(torch.as_tensor(batch).to(self._device))
            score_sum = np.zeros((len(running), self.model.spec.n_classes), np.float32)
            for step in range(1, self.n_steps + 1):
                outputs, state = network.step(state)
                with np.errstate(over="ignore", invalid="ignore"):  # the next line says what has happened
                    score_sum = score_sum + outputs.float().cpu().numpy()
                check_scores(score_sum)
                # At the last step all samples leave, whatever the rule says.
                leaves = np.full(len(running), step == self.n_steps)
                if rule is not None and step < self.n_steps:
                    leaves = ask(rule, score_sum, step)
                yield rows, step, running, score_sum, leaves
                if leaves.all():
                    break
                if leaves.any():
                    # Here early exit saves time: the next step computes the remaining samples only.
                    state = select(state, torch.as_tensor(~leaves).to(self._device))
                    running, score_sum = running[~leaves], score_sum[~leaves]

    @property
    def precision(self) -> str:
        """Number type of the computation: that of the weights, followed by that of torch's autocast if it is on."""
        own = next((str(weights.dtype) for weights in self.model.parameters()), "float32")
        is_cast = torch.is_autocast_enabled(self._device.type)
        cast = f" under autocast to {torch.get_autocast_dtype(self._device.type)}" if is_cast else ""
        return f"{own}{cast}".replace("torch.", "")

    @property
    def _device(self) -> torch.device:
        return next((weights.device for weights in self.model.parameters()), torch.device("cpu"))

    def _check(self, X: ArrayLike | Tensor) -> NDArray[Any]:
        return check_images(X, self.model.spec.in_shape, n_frames=self.n_steps)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights and architecture to ``path`` (safetensors), and a readable card next to it (``.json``)."""
        write_weights(path, *self.content())

    def content(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return what a file of the network holds: the arrays, and the card that describes them."""
        check_finite(self.model)
        weights = {key: as_array(value, key) for key, value in self.model.state_dict().items()}
        card = {
            "format": _FORMAT,
            "model": as_json(self.model.spec.to_dict()),
            "n_steps": self.n_steps,
            "class_names": list(self.class_names),
        }
        return weights, card

    @classmethod
    @checks_arguments
    def load(cls, path: str | os.PathLike[str], model: TrainableNetwork | None = None) -> SpikingClassifier:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        path : path
            The file of weights.
        model : TrainableNetwork, optional
            A user-written network, which receives the weights: its code is not in the file.

        Raises
        ------
        DataError
            If the file is absent, damaged or of another kind, or belongs to another network.
        """
        weights, raw = read_weights(path, _FORMAT)
        card = as_card(NetworkCard, raw, path)
        try:
            # The file holds JSON, which has no tuples: compare both as JSON.
            if model is not None and card.model != as_json(check_network(model).spec.to_dict()):
                raise DataError(f"it belongs to {card.model}")
            network: Any = model or build_for(SpikingNetwork, ModelSpec.from_dict(card.model), weights)
            network.load_state_dict({key: torch.as_tensor(value) for key, value in weights.items()})
            check_finite(network)
            return cls(network, card.n_steps, card.class_names)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise DataError(f"{path} must be a deep network saved by spikewise; {error}. Train it again.") from None


def build_for(kind: type[_Network], spec: ModelSpec, weights: Mapping[str, NDArray[Any]]) -> _Network:
    """Build a network whose weights these are; raises DataError if the description promises others.

    A description of a few bytes may promise gigabytes, so the shapes are compared before memory is taken.
    """
    with torch.device("meta"):
        promised = kind(spec).state_dict()
    if wrong := wrong_shapes(weights, promised):
        shapes = [tuple(each[wrong[0]].shape) if wrong[0] in each else "none" for each in (promised, weights)]
        raise DataError(f"{wrong[0]} must have the shape {shapes[0]} of its description; got {shapes[1]}")
    return kind(spec)


def _changed_neurons(model: Any) -> Iterator[str]:
    """Yield neurons whose parameters differ from the network's card, such as a changed threshold."""
    described = getattr(model.spec, "neurons", None)
    for name, module in model.named_modules():
        params = getattr(module, "params", None)
        if isinstance(params, LIFParams) and params != described:
            yield f"{name} {params!r}"


def _alone(model: Any) -> Any:
    """The event-driven form of a network, which is imported when there is a single sample; None if it has none."""
    from .event_driven import single_sample

    return single_sample(model)
