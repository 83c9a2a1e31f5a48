"""Watch a spiking network run, and tell what it asks of hardware.

Hooks on every convolution and linear layer count, per sample and timestep, the non-zero inputs, the
same inputs once per kernel application that reads them (*unfolded*: what a crossbar drives onto its
rows), and the spikes of the neurons that follow. Any network that offers :class:`SteppingNetwork` can
be watched: its synapses must be ``Conv2d`` or ``Linear`` modules called once per step (or once in
``start``: then their sum is constant in time), its neurons modules with ``emits_spikes = True``.

All samples run to the last step, since the mean over all of them is wanted too; a rule only decides
which of them count as still running.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from spikewise.dynamic.rule import ExitRule, NeverExit
from spikewise.errors import ParameterError
from spikewise.workload import LayerActivity, LayerShape, Workload

_IMAGE_BITS = 8
_COUNTS = ("active_unfolded", "in_spikes", "out_spikes")


class SteppingNetwork(Protocol):
    """A network that runs step by step."""

    def start(self, images: Tensor) -> Any:
        """State before the first step."""
        ...

    def step(self, state: Any) -> tuple[Tensor, Any]:
        """Logits (B, K) of the next step, and the state after it."""
        ...


@dataclass(slots=True, eq=False)
class _Watched:
    """What was seen of one layer of synapses; counts of the current batch per step, (B,) each."""

    name: str
    module: nn.Conv2d | nn.Linear
    in_size: tuple[int, int] = (1, 1)
    out_size: tuple[int, int] = (1, 1)
    is_constant: bool = False
    is_binary: bool = True
    has_neurons: bool = False
    pool: tuple[int, int] = (1, 1)
    counts: dict[str, list[Tensor]] = field(default_factory=lambda: {key: [] for key in _COUNTS})

    def see_input(self, x: Tensor, out: Tensor) -> None:
        """Count the active inputs of one call."""
        if isinstance(self.module, nn.Linear):
            x = x.reshape(-1, self.module.in_features)  # a time axis of one may stand in front
        active = x != 0
        self.is_binary = self.is_binary and not bool((active & (x != 1)).any())
        self.counts["in_spikes"].append(active.flatten(1).sum(1))
        if isinstance(self.module, nn.Conv2d):
            self.in_size, self.out_size = (x.shape[2], x.shape[3]), (out.shape[2], out.shape[3])
            readers = _n_readers(self.module, self.in_size).to(x.device)
            self.counts["active_unfolded"].append((active.sum(1) * readers).flatten(1).sum(1))
        else:
            self.counts["active_unfolded"].append(active.flatten(1).sum(1))

    def shape(self) -> LayerShape:
        """The layer as hardware sees it, before any pooling."""
        common: dict[str, Any] = {
            "input_bits": 1 if self.is_binary else _IMAGE_BITS,
            "has_neurons": self.has_neurons,
            "once_per_inference": self.is_constant,
        }
        if isinstance(self.module, nn.Linear):
            return LayerShape(self.name, "linear", self.module.in_features, self.module.out_features, **common)
        (kernel_h, kernel_w), (stride_h, stride_w) = self.module.kernel_size, self.module.stride
        return LayerShape(
            self.name, "conv", self.module.in_channels, self.module.out_channels,
            kernel=(kernel_h, kernel_w), stride=(stride_h, stride_w), groups=self.module.groups,
            out_height=self.out_size[0], out_width=self.out_size[1],
            in_height=self.in_size[0], in_width=self.in_size[1], pool=self.pool, **common,
        )  # fmt: skip


def _n_readers(conv: nn.Conv2d, in_size: tuple[int, int]) -> Tensor:
    """How many kernel applications read each input pixel, (H, W): folding an unfolded map of ones."""
    geometry: dict[str, Any] = {
        "kernel_size": conv.kernel_size, "dilation": conv.dilation, "padding": conv.padding, "stride": conv.stride
    }  # fmt: skip
    ones = torch.ones(1, 1, *in_size)
    return functional.fold(functional.unfold(ones, **geometry), in_size, **geometry)[0, 0].round().to(torch.int64)


class _Recorder:
    """Hooks on the synapses and neurons of a network."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.layers: dict[str, _Watched] = {}
        self.starting = False
        self._last: _Watched | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count while the block runs."""
        handles = []
        for path, module in self.model.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                handles.append(module.register_forward_hook(self._on_synapses(path)))
            elif getattr(module, "emits_spikes", False):
                handles.append(module.register_forward_hook(self._on_neurons))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def begin_batch(self) -> None:
        """Forget the counts of the last batch."""
        for layer in self.layers.values():
            layer.counts = {key: [] for key in _COUNTS}

    def begin_step(self) -> None:
        """Neurons that fire before any synapses run belong to the last constant layer."""
        self._last = next((layer for layer in reversed(self.layers.values()) if layer.is_constant), None)

    def _on_synapses(self, path: str) -> Any:
        name = path.removeprefix("layers.").removesuffix(".synapses")

        def hook(module: Any, args: tuple[Tensor, ...], out: Tensor) -> None:
            if isinstance(module, nn.Conv2d) and (isinstance(module.padding, str) or module.padding_mode != "zeros"):
                raise ParameterError(f"layer {name!r} must pad with a number of zeros; got {module.padding!r}.")
            layer = self.layers.setdefault(path, _Watched(name, module))
            layer.is_constant = self.starting
            layer.see_input(args[0], out)
            self._last = layer

        return hook

    def _on_neurons(self, module: nn.Module, args: Any, out: tuple[Tensor, Tensor]) -> None:
        if self._last is not None:
            spikes = out[0][0]
            self._last.has_neurons = True
            self._last.counts["out_spikes"].append(spikes.flatten(1).sum(1))
            if spikes.ndim == 4:  # fewer neurons than sums: the sums were pooled on the way
                height, width = self._last.out_size
                self._last.pool = (height // spikes.shape[2], width // spikes.shape[3])

    def counts(self, layer: _Watched, key: str, n_steps: int, n_samples: int) -> NDArray[np.float64]:
        """Counts (T, B) of the current batch; a constant layer is as busy at every step."""
        rows = layer.counts[key]
        if not rows:
            return np.zeros((n_steps, n_samples))
        if len(rows) not in (1, n_steps):
            raise ParameterError(f"layer {layer.name!r} must run once per step; got {len(rows)} runs in {n_steps}.")
        counted = torch.stack(rows).cpu().numpy().astype(np.float64)
        return np.broadcast_to(counted, (n_steps, n_samples))


@torch.no_grad()
def record_workload(
    model: SteppingNetwork,
    images: Tensor,
    n_steps: int,
    rule: ExitRule | None = None,
    *,
    name: str = "network",
    batch_size: int = 256,
) -> Workload:
    """Run a network on some images and measure its workload.

    Parameters
    ----------
    model : SteppingNetwork
        A module in eval mode.
    images : Tensor of shape (B, C, H, W)
        At least one image.
    n_steps : int
        Timesteps T.
    rule : ExitRule, optional
        Decides which samples are still running; none leaves early if absent.
    name : str
        Of the workload.
    batch_size : int
        Images that run together.
    """
    if not isinstance(model, nn.Module):
        raise ParameterError(f"model must be a torch module with start and step; got {type(model).__name__}.")
    rule = NeverExit() if rule is None else rule
    recorder = _Recorder(model)
    exits = np.zeros(n_steps, np.int64)
    sums: dict[tuple[str, str, bool], NDArray[np.float64]] = {}
    with recorder.watching():
        for batch in torch.split(images, batch_size):
            recorder.begin_batch()
            alive = _run(model, recorder, batch, n_steps, rule)
            exits += alive.sum(1) - np.append(alive[1:].sum(1), 0)
            for path, layer in recorder.layers.items():
                for key in _COUNTS:
                    counts = recorder.counts(layer, key, n_steps, len(batch))
                    for only_alive, weights in ((False, np.ones_like(alive)), (True, alive)):
                        slot = (path, key, only_alive)
                        sums[slot] = sums.get(slot, 0.0) + (counts * weights).sum(1)
    n_alive = exits[::-1].cumsum()[::-1]

    def activity(path: str, only_alive: bool) -> LayerActivity:
        n_samples = np.maximum(n_alive, 1) if only_alive else np.float64(len(images))
        return LayerActivity(*(tuple(sums[path, key, only_alive] / n_samples) for key in _COUNTS))

    return Workload(
        name,
        tuple(layer.shape() for layer in recorder.layers.values()),
        tuple(activity(path, False) for path in recorder.layers),
        tuple(activity(path, True) for path in recorder.layers),
        tuple(int(count) for count in exits),
        len(images),
    )


def _run(
    model: SteppingNetwork, recorder: _Recorder, images: Tensor, n_steps: int, rule: ExitRule
) -> NDArray[np.bool_]:
    """Run all samples to the last step; returns which of them (T, B) a rule would let compute each step."""
    alive = np.ones((n_steps, len(images)), bool)
    recorder.starting = True
    state = model.start(images)
    recorder.starting = False
    total: NDArray[Any] = np.zeros((), np.float32)
    for step in range(1, n_steps + 1):
        recorder.begin_step()
        outputs, state = model.step(state)
        total = total + outputs.cpu().numpy()
        if step < n_steps:
            alive[step] = alive[step - 1] & ~rule.ready(total, step)
    return alive
