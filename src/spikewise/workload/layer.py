"""One layer of a network as hardware sees it: its shape, its precision and its activity at each timestep."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from spikewise._arguments import check_argument
from spikewise._gates import step_count
from spikewise.errors import ParameterError, positive_number, whole_number

from .records import listed

LayerKind = Literal["conv", "linear"]
Lateral = Literal["none", "broadcast", "matrix"]

MAX_BITS = 32
MAX_SIZE = 2**24  # channels, height, width: larger values are typing errors, and up to here no counter overflows
_MAX_MACS = 2**50  # well below 2**53, up to which a float holds every integer
_CHIP = "chip"  # name of the row of a report with costs that belong to no layer
_NO_NUMBERS = frozenset((str, bytes, bool, np.bool_, type(None)))
_PAIRS = ("kernel", "stride", "pool")
_MAPS = ("in_height", "in_width", "out_height", "out_width")


@dataclass(frozen=True, slots=True)
class LayerShape:
    """Shape and precision of one layer of synapses and its neurons.

    Parameters
    ----------
    name : str
        Unique name within the network; ``"chip"`` is taken.
    kind : {"conv", "linear"}
        A linear layer is priced as a 1x1 convolution on a 1x1 map: all its sizes below are 1.
    in_channels, out_channels : int
        Channels, or features of a linear layer.
    kernel, stride : tuple of int
        Height and width.
    groups : int
        Groups of the convolution; ``in_channels`` for a depthwise one.
    out_height, out_width : int
        Size of the layer's own output, *before* any pooling.
    in_height, in_width : int
        Size of its input; 0 means output size times stride ("same" padding).
    weight_bits, state_bits, input_bits : int
        Precision of a weight, of a membrane potential and of an input value, 1 to 32. Spikes have 1 bit.
    has_neurons : bool
        False for a read-out that only accumulates.
    once_per_inference : bool
        True if the layer's weighted sum does not change over time and is computed a single time
        (a direct-coded image at the first layer).
    lateral : {"none", "broadcast", "matrix"}
        Lateral inhibition among the layer's neurons: absent, one broadcast value, or a stored matrix.
    pool : tuple of int
        Height and width over which the layer's sums are pooled *before* its neurons, so that there are
        fewer neurons than sums; (1, 1) where the neurons come first or nothing is pooled.

    Examples
    --------
    >>> layer = LayerShape("conv1", "conv", 3, 64, kernel=(3, 3), out_height=32, out_width=32)
    >>> layer.n_macs, layer.n_neurons
    (1769472, 65536)
    """

    name: str
    kind: LayerKind
    in_channels: int
    out_channels: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    groups: int = 1
    out_height: int = 1
    out_width: int = 1
    in_height: int = 0
    in_width: int = 0
    weight_bits: int = 8
    state_bits: int = 16
    input_bits: int = 1
    has_neurons: bool = True
    once_per_inference: bool = False
    lateral: Lateral = "none"
    pool: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        where = f"layer {checked_name('the name of a layer', self.name)!r}"
        if self.name == _CHIP:
            raise ParameterError(
                f"no layer must be called {_CHIP!r}; {_CHIP!r} is taken: reports keep it for what belongs to no layer. "
                "Rename it."
            )
        for key in ("in_channels", "out_channels", "groups", "out_height", "out_width"):
            self._set(key, whole_number(f"{where}: {key}", getattr(self, key), 1, MAX_SIZE))
        for key in _PAIRS:
            self._set(key, _pair(f"{where}: {key}", getattr(self, key)))
        for key in ("weight_bits", "state_bits", "input_bits"):
            self._set(key, whole_number(f"{where}: {key}", getattr(self, key), 1, MAX_BITS))
        # "Same" padding: the output has as many positions as the input, divided by the stride.
        for key, same in (
            ("in_height", self.out_height * self.stride[0]),
            ("in_width", self.out_width * self.stride[1]),
        ):
            self._set(key, whole_number(f"{where}: {key}", getattr(self, key), 0, MAX_SIZE) or same)
        for key in ("has_neurons", "once_per_inference"):
            if not isinstance(getattr(self, key), bool | np.bool_):
                raise ParameterError(f"{where}: {key} must be true or false; got {getattr(self, key)!r}.")
            self._set(key, bool(getattr(self, key)))
        self._check(where)

    def _set(self, key: str, value: object) -> None:
        # The only way to normalise a field of a frozen dataclass.
        object.__setattr__(self, key, value)

    def _check(self, where: str) -> None:
        if not isinstance(self.kind, str) or self.kind not in ("conv", "linear"):
            raise ParameterError(f"{where}: kind must be conv or linear; got {self.kind!r}.")
        if not isinstance(self.lateral, str) or self.lateral not in ("none", "broadcast", "matrix"):
            raise ParameterError(f"{where}: lateral must be none, broadcast or matrix; got {self.lateral!r}.")
        if self.kind == "linear":
            for key in (*_PAIRS, *_MAPS):
                if getattr(self, key) not in (1, (1, 1)):
                    raise ParameterError(f"{where}: {key} of a linear layer must be 1; got {getattr(self, key)}.")
        if self.pool[0] > self.out_height or self.pool[1] > self.out_width:
            raise ParameterError(
                f"{where}: pool must fit into the {self.out_height} x {self.out_width} output; got {self.pool}."
            )
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ParameterError(
                f"{where}: groups must divide both channel counts; got {self.groups} groups for "
                f"{self.in_channels} to {self.out_channels} channels."
            )
        for what, count in (("take", self.n_macs), ("read", self.n_inputs)):
            if count > _MAX_MACS:
                unit = "multiply-additions" if what == "take" else "inputs"
                raise ParameterError(f"{where} must {what} at most 2^50 {unit}; got {count:.1e}. Check its sizes.")

    @property
    def n_positions(self) -> int:
        """Number of output pixels, which is how often the kernel is applied."""
        return self.out_height * self.out_width

    @property
    def fan_in(self) -> int:
        """Number of inputs that one output reads."""
        return self.in_channels // self.groups * self.kernel[0] * self.kernel[1]

    @property
    def n_weights(self) -> int:
        """Number of stored weights."""
        return self.fan_in * self.out_channels

    @property
    def n_neurons(self) -> int:
        """Number of neurons: one per output, after any pooling that comes before the neurons."""
        return self.out_channels * (self.out_height // self.pool[0]) * (self.out_width // self.pool[1])

    @property
    def n_inputs(self) -> int:
        """Number of values of the input map."""
        return self.in_channels * self.in_height * self.in_width

    @property
    def n_unfolded(self) -> int:
        """Number of inputs of all kernel applications together: positions x fan-in x groups."""
        return self.n_positions * self.fan_in * self.groups

    @property
    def n_macs(self) -> int:
        """Number of multiply-additions if every input is active."""
        return self.out_channels * self.n_positions * self.fan_in


def _pair(what: str, value: Any) -> tuple[int, int]:
    """Return height and width as integers; raise ParameterError for anything else."""
    if not isinstance(value, Iterable) or len(found := tuple(value)) != 2:
        raise ParameterError(f"{what} must hold a height and a width; got {value!r}.")
    return (
        whole_number(f"{what} height", found[0], 1, MAX_SIZE),
        whole_number(f"{what} width", found[1], 1, MAX_SIZE),
    )


def checked_name(what: str, name: Any) -> str:
    """Return the name; raise ParameterError if it is empty or not text."""
    if not isinstance(name, str) or not name.strip():
        raise ParameterError(f"{what} must be text; got {name!r}.")
    return name


def check_follows(layer: LayerShape, before: LayerShape) -> None:
    """Check that a layer fits the output of the layer before it, whose map may have been pooled in between.

    Raises
    ------
    ParameterError
        If the layer does not fit.
    """
    n_in, n_out = layer.in_channels, before.out_channels
    told = f"the output of {before.name!r}"
    if layer.kind == before.kind and n_in != n_out:
        raise ParameterError(f"input channels must equal the {n_out} channels of {told}; got {n_in}.")
    # Pooling between the two layers is not recorded, so a flattened map may have fewer positions, but whole channels.
    if layer.kind == "linear" and before.kind == "conv" and (n_in % n_out or n_in > n_out * before.n_positions):
        raise ParameterError(
            f"inputs must be the {n_out} channels of {told} times the positions of its map, which is "
            f"{before.out_height} x {before.out_width} before pooling; got {n_in}. Take channels x height x width "
            "after the last pooling."
        )
    # The values of a linear layer are reshaped into a map: any height and width fits.
    if layer.kind == "conv" and before.kind == "linear" and n_out % n_in:
        raise ParameterError(f"input channels must divide the {n_out} values of {told}, their map; got {n_in}.")
    if layer.kind == before.kind == "conv":
        sides = (("height", layer.out_height, before.out_height), ("width", layer.out_width, before.out_width))
        for axis, (key, side, side_before) in enumerate(sides):
            # The largest possible output: padding on both sides is at most the kernel's side less one.
            largest = (side_before + layer.kernel[axis] - 2) // layer.stride[axis] + 1
            if side > largest:
                raise ParameterError(
                    f"{key} must be at most {largest}, which a kernel of {layer.kernel[axis]} and a stride of "
                    f"{layer.stride[axis]} make of {told} ({side_before}); got {side}. "
                    "Give the size of the layer's own output before pooling."
                )


@dataclass(frozen=True, slots=True)
class LayerActivity:
    """Activity of a layer at each timestep, as a mean per sample.

    Parameters
    ----------
    active_unfolded : sequence of float, length T
        Non-zero inputs counted once per kernel application that reads them, at most ``n_unfolded``.
    in_spikes, out_spikes : sequence of float, length T
        Non-zero values of the input map, at most ``n_inputs``; spikes of the layer's own neurons, at most
        ``n_neurons``.
    """

    active_unfolded: tuple[float, ...]
    in_spikes: tuple[float, ...]
    out_spikes: tuple[float, ...]

    def __post_init__(self) -> None:
        for item in fields(self):
            raw = getattr(self, item.name)
            try:
                given = listed(item.name, raw)
                # float() would convert text and bools too; NaN fails the check below.
                values = tuple(map(float, given)) if _NO_NUMBERS.isdisjoint(map(type, given)) else (math.nan,)
            except (TypeError, ValueError, OverflowError):
                values = (math.nan,)
            if any(not math.isfinite(value) or value < 0 for value in values):
                raise ParameterError(f"{item.name} must hold finite counts of at least 0; got {repr(raw)[:60]}.")
            object.__setattr__(self, item.name, values)
        if not len(self.active_unfolded) == len(self.in_spikes) == len(self.out_spikes):
            raise ParameterError("active_unfolded, in_spikes and out_spikes must have one value per timestep each.")

    @classmethod
    def from_rates(cls, shape: LayerShape, in_rate: float, out_rate: float, n_steps: int) -> LayerActivity:
        """Return the activity of a layer whose inputs and outputs are active with these probabilities at every step."""
        check_argument("shape", shape, LayerShape)
        n_steps = step_count(n_steps)
        for key, rate in (("in_rate", in_rate), ("out_rate", out_rate)):
            positive_number(f"{key} of layer {shape.name!r}", rate, 1.0, zero=True)
        return cls(
            active_unfolded=(shape.n_unfolded * in_rate,) * n_steps,
            in_spikes=(shape.n_inputs * in_rate,) * n_steps,
            out_spikes=(shape.n_neurons * out_rate * shape.has_neurons,) * n_steps,
        )
