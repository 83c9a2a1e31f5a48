"""What a network asks of hardware, as plain data: the handshake between learning and pricing.

A :class:`Workload` lists the layers of a network (:class:`LayerShape`), how busy each of them was at
each timestep (:class:`LayerActivity`), how many samples were still running (``n_alive``) and, where an
engine counts them, its elementary operations (:class:`OperationCounts`). Deep networks, STDP
networks, imported graphs and hand-written tables all become one, and every price comes from one.

Activity is kept twice. ``activity`` is the mean over *all* samples, as if each ran to the last step;
``alive_activity`` is the mean over the samples *still running* at that step, which is what a chip that
stops early really computes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from spikewise._files import read_json, write_json
from spikewise.errors import DataError, ParameterError

LayerKind = Literal["conv", "linear"]
Lateral = Literal["none", "broadcast", "matrix"]

MAX_BITS = 32
_MAX_FILE_BYTES = 64 * 2**20  # a workload of a thousand layers and steps needs under 40 MiB


@dataclass(frozen=True, slots=True)
class LayerShape:
    """Shape and precision of one layer of synapses and its neurons.

    Parameters
    ----------
    name : str
        Unique name within the network.
    kind : {"conv", "linear"}
        A linear layer is priced as a 1x1 convolution on a 1x1 map.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel", tuple(self.kernel))
        object.__setattr__(self, "stride", tuple(self.stride))
        if not self.in_height:
            object.__setattr__(self, "in_height", self.out_height * self.stride[0])
        if not self.in_width:
            object.__setattr__(self, "in_width", self.out_width * self.stride[1])
        self._check()

    def _check(self) -> None:
        where = f"layer {self.name!r}"
        if self.kind not in ("conv", "linear"):
            raise ParameterError(f"{where}: kind must be conv or linear; got {self.kind!r}.")
        if self.lateral not in ("none", "broadcast", "matrix"):
            raise ParameterError(f"{where}: lateral must be none, broadcast or matrix; got {self.lateral!r}.")
        sizes = {
            "in_channels": self.in_channels, "out_channels": self.out_channels, "groups": self.groups,
            "kernel height": self.kernel[0], "kernel width": self.kernel[1],
            "stride height": self.stride[0], "stride width": self.stride[1],
            "out_height": self.out_height, "out_width": self.out_width,
            "in_height": self.in_height, "in_width": self.in_width,
        }  # fmt: skip
        for key, value in sizes.items():
            if not isinstance(value, int) or value < 1:
                raise ParameterError(f"{where}: {key} must be an integer of at least 1; got {value!r}.")
        for key in ("weight_bits", "state_bits", "input_bits"):
            value = getattr(self, key)
            if not isinstance(value, int) or not 1 <= value <= MAX_BITS:
                raise ParameterError(f"{where}: {key} must lie in 1..{MAX_BITS}; got {value!r}.")
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ParameterError(
                f"{where}: groups must divide both channel counts; got {self.groups} groups for "
                f"{self.in_channels} to {self.out_channels} channels."
            )

    @property
    def n_positions(self) -> int:
        """Output pixels: how often the kernel is applied."""
        return self.out_height * self.out_width

    @property
    def fan_in(self) -> int:
        """Inputs that one output reads."""
        return self.in_channels // self.groups * self.kernel[0] * self.kernel[1]

    @property
    def n_weights(self) -> int:
        """Stored weights."""
        return self.fan_in * self.out_channels

    @property
    def n_neurons(self) -> int:
        """Outputs of the layer, one neuron each."""
        return self.out_channels * self.n_positions

    @property
    def n_inputs(self) -> int:
        """Values of the input map."""
        return self.in_channels * self.in_height * self.in_width

    @property
    def n_unfolded(self) -> int:
        """Inputs of all kernel applications together: positions x fan-in x groups."""
        return self.n_positions * self.fan_in * self.groups

    @property
    def n_macs(self) -> int:
        """Multiply-additions of a dense evaluation."""
        return self.n_neurons * self.fan_in


