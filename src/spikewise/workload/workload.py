"""Workloads: plain data that describe to a hardware model what a network computes.

A :class:`Workload` lists the layers of a network (:class:`LayerShape`), their activity at
each timestep (:class:`LayerActivity`), the number of samples still running (``n_alive``) and, if an
engine counts them, its elementary operations (:class:`OperationCounts`). Deep networks, STDP
networks, imported graphs and hand-written tables all become workloads, and every price is computed from a workload.

Activity is stored twice. ``activity`` is the mean over *all* samples, as if each ran to the last step;
``alive_activity`` is the mean over the samples *still running* at that step, which is what a chip that
stops early actually computes.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from spikewise._arguments import checks_arguments
from spikewise._files import read_json, write_json
from spikewise.errors import DataError, ParameterError, whole_number

from .layer import Lateral, LayerActivity, LayerKind, LayerShape, check_follows, checked_name
from .operations import OperationCounts, Operations
from .records import all_of, listed, record

__all__ = [
    "Lateral",
    "LayerActivity",
    "LayerKind",
    "LayerShape",
    "OperationCounts",
    "Operations",
    "Workload",
    "uniform_workload",
]  # fmt: skip

_SLACK = 1 + 1e-6  # means of counts are rounded, so they may exceed a bound slightly
_MAX_FILE_BYTES = 64 * 2**20  # a workload of a thousand layers and steps needs under 40 MiB


@dataclass(frozen=True, slots=True)
class Workload:
    """A network with its measured activity: all that a platform needs to compute a price.

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
        Number of samples that exit after step 1, 2, ..., T; if absent or the empty tuple, all exit at the last step.
    n_samples : int
        Number of measured samples.
    counts : OperationCounts, optional
        Elementary operations, if an engine counts them.

    Notes
    -----
    Whether one layer fits the next is not checked here, because layers may branch and join. Measured networks fit;
    hand-written ones are checked when they are read (:mod:`spikewise.workload.table`).

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
        checked_name("the name of a workload", self.name)
        for key, kind in (("layers", LayerShape), ("activity", LayerActivity), ("alive_activity", LayerActivity)):
            object.__setattr__(self, key, all_of(key, getattr(self, key), kind))
        object.__setattr__(self, "n_samples", whole_number("n_samples", self.n_samples, 1))
        if not _is_absent(self.exit_histogram):
            object.__setattr__(self, "exit_histogram", as_histogram(self.exit_histogram))
        if not self.layers:
            raise ParameterError("a workload must have at least one layer; got none.")
        if self.n_steps < 1:
            raise ParameterError("a workload must have at least one timestep; got none.")
        # The defaults need n_steps, hence a checked activity.
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
                _check_bounds(key, layer, row)
        histogram = self.exit_histogram
        if len(histogram) != self.n_steps:
            raise ParameterError(f"exit_histogram must hold {self.n_steps} counts; got {list(histogram)}.")
        if sum(histogram) != self.n_samples:
            raise ParameterError(f"exit_histogram must sum to the {self.n_samples} samples; got {sum(histogram)}.")

    @property
    def n_steps(self) -> int:
        """Number of timesteps T of a full run."""
        return len(self.activity[0].in_spikes) if self.activity else 0

    @property
    def n_alive(self) -> tuple[int, ...]:
        """Number of samples that compute step 1, 2, ..., T."""
        left, alive = self.n_samples, []
        for count in self.exit_histogram:
            alive.append(left)
            left -= count
        return tuple(alive)

    @property
    def mean_steps(self) -> float:
        """Mean number of timesteps that a sample computes."""
        return sum(self.n_alive) / self.n_samples

    def precision_note(self) -> str:
        """Describe the precision of weights, membrane potentials and inputs in words.

        Spikes have one bit. Later layers with wider inputs are named, because they cost more.

        Examples
        --------
        >>> layers = [LayerShape("a", "linear", 64, 32, input_bits=8), LayerShape("b", "linear", 32, 10)]
        >>> uniform_workload("toy", layers, 4, [1.0, 0.1]).precision_note()
        'weights 8 bits, states 16 bits, network input 8 bits'
        """
        first, *others = self.layers
        stateful = [layer for layer in self.layers if layer.has_neurons]
        notes = [
            f"weights {_bits(layer.weight_bits for layer in self.layers)}",
            *([f"states {_bits(layer.state_bits for layer in stateful)}"] if stateful else []),
            f"network input {_bits([first.input_bits])}",
        ]
        wide = [layer for layer in others if layer.input_bits > 1]
        if wide:
            who = ", ".join(layer.name for layer in wide) if len(wide) <= 3 else f"{len(wide)} further layers"
            notes.append(f"input of {who} {_bits(layer.input_bits for layer in wide)}")
        return ", ".join(notes)

    def without_exit(self) -> Workload:
        """Return the same network with every sample run to the last step."""
        return replace(self, alive_activity=self.activity, exit_histogram=())

    @checks_arguments
    def cut_at(self, step: int) -> Workload:
        """Return the same network with every sample stopped after this step (1..T).

        Examples
        --------
        >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], 4, [0.1])
        >>> load.cut_at(3).n_steps, load.cut_at(4) == load.without_exit()
        (3, True)
        """
        step = whole_number("step", step, 1, self.n_steps)
        if step == self.n_steps:
            return self.without_exit()
        rows = tuple(LayerActivity(*(getattr(row, item.name)[:step] for item in fields(row))) for row in self.activity)
        return Workload(self.name, self.layers, rows, n_samples=self.n_samples)

    @checks_arguments
    def with_bits(self, n_bits: int) -> Workload:
        """Return the same network with this many bits for weights and membrane potentials.

        Examples
        --------
        >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], 4, [0.1])
        >>> [(each.weight_bits, each.state_bits) for each in load.with_bits(32).layers]
        [(32, 32)]
        """
        return replace(self, layers=tuple(replace(each, weight_bits=n_bits, state_bits=n_bits) for each in self.layers))

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary of lists and numbers that can be written as JSON."""
        return {"format": "spikewise-workload-1", **asdict(self)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Workload:
        """Build a workload from the result of :meth:`to_dict`; raise DataError if a key is missing, unknown or bad."""
        if not isinstance(raw, Mapping) or raw.get("format") != "spikewise-workload-1":
            raise DataError("a workload must carry format 'spikewise-workload-1'. Is this the right file?")
        body = {key: value for key, value in raw.items() if key != "format"}
        try:
            for key, kind in (("layers", LayerShape), ("activity", LayerActivity), ("alive_activity", LayerActivity)):
                if key in body:
                    body[key] = [
                        record(f"entry {number} of {key}", kind, row)
                        for number, row in enumerate(listed(key, body[key]), start=1)
                    ]
            if body.get("counts") is not None:
                body["counts"] = record("counts", _operation_counts, body["counts"], OperationCounts)
            return record("the workload", cls, body)
        except ParameterError as error:
            raise DataError(str(error)) from None

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write as JSON, atomically."""
        write_json(path, self.to_dict())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Workload:
        """Read a workload from a JSON file; :func:`~spikewise.workload.read_workload` reads layer tables too."""
        raw = read_json(path, "workload", _MAX_FILE_BYTES)
        try:
            return cls.from_dict(raw)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None


