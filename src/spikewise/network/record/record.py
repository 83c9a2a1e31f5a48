"""Record the workload of a spiking network: what it requires of hardware.

Hooks on every convolution and linear layer (:mod:`.hooks`) count, per sample and timestep, the non-zero inputs, the
same inputs once per kernel application that reads them (*unfolded*: what a crossbar drives onto its rows), and the
spikes of the neurons that follow. A network that offers :class:`SteppingNetwork` is run step by step; any other torch
module is simply called, whether it loops over time itself or computes all steps at once.

All samples run to the last step, since the workload also contains the mean over all of them; a rule only decides which
of them count as still running.
"""

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spikewise._arguments import checks_arguments
from spikewise._gates import step_count
from spikewise.dynamic.rule import ExitRule, ask, check_rule
from spikewise.errors import ParameterError, ShapeError, whole_number
from spikewise.network.protocol import SteppingNetwork, TrainableNetwork, check_finite, check_network, evaluating
from spikewise.workload.layer import MAX_BITS
from spikewise.workload.workload import Workload

from .activity import ActivityCounts
from .calls import Timing
from .hooks import Watch

Run = Callable[[Any, Tensor], Any]


@torch.no_grad()
@checks_arguments
def record_workload(
    model: SteppingNetwork | nn.Module,
    images: Tensor,
    n_steps: int,
    rule: ExitRule | None = None,
    *,
    run: Run | None = None,
    name: str = "network",
    batch_size: int = 256,
    sample_axis: int = 0,
    time_first: bool = True,
    weight_bits: int = 8,
    state_bits: int = 16,
    input_bits: int = 8,
) -> Workload:
    """Run a network on some images and measure its workload.

    Parameters
    ----------
    model : SteppingNetwork or Module
        Any torch module. If it has no ``start`` and ``step``, each batch is one call of it, in eval mode, after
        ``reset()`` of every module that has such a method.
    images : Tensor of shape (B, ...)
        At least one sample, as the network takes it: images, or recordings with a time axis of their own.
    n_steps : int
        Timesteps T that the network runs.
    rule : ExitRule, optional
        Decides which samples are still running; if absent, all samples run all steps. A network that is called as
        a whole must return the scores of each step, (T, B, K), not accumulated, alone or first in a tuple.
    run : callable, optional
        ``run(model, batch)`` replaces ``model(batch)``, if the network is called in another way, such as once per step,
        or if something has to be reset.
    name : str
        Name of the workload.
    batch_size : int
        Samples that run together.
    sample_axis : int
        Axis of ``images`` that counts the samples: 1 for recordings (T, B, ...).
    time_first : bool
        Order of time and samples where a layer sees all steps in one call; False for (B, T, ...).
    weight_bits, state_bits, input_bits : int
        Precision with which the hardware shall hold a weight, a membrane potential and an image value, 1 to 32. The
        network's own type, such as float32, says nothing about it; spikes have one bit.

    Raises
    ------
    ParameterError
        If an argument is impossible, or if a layer does not run once per step (or once in all), cannot be counted, sees
        NaN or infinity, or if there is none.
    ShapeError
        If ``images`` hold no sample, or not the channels that a layer takes.

    Notes
    -----
    The limits of the recording are described in :mod:`spikewise.network.record.hooks`.

    Examples
    --------
    A user-written network without changes. The neurons of its first layer are a comparison, not a module:

    >>> class Own(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.conv, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4 * 8 * 8, 10)
    ...
    ...     def forward(self, images):
    ...         v, scores = 0.0, []
    ...         for _ in range(4):
    ...             v = 0.5 * v + self.conv(images)
    ...             spikes = (v >= 1).float()
    ...             v, scores = v * (1 - spikes), [*scores, self.head(spikes.flatten(1))]
    ...         return torch.stack(scores)
    >>> load = record_workload(Own(), torch.rand(6, 1, 8, 8), n_steps=4, weight_bits=4)
    >>> [(layer.name, layer.input_bits, layer.has_neurons, layer.once_per_inference) for layer in load.layers]
    [('conv', 8, True, True), ('head', 1, False, False)]
    >>> load.precision_note()
    'weights 4 bits, states 16 bits, network input 8 bits'
    """
    if not isinstance(model, nn.Module):
        raise ParameterError(f"model must be a torch module; got {type(model).__name__}. Wrap it in one.")
    if type(model).forward is nn.Module.forward and not isinstance(model, SteppingNetwork) and run is None:
        raise ParameterError(f"model must have a forward of its own; {type(model).__name__} has none. Write one.")
    if isinstance(model, TrainableNetwork):
        check_network(model)
    check_finite(model, foreign=True)
    if not isinstance(images, Tensor):
        raise ParameterError(f"images must be a tensor; got {type(images).__name__}. Convert them: torch.as_tensor.")
    sample_axis = whole_number("sample_axis", sample_axis, 0)
    if images.ndim < 2 or sample_axis >= images.ndim or not images.shape[sample_axis]:
        raise ShapeError(
            f"images must hold at least one sample along axis {sample_axis}; got shape {tuple(images.shape)}. "
            "Give a batch, and its axis as sample_axis."
        )
    if images.is_floating_point() and not bool(images.isfinite().all()):
        raise ParameterError("images must be finite; got NaN or infinity. Mend them first.")
    if run is not None and not callable(run):
        raise ParameterError(
            f"run must be a function of the network and a batch; got {run!r}. Leave it out, or pass one."
        )
    rule = None if rule is None else check_rule(rule)
    n_steps, batch_size = step_count(n_steps), whole_number("batch_size", batch_size, 1)
    bits = {"weight_bits": weight_bits, "state_bits": state_bits, "input_bits": input_bits}
    bits = {key: whole_number(key, value, 1, MAX_BITS) for key, value in bits.items()}
    watch, counts = Watch(model), ActivityCounts(n_steps, bits)
    # A custom ``run`` wins over stepping.
    steps_itself = run is None and isinstance(model, SteppingNetwork)
    with watch.watching(), nullcontext() if steps_itself else evaluating(model):
        for batch in torch.split(images, batch_size, dim=sample_axis):
            timing = Timing(n_steps, batch.shape[sample_axis], time_first)
            watch.begin_batch(timing)
            scores = _step_through(model, watch, batch, n_steps) if steps_itself else _call(model, run, batch)
            counts.add(watch, timing, _still_running(scores, timing, rule))
            _check_times(watch, n_steps)
    return counts.workload(name, watch)