@dataclass(frozen=True, slots=True)
class LayerActivity:
    """How busy a layer was, as a mean per sample, at each timestep.

    Parameters
    ----------
    active_unfolded : sequence of float, length T
        Non-zero inputs counted once per kernel application that reads them, at most ``n_unfolded``.
    in_spikes, out_spikes : sequence of float, length T
        Non-zero values of the input map and spikes of the layer's own neurons.
    """

    active_unfolded: tuple[float, ...]
    in_spikes: tuple[float, ...]
    out_spikes: tuple[float, ...]

    def __post_init__(self) -> None:
        for item in fields(self):
            values = tuple(float(value) for value in getattr(self, item.name))
            if any(not math.isfinite(value) or value < 0 for value in values):
                raise ParameterError(f"{item.name} must hold finite counts of at least 0; got {values[:5]}...")
            object.__setattr__(self, item.name, values)
        if not len(self.active_unfolded) == len(self.in_spikes) == len(self.out_spikes):
            raise ParameterError("active_unfolded, in_spikes and out_spikes must have one value per timestep each.")

    @classmethod
    def from_rates(cls, shape: LayerShape, in_rate: float, out_rate: float, n_steps: int) -> LayerActivity:
        """Activity of a layer whose inputs and outputs are busy with these probabilities at every step."""
        for key, rate in (("in_rate", in_rate), ("out_rate", out_rate)):
            if not 0 <= rate <= 1:
                raise ParameterError(f"{key} of layer {shape.name!r} must lie in [0, 1]; got {rate}.")
        return cls(
            active_unfolded=(shape.n_unfolded * in_rate,) * n_steps,
            in_spikes=(shape.n_inputs * in_rate,) * n_steps,
            out_spikes=(shape.n_neurons * out_rate * shape.has_neurons,) * n_steps,
        )


@dataclass(frozen=True, slots=True)
class Operations:
    """Elementary operations, as a mean per sample."""

    weight_reads: float = 0.0
    weight_writes: float = 0.0
    state_reads: float = 0.0
    state_writes: float = 0.0
    additions: float = 0.0
    multiplications: float = 0.0
    exponentials: float = 0.0
    comparisons: float = 0.0
    random_numbers: float = 0.0

    def __add__(self, other: Operations) -> Operations:
        return Operations(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True, slots=True)
class OperationCounts:
    """Operations by component (integration, leak, inhibition, plasticity, ...), training and inference apart."""

    inference: Mapping[str, Operations] = field(default_factory=dict)
    training: Mapping[str, Operations] = field(default_factory=dict)

    @property
    def inference_total(self) -> Operations:
        """Sum over the components of one inference."""
        return sum(self.inference.values(), Operations())

    @property
    def training_total(self) -> Operations:
        """Sum over the components of learning from one sample."""
        return sum(self.training.values(), Operations())


