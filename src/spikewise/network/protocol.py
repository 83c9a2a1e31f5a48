"""What a network of one's own has to offer, so that it trains, stops early and is priced as the built-in ones are.

Four things: a ``spec`` that says what it takes and gives; ``forward(images, n_steps)`` with the scores of every step,
which training differentiates; ``start(images)`` and ``step(state)``, the same one step at a time, which is how a
network really stops. The state is whatever it likes: tensors whose first axis counts the samples, in tuples, lists,
dictionaries or dataclasses, so that :func:`select` can take samples out of it. A state that is laid out in another way
brings its own ``select(keep)``. If there is a ``normalize_by(images)``, training calls it with the training images.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from spikewise.errors import ParameterError

State = TypeVar("State")


class Spec(Protocol):
    """What a network takes and gives; :class:`~spikewise.network.OwnSpec` is one."""

    @property
    def name(self) -> str:
        """Shown in reports."""
        ...

    @property
    def in_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image or of one frame."""
        ...

    @property
    def n_classes(self) -> int:
        """Classes."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, ready for JSON."""
        ...


@runtime_checkable
class SteppingNetwork(Protocol):
    """A network that runs step by step."""

    def start(self, images: Tensor) -> Any:
        """State before the first step."""
        ...

    def step(self, state: Any) -> tuple[Tensor, Any]:
        """Logits (B, K) of the next step, and the state after it."""
        ...


@runtime_checkable
class TrainableNetwork(SteppingNetwork, Protocol):
    """A torch module that :func:`~spikewise.learn.gradient.fit` trains and ``SpikingClassifier`` runs.

    Examples
    --------
    A network of one's own, of two weights and one population:

    >>> from spikewise.network import LIFParams, OwnSpec, lif_step
    >>> class Own(nn.Module):
    ...     spec = OwnSpec("mine", (1, 8, 8), n_classes=10)
    ...
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden, self.out = nn.Linear(64, 32), nn.Linear(32, 10)
    ...
    ...     def start(self, images):
    ...         current = self.hidden(images.flatten(1).float())
    ...         return current, torch.zeros_like(current)
    ...
    ...     def step(self, state):
    ...         current, v = state
    ...         spikes, v = lif_step(current, v, LIFParams())
    ...         return self.out(spikes), (current, v)
    ...
    ...     def forward(self, images, n_steps):
    ...         return run_steps(self, images, n_steps)
    >>> check_network(Own())(torch.rand(3, 1, 8, 8), 4).shape
    torch.Size([4, 3, 10])
    """

    @property
    def spec(self) -> Spec:
        """What it takes and gives."""
        ...

    def forward(self, images: Tensor, n_steps: int) -> Tensor:
        """Logits of every step, shape (T, B, K), not accumulated."""
        ...


def check_network(model: Any) -> Any:
    """The network, once it is known to offer what is needed.

    Raises
    ------
    ParameterError
        If it is no torch module or lacks one of spec, start, step and forward.
    """
    if not isinstance(model, nn.Module):
        raise ParameterError(f"model must be a torch module; got {type(model).__name__}. Derive it from nn.Module.")
    missing = [key for key in ("spec", "start", "step") if not hasattr(model, key)]
    if "spec" not in missing:
        wanted = ("name", "in_shape", "n_classes", "to_dict")
        missing = [f"spec.{key}" for key in wanted if not hasattr(model.spec, key)] + missing
    if type(model).forward is nn.Module.forward:
        missing.append("forward")
    if missing:
        raise ParameterError(
            f"model must offer spec, start, step and forward; got {type(model).__name__} without {', '.join(missing)}. "
            "spikewise.network.protocol shows an example."
        )
    return model


def run_steps(network: SteppingNetwork, images: Tensor, n_steps: int) -> Tensor:
    """Logits (T, B, K) of every step of a network that is run one step after the other."""
    state, outputs = network.start(images), []
    for _ in range(n_steps):
        scores, state = network.step(state)
        outputs.append(scores)
    return torch.stack(outputs)


def select(state: State, keep: Tensor) -> State:
    """State of the samples where ``keep`` (B,) is true: how a batch shrinks.

    Examples
    --------
    >>> select((torch.arange(3), [torch.zeros(3, 2)]), torch.tensor([True, False, True]))
    (tensor([0, 2]), [tensor([[0., 0.],
            [0., 0.]])])
    """
    found: Any = state
    if isinstance(state, Tensor):
        found = state[keep]
    elif callable(own := getattr(state, "select", None)):
        found = own(keep)
    elif isinstance(state, tuple) and hasattr(state, "_fields"):
        found = type(state)(*(select(part, keep) for part in state))
    elif isinstance(state, tuple | list):
        found = type(state)(select(part, keep) for part in state)
    elif isinstance(state, dict):
        found = {key: select(part, keep) for key, part in state.items()}
    elif is_dataclass(state) and not isinstance(state, type):
        found = replace(state, **{item.name: select(getattr(state, item.name), keep) for item in fields(state)})
    return found  # type: ignore[no-any-return]


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put every module into eval mode while the block runs, and back afterwards.

    Examples
    --------
    >>> norm = nn.BatchNorm1d(2)
    >>> with evaluating(norm):
    ...     norm.training
    False
    >>> norm.training
    True
    """
    trained = [module for module in network.modules() if module.training]
    if trained:
        network.eval()
    try:
        yield
    finally:
        for module in trained:
            module.training = True