def as_histogram(counts: Iterable[Any]) -> tuple[int, ...]:
    """Return the number of samples that exit after step 1, 2, ..., T as a tuple of int.

    Raises
    ------
    ParameterError
        If a count is negative or not an integer (a share, for instance), or all are 0.
    """
    found = tuple(whole_number("every count of exit_histogram", count, 0) for count in listed("exit_histogram", counts))
    if not sum(found):
        raise ParameterError(f"exit_histogram must count at least one sample; got {list(found)}.")
    return found


def _is_absent(histogram: Any) -> bool:
    # Only the empty tuple is the default; an empty list was given by the caller and is an error.
    return isinstance(histogram, tuple) and not histogram


def _operation_counts(**phases: Any) -> OperationCounts:
    """Build operation counts from nested tables: phase, component, operation."""
    counts: dict[str, dict[str, Operations]] = {}
    for phase, parts in phases.items():
        if not isinstance(parts, Mapping):
            raise ParameterError(f"{phase} must be a table of components; got {repr(parts)[:60]}.")
        counts[phase] = {str(name): record(f"{phase}.{name}", Operations, ops) for name, ops in parts.items()}
    return OperationCounts(**counts)


def _bits(widths: Iterable[int]) -> str:
    """Format one bit width, or the range of several."""
    least, most = min(found := set(widths)), max(found)
    return f"{least} bit{'s' * (least > 1)}" if least == most else f"{least} to {most} bits"


def _check_bounds(key: str, layer: LayerShape, row: LayerActivity) -> None:
    bounds = (
        ("unfolded inputs", layer.n_unfolded, row.active_unfolded),
        ("inputs", layer.n_inputs, row.in_spikes),
        ("neurons", layer.n_neurons, row.out_spikes),
    )
    for what, n_at_most, counts in bounds:
        if max(counts) > n_at_most * _SLACK:
            raise ParameterError(
                f"{key} of layer {layer.name!r} must not exceed its {n_at_most} {what}; got {max(counts):g}."
            )


def uniform_workload(
    name: str, layers: Sequence[LayerShape], n_steps: int, rates: Sequence[float], exit_histogram: Sequence[int] = ()
) -> Workload:
    """Return the workload of a chain whose layer *i* has inputs that are active with probability ``rates[i]``.

    The rates hold at every step. The output rate of a layer is the input rate of the next; the last layer is silent.

    Raises
    ------
    ParameterError
        If a layer does not fit the one before, or a rate lies outside [0, 1].

    Examples
    --------
    >>> load = uniform_workload("toy", [LayerShape("fc", "linear", 64, 10)], n_steps=2, rates=[0.25])
    >>> load.activity[0].in_spikes
    (16.0, 16.0)
    """
    chain, shares = all_of("layers", layers, LayerShape), listed("rates", rates)
    if not chain or len(shares) != len(chain):
        raise ParameterError(f"rates must have one entry per layer ({len(chain) or 'at least 1'}); got {len(shares)}.")
    for before, layer in itertools.pairwise(chain):
        try:
            check_follows(layer, before)
        except ParameterError as error:
            raise ParameterError(f"layer {layer.name!r}: {error} Mend one of the two.") from None
    histogram = () if _is_absent(exit_histogram) else as_histogram(exit_histogram)
    outs = [*shares[1:], 0.0]
    activity = tuple(
        LayerActivity.from_rates(layer, rate, out, n_steps)
        for layer, rate, out in zip(chain, shares, outs, strict=True)
    )
    return Workload(name, chain, activity, (), histogram, sum(histogram) if histogram else 1)