def _step_through(model: Any, watch: Watch, images: Tensor, n_steps: int) -> Tensor:
    """Run a network step by step and return the scores (T, B, K)."""
    # Layers that run in ``start`` are constant in time.
    watch.starting = True
    state = model.start(images)
    watch.starting = False
    scores = []
    for _ in range(n_steps):
        outputs, state = model.step(state)
        scores.append(outputs)
    return torch.stack(scores)


def _call(model: nn.Module, run: Run | None, images: Tensor) -> Any:
    """Call a network on a batch and return its output."""
    for module in model.modules():
        # Libraries of spiking neurons keep the potentials in modules, from one call to the next.
        if callable(reset := getattr(module, "reset", None)) and not _has_required(reset):
            reset()
    weights = next(model.parameters(), None)
    images = images if weights is None else images.to(weights.device)
    return model(images) if run is None else run(model, images)


def _has_required(function: Callable[..., Any]) -> bool:
    """Whether a function cannot be called without arguments."""
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return True
    return False


def _still_running(scores: Any, timing: Timing, rule: ExitRule | None) -> NDArray[np.bool_]:
    """Return which samples (T, B) a rule would still run at each step."""
    alive = np.ones((timing.n_steps, timing.n_samples), bool)
    if rule is None:
        return alive
    found = scores[0] if isinstance(scores, tuple | list) and scores else scores
    if isinstance(found, Tensor) and not timing.time_first and found.ndim > 1:
        found = found.transpose(0, 1)
    if not isinstance(found, Tensor) or found.shape[:2] != alive.shape or found.ndim != 3:
        got = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise ParameterError(
            f"with a rule the network must return scores ({timing.n_steps}, {timing.n_samples}, K), one per step; got "
            f"{got}. Stack them: torch.stack."
        )
    total: NDArray[Any] = np.zeros((), np.float32)
    for step, outputs in zip(range(1, timing.n_steps), found, strict=False):
        total = total + outputs.cpu().numpy()
        alive[step] = alive[step - 1] & ~ask(rule, total, step)
    return alive


def _check_times(watch: Watch, n_steps: int) -> None:
    """Check that there are layers, and that at least one of them runs in time."""
    layers = watch.layers.values()
    if not layers:
        raise ParameterError(
            "the network must call at least one Conv1d, Conv2d or Linear; got none. Weights that are used without such "
            "a module cannot be seen: describe the network in a layer table."
        )
    if n_steps > 1 and not watch.in_start and not any(layer.knows_time for layer in layers):
        raise ParameterError(
            f"the network must run for {n_steps} steps; got one run of each layer. Pass run=... that steps, such as "
            "lambda model, x: [model(x) for _ in range(4)], or n_steps=1."
        )