@dataclass(frozen=True, slots=True)
class Workload:
    """Everything a platform needs to price a network.

    Parameters
    ----------
    name : str
        Shown in reports.
    layers : sequence of LayerShape
        In the order of the data.
    activity : sequence of LayerActivity
        One per layer, mean over all samples.
    alive_activity : sequence of LayerActivity, optional
        One per layer, mean over the samples still running at each step; ``activity`` if absent.
    exit_histogram : sequence of int, length T, optional
        How many samples left after step 1, 2, ..., T; all at the last step if absent.
    n_samples : int
        Samples that were measured.
    counts : OperationCounts, optional
        Elementary operations, where an engine counts them.

    Examples
    --------
    >>> layer = LayerShape("fc", "linear", 64, 10)
    >>> busy = LayerActivity.from_rates(layer, in_rate=0.2, out_rate=0.1, n_steps=4)
    >>> load = Workload("toy", [layer], [busy], exit_histogram=[3, 0, 0, 1], n_samples=4)
    >>> load.n_steps, load.mean_steps, load.n_alive
    (4, 1.75, (4, 1, 1, 1))
    """

    name: str
    layers: tuple[LayerShape, ...]
    activity: tuple[LayerActivity, ...]
    alive_activity: tuple[LayerActivity, ...] = ()
    exit_histogram: tuple[int, ...] = ()
    n_samples: int = 1
    counts: OperationCounts | None = None

    def __post_init__(self) -> None:
        for key in ("layers", "activity", "alive_activity", "exit_histogram"):
            object.__setattr__(self, key, tuple(getattr(self, key)))
        if not self.layers:
            raise ParameterError("a workload must have at least one layer; got none.")
        if not self.alive_activity:
            object.__setattr__(self, "alive_activity", self.activity)
        if not self.exit_histogram:
            object.__setattr__(self, "exit_histogram", (0,) * (self.n_steps - 1) + (self.n_samples,))
        self._check()

    def _check(self) -> None:
        names = [layer.name for layer in self.layers]
        if len(set(names)) < len(names):
            raise ParameterError(f"layer names must be unique; got {names}.")
        for key in ("activity", "alive_activity"):
            rows = getattr(self, key)
            if len(rows) != len(self.layers):
                raise ParameterError(f"{key} must have one entry per layer ({len(self.layers)}); got {len(rows)}.")
            for layer, row in zip(self.layers, rows, strict=True):
                if len(row.in_spikes) != self.n_steps:
                    raise ParameterError(
                        f"{key} of layer {layer.name!r} must have {self.n_steps} timesteps; got {len(row.in_spikes)}."
                    )
                if max(row.active_unfolded) > layer.n_unfolded * (1 + 1e-6):
                    raise ParameterError(
                        f"{key} of layer {layer.name!r} must not exceed its {layer.n_unfolded} unfolded inputs; "
                        f"got {max(row.active_unfolded):g}."
                    )
        if self.n_steps < 1:
            raise ParameterError("a workload must have at least one timestep; got none.")
        histogram = self.exit_histogram
        if len(histogram) != self.n_steps or any(count < 0 for count in histogram):
            raise ParameterError(
                f"exit_histogram must hold {self.n_steps} counts of at least 0; got {list(histogram)}."
            )
        if self.n_samples < 1 or sum(histogram) != self.n_samples:
            raise ParameterError(
                f"exit_histogram must sum to the {self.n_samples} samples, at least 1; got {sum(histogram)}."
            )

    @property
    def n_steps(self) -> int:
        """Timesteps T of a full run."""
        return len(self.activity[0].in_spikes) if self.activity else 0

    @property
    def n_alive(self) -> tuple[int, ...]:
        """Samples that compute step 1, 2, ..., T."""
        left, alive = self.n_samples, []
        for count in self.exit_histogram:
            alive.append(left)
            left -= count
        return tuple(alive)

    @property
    def mean_steps(self) -> float:
        """Timesteps used, mean over the samples."""
        return sum(self.n_alive) / self.n_samples

    def without_exit(self) -> Workload:
        """The same network run to the last step for every sample."""
        return replace(self, alive_activity=self.activity, exit_histogram=())

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary of lists and numbers, ready for JSON."""
        return {"format": "spikewise-workload-1", **asdict(self)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Workload:
        """Inverse of :meth:`to_dict`; raises DataError if a key is missing, unknown or of the wrong kind."""
        if not isinstance(raw, Mapping) or raw.get("format") != "spikewise-workload-1":
            raise DataError("a workload must carry format 'spikewise-workload-1'. Is this the right file?")
        body = {key: value for key, value in raw.items() if key != "format"}
        try:
            body["layers"] = [LayerShape(**layer) for layer in body["layers"]]
            for key in ("activity", "alive_activity"):
                body[key] = [LayerActivity(**row) for row in body.get(key, ())]
            if body.get("counts") is not None:
                body["counts"] = OperationCounts(
                    **{
                        phase: {name: Operations(**ops) for name, ops in parts.items()}
                        for phase, parts in body["counts"].items()
                    }
                )
            return cls(**body)
        except ParameterError as error:
            raise DataError(str(error)) from None
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise DataError(f"the workload has a missing, unknown or misshapen entry: {error}.") from None

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write as JSON, atomically."""
        write_json(path, self.to_dict())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Workload:
        """Read a workload from a JSON file."""
        try:
            return cls.from_dict(read_json(path, "workload", _MAX_FILE_BYTES))
        except DataError as error:
            raise DataError(f"{path}: {error}") from None


def uniform_workload(
    name: str, layers: Sequence[LayerShape], n_steps: int, rates: Sequence[float], exit_histogram: Sequence[int] = ()
) -> Workload:
    """Workload whose layer *i* sees inputs busy with probability ``rates[i]`` at every step.

    The output rate of a layer is the input rate of the next; the last layer's output is silent.
    """
    outs = [*rates[1:], 0.0]
    activity = [
        LayerActivity.from_rates(layer, rate, out, n_steps)
        for layer, rate, out in zip(layers, rates, outs, strict=True)
    ]
    n_samples = sum(exit_histogram) if exit_histogram else 1
    return Workload(name, tuple(layers), tuple(activity), (), tuple(exit_histogram), n_samples)
