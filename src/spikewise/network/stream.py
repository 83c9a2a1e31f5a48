"""Answers to one sample after each timestep, until the exit rule is ready.

A still image is presented for as many steps as needed. Each frame of a recording is processed when it arrives, so the
answer may come before the recording ends; :func:`spikewise.data.frames.arriving_frames` makes frames of events.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from spikewise._gates import as_array
from spikewise.dynamic.anytime import Answer
from spikewise.dynamic.rule import ExitRule, NeverExit, ask, check_rule
from spikewise.dynamic.trace import check_scores
from spikewise.errors import ParameterError, ShapeError

from .event_driven import single_sample
from .inputs import check_images
from .protocol import check_finite, evaluated


# On a generator, torch switches gradients off only while the code of the generator runs.
@torch.no_grad()
def stream(
    model: Any, sample: ArrayLike | Tensor | Iterable[ArrayLike], n_steps: int, rule: ExitRule | None = None
) -> Iterator[Answer]:
    """Yield an answer after each timestep of one sample, and end at the step at which the rule is ready.

    Parameters
    ----------
    model : SteppingNetwork
        The network; it runs in eval mode.
    sample : array of shape (C, H, W), or iterable of such arrays
        An image, uint8 or floats in [0, 1]; or the frames of a recording, which are read one by one: an array
        (T, C, H, W), or a generator that waits for each frame.
    n_steps : int
        Timesteps T of a full run. The stream ends earlier if there are fewer frames.
    rule : ExitRule, optional
        Asked after every step but the last; all steps are computed if absent.

    Raises
    ------
    ShapeError, ParameterError
        If an image or a frame does not fit the network, there is no frame, or the network cannot take single frames.
    """
    model = evaluated(model)
    network: Any = single_sample(model)
    if network is None:  # which there is only if all weights are finite
        check_finite(model)
        network = model
    chosen = NeverExit() if rule is None else check_rule(rule)
    shape = model.spec.in_shape
    device = next((weights.device for weights in model.parameters()), torch.device("cpu"))
    is_image = isinstance(sample, np.ndarray | Tensor) and sample.ndim == 3
    if not is_image and not isinstance(sample, Iterable):
        raise ParameterError(f"sample must be an image or an iterable of frames; got {type(sample).__name__}.")
    frames = None if is_image else iter(sample)  # type: ignore[arg-type]
    if frames is None:
        image = check_images(_batch_of_one(sample), shape)
        state = network.start(torch.as_tensor(image).to(device))
    elif hasattr(model, "feed"):
        # The first frame will start the network.
        state = None
    else:
        raise ParameterError(
            f"{type(model).__name__} must offer feed(state, frames) to take frames one by one. Give an image."
        )
    score_sum = np.zeros((1, model.spec.n_classes), np.float32)
    for step in range(1, n_steps + 1):
        if frames is not None:
            arrived = next(frames, None)
            if arrived is None and step == 1:
                raise ShapeError("a recording must hold at least one frame; got none.")
            if arrived is None:
                return
            frame = torch.as_tensor(check_images(_batch_of_one(arrived), shape, "a frame")).to(device)[None]
            state = network.start(frame) if state is None else network.feed(state, frame)
        outputs, state = network.step(state)
        score_sum = check_scores(score_sum + outputs.float().cpu().numpy())
        is_last = step == n_steps or bool(ask(chosen, score_sum, step)[0])
        yield Answer.of(score_sum[0], step, chosen, is_last=is_last)
        if is_last:
            return


def _batch_of_one(sample: Any) -> NDArray[Any] | Tensor:
    return sample[None] if isinstance(sample, Tensor) else as_array(sample, "sample")[None]
