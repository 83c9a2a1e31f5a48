"""Interface of a user-written network that trains, stops early and is priced like the built-in ones.

It has four parts: a ``spec`` that describes inputs and classes; ``forward(images, n_steps)``, which returns the scores
of every step and which training differentiates; ``start(images)`` and ``step(state)``, which compute the same one step
at a time, so that a run can stop early. The state may be any nesting of tensors whose first axis counts the samples, in
tuples, lists, dictionaries or dataclasses, so that :func:`select` can take samples out of it. A state with another
layout has its own method ``select(keep)``. If there is a ``normalize_by(images)``, training calls it with the training
images.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from itertools import chain
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from spikewise._arguments import checks_arguments
from spikewise._gates import step_count
from spikewise.errors import ParameterError

State = TypeVar("State")


class Spec(Protocol):
    """Description of inputs and classes of a network; :class:`~spikewise.network.OwnSpec` is one."""

    @property
    def name(self) -> str:
        """Name that reports show."""
        ...

    @property
    def in_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image or of one frame."""
        ...

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary, ready for JSON."""
        ...


@runtime_checkable
class SteppingNetwork(Protocol):
    """A network that runs step by step."""

    def start(self, images: Tensor) -> Any:
        """Return the state before the first step."""
        ...

    def step(self, state: Any) -> tuple[Tensor, Any]:
        """Return the logits (B, K) of the next step, and the state after it."""
        ...


@runtime_checkable
class TrainableNetwork(SteppingNetwork, Protocol):
    """A torch module that :func:`~spikewise.learn.gradient.fit` trains and ``SpikingClassifier`` runs.

    Examples
    --------
    A user-written network of two linear layers and one population:

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
        """Description of inputs and classes."""
        ...

    def forward(self, images: Tensor, n_steps: int) -> Tensor:
        """Return the logits of every step, shape (T, B, K), not accumulated."""
        ...


def check_network(model: Any) -> Any:
    """Return the network after checking that it has all parts of the interface.

    Raises
    ------
    ParameterError
        If it is no torch module or lacks one of spec, start, step and forward.
    """
    if not isinstance(model, nn.Module):
        raise ParameterError(f"model must be a torch module; got {type(model).__name__}. Derive it from nn.Module.")
    model = unwrapped(model)
    missing = [key for key in ("spec", "start", "step") if not hasattr(model, key)]
    if "spec" not in missing:
        wanted = ("name", "in_shape", "n_classes", "to_dict")
        missing = [f"spec.{key}" for key in wanted if not hasattr(model.spec, key)] + missing
    # Every module has a ``forward``; that of nn.Module only raises.
    if type(model).forward is nn.Module.forward:
        missing.append("forward")
    if missing:
        raise ParameterError(
            f"model must offer spec, start, step and forward; got {type(model).__name__} without {', '.join(missing)}. "
            "spikewise.network.protocol shows an example."
        )
    return model


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the network inside the wrappers of ``torch.compile`` and of parallel training, which offer no steps.

    Examples
    --------
    >>> network = nn.Linear(2, 3)
    >>> unwrapped(nn.DataParallel(network)) is network
    True
    """
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return unwrapped(model.module)
    # Importing the class of torch.compile's wrapper takes seconds.
    inside = getattr(model, "_orig_mod", None) if type(model).__name__ == "OptimizedModule" else None
    return unwrapped(inside) if isinstance(inside, nn.Module) else model


def check_finite(network: nn.Module, *, foreign: bool = False) -> None:
    """Raise ParameterError, which names the tensor, unless all weights and statistics are finite numbers.

    A neuron whose potential is NaN is silent, so a network with such weights would answer like any other. Buffers of a
    foreign network may be masks of infinities, so only its running statistics are checked.
    """
    buffers = (each for each in network.named_buffers() if not foreign or "running_" in each[0])
    for name, values in chain(network.named_parameters(), buffers):
        if values.is_meta:
            raise ParameterError(f"weights must hold numbers; {name} has none, on the device meta. Load weights first.")
        # The sum is finite if all values are, but for an overflow; it is computed faster than a mask.
        if values.is_floating_point() and not (values.sum().isfinite() or values.isfinite().all()):
            raise ParameterError(f"weights must be finite; got NaN or infinity in {name}. Did training diverge?")


def wrong_shapes(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return the names of the arrays or tensors that are absent, too many, or of another shape than is wanted.

    Examples
    --------
    >>> wrong_shapes({"a": torch.zeros(1), "b": torch.zeros(2)}, {"a": torch.zeros(()), "b": torch.zeros(3)})
    ['b']
    """
    # A file holds a single number as an array of one.
    here, there = ({key: tuple(value.shape) or (1,) for key, value in each.items()} for each in (found, wanted))
    return [key for key in {**there, **here} if here.get(key) != there.get(key)]


@checks_arguments
def run_steps(network: SteppingNetwork, images: Tensor, n_steps: int) -> Tensor:
    """Run a network step by step and return the logits (T, B, K)."""
    if not isinstance(network, SteppingNetwork):
        raise ParameterError(f"network must offer start and step; got {type(network).__name__}.")
    state, outputs = network.start(images), []
    for _ in range(step_count(n_steps)):
        scores, state = network.step(state)
        outputs.append(scores)
    return torch.stack(outputs)


def select(state: State, keep: Tensor) -> State:
    """Return the state of the samples where ``keep`` (B,) is true; this removes samples from a batch.

    Examples
    --------
    >>> select((torch.arange(3), [torch.zeros(3, 2)]), torch.tensor([True, False, True]))
    (tensor([0, 2]), [tensor([[0., 0.],
            [0., 0.]])])
    """
    found: Any = state
    # Tensors come first: they have a method ``select`` with another meaning.
    if isinstance(state, Tensor):
        found = state[keep]
    elif callable(own := getattr(state, "select", None)):
        found = own(keep)
    # A named tuple takes its parts as separate arguments.
    elif isinstance(state, tuple) and hasattr(state, "_fields"):
        found = type(state)(*(select(part, keep) for part in state))
    elif isinstance(state, tuple | list):
        found = type(state)(select(part, keep) for part in state)
    elif isinstance(state, dict):
        found = {key: select(part, keep) for key, part in state.items()}
    elif is_dataclass(state) and not isinstance(state, type):  # true for a class as well as for its instances
        found = replace(state, **{item.name: select(getattr(state, item.name), keep) for item in fields(state)})
    return found  # type: ignore[no-any-return]


def evaluated(network: Any) -> Any:
    """Return a network in eval mode: itself, or while it is being trained a copy that shares its weights.

    The mode of the network itself is not touched: others may train it, or ask it, at the same time.

    Examples
    --------
    >>> norm = nn.BatchNorm1d(2)
    >>> evaluated(norm).training, norm.training, evaluated(norm).weight is norm.weight
    (False, True, True)
    """
    if not any(module.training for module in network.modules()):
        return network
    shared = {id(values): values for values in chain(network.parameters(), network.buffers())}
    return copy.deepcopy(network, shared).eval()


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put every module into eval mode within the block, and restore its mode afterwards.

    Examples
    --------
    >>> norm = nn.BatchNorm1d(2)
    >>> with evaluating(norm):
    ...     norm.training
    False
    >>> norm.training
    True
    """
    # Module by module, since parts of a network may be in eval mode on purpose.
    trained = [module for module in network.modules() if module.training]
    if trained:
        network.eval()
    try:
        yield
    finally:
        for module in trained:
            module.training = True
