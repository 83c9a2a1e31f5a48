"""Description of a network without its weights: enough to build it again, or to know its inputs and classes.

:class:`ModelSpec` describes the networks that this package builds, by name. :class:`OwnSpec` describes one that a user
wrote: the shape of its samples and its classes; the rest is in the user's code.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from spikewise._arguments import checks_arguments
from spikewise.errors import DataError, ParameterError, unknown_name

from .neurons import LIFParams
from .norm import NORMS, Norm
from .pooling import POOLINGS, Pooling
from .resnet import RESNET, n_resnet_halvings
from .vgg import VGG, n_vgg_halvings

_HALVINGS = {name: n_vgg_halvings(table) for name, table in VGG.items()} | {
    name: n_resnet_halvings(stages) for name, stages in RESNET.items()
}
MODEL_NAMES = tuple(_HALVINGS)


def check_model_name(name: str) -> None:
    """Raise ParameterError unless there is an architecture of this name."""
    if name not in MODEL_NAMES:
        raise unknown_name("model", name, MODEL_NAMES)


def _smallest_side(name: str) -> int:
    """Return the height and width that a model halves down to one pixel."""
    return 1 << _HALVINGS[name]


def _check_samples(in_shape: tuple[int, ...], n_classes: int) -> None:
    if len(in_shape) != 3 or min(in_shape) < 1:
        raise ParameterError(f"in_shape must be (channels, height, width), each at least 1; got {in_shape}.")
    if n_classes < 2:
        raise ParameterError(f"n_classes must be at least 2; got {n_classes}. Give images of a second class.")


@checks_arguments
@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Settings that are needed to build a network again, without its weights.

    Parameters
    ----------
    name : {"vgg5", "vgg7", "vgg9", "vgg11", "vgg16", "resnet18", "resnet19"}
        Architecture.
    in_shape : tuple of int
        Channels, height and width of an image, or of one frame of events.
    n_classes : int
        Classes, at least 2.
    width : float
        Factor on all channel counts.
    neurons : LIFParams
        Parameters of the neurons of all layers.
    norm : {"batch", "threshold"}
        How normalisation is initialised; see :mod:`spikewise.network.norm`.
    trains_decay : bool
        Whether each layer learns its decay, starting at that of ``neurons``.
    pooling : {"max", "average"}
        How a VGG halves the sums before its neurons. A ResNet halves by strides, and its shortcuts by means.
    """

    name: str
    in_shape: tuple[int, int, int]
    n_classes: int
    width: float = 1.0
    neurons: LIFParams = field(default_factory=LIFParams)
    norm: Norm = "batch"
    trains_decay: bool = False
    pooling: Pooling = "max"

    def __post_init__(self) -> None:
        check_model_name(self.name)
        # A specification read from JSON has a list here.
        object.__setattr__(self, "in_shape", tuple(self.in_shape))
        _check_samples(self.in_shape, self.n_classes)
        if not 0 < self.width <= 16:
            raise ParameterError(f"width must lie in (0, 16]; got {self.width}.")
        if self.norm not in NORMS:
            raise unknown_name("norm", self.norm, NORMS)
        if self.pooling not in POOLINGS:
            raise unknown_name("pooling", self.pooling, POOLINGS)
        if self.pooling != "max" and self.name in RESNET:
            raise ParameterError(f"pooling must be left out of a ResNet, which has none; got {self.pooling!r}.")
        side, given = _smallest_side(self.name), min(self.in_shape[1:])
        if given < side:
            others = [name for name in MODEL_NAMES if _smallest_side(name) <= given]
            advice = f"Scale them up, or take {' or '.join(others)}." if others else "Scale them up."
            raise ParameterError(f"{self.name} needs images of at least {side}x{side}; got {self.in_shape}. {advice}")

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary, ready for JSON."""
        values = {key: getattr(self, key) for key in ("name", "n_classes", "width", "norm", "trains_decay", "pooling")}
        return {**values, "in_shape": list(self.in_shape), "neurons": self.neurons.to_dict()}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> ModelSpec:
        """Read what :meth:`to_dict` returned; raises DataError if an entry is missing, unknown or impossible."""
        try:
            missing = {item.name for item in fields(cls)} - raw.keys()
            # No defaults for missing entries: today's may differ from those that the weights were trained with.
            if missing:
                raise ParameterError(f"there is no {', '.join(sorted(missing))}")
            return cls(**{**raw, "neurons": LIFParams.from_dict(raw["neurons"])})
        except (KeyError, TypeError, AttributeError, ParameterError) as error:
            raise DataError(f"the model has a missing, unknown or impossible entry; {error}") from None


@checks_arguments
@dataclass(frozen=True, slots=True)
class OwnSpec:
    """Description of a user-written network.

    Parameters
    ----------
    name : str
        Name that reports show; a checkpoint or file fits only a network of the same name.
    in_shape : tuple of int
        Channels, height and width of an image, or of one frame of events.
    n_classes : int
        Classes, at least 2.
    """

    name: str
    in_shape: tuple[int, int, int]
    n_classes: int

    def __post_init__(self) -> None:
        # A specification read from JSON has a list here.
        object.__setattr__(self, "in_shape", tuple(self.in_shape))
        _check_samples(self.in_shape, self.n_classes)

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary, ready for JSON."""
        return {"name": self.name, "in_shape": list(self.in_shape), "n_classes": self.n_classes}
