"""Measured time and energy of the stages of a run, on the machine that computed them.

A run stores them in a separate section: not with its metrics, because they differ from run to run, and not with its
prices, because they answer another question. They belong to a general-purpose machine that simulates a network; a
price belongs to a chip that would be built for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from spikewise._arguments import checks_arguments
from spikewise.errors import DataError, positive_number

from .meter import EnergyMeter, source_of_watts

TRAINING, LABELLING, INFERENCE, INFERENCE_EXIT = "training", "labelling", "inference", "inference_exit"
OF_AN_EXIT = (INFERENCE, INFERENCE_EXIT)
"""Stages that a run measures once per exit setting."""
_LATER = "; later "  # joins the sources of measurements that differ


class _Recorded(Protocol):
    """An object with the content of a ``run.json``."""

    @property
    def record(self) -> Mapping[str, Any]:
        """Content of ``run.json``."""
        ...


@dataclass(frozen=True, slots=True)
class Measurement:
    """Time and energy that a stage of a run took.

    Parameters
    ----------
    seconds : float
        Wall time.
    joules : float or None
        Energy of the machine in this time, or of those of its parts that have counters; None if it was not measured.
    source : str
        Source of the joules; or the reason why there are none, and what to do.
    n_samples : int
        Number of samples: presentations during learning, answers after it.
    n_missing : int
        Further samples that were learned by a process that was killed before it stored its measurement.

    Examples
    --------
    >>> half = Measurement(2.0, 30.0, "RAPL (package-0)", n_samples=100)
    >>> half.then(half).joules_per_sample
    0.3
    >>> half.at_watts(20).joules
    40.0
    """

    seconds: float
    joules: float | None
    source: str
    n_samples: int
    n_missing: int = 0

    @classmethod
    @checks_arguments
    def of(cls, meter: EnergyMeter, n_samples: int, n_missing: int = 0) -> Measurement:
        """Return the last reading of a meter as a measurement."""
        return cls(meter.seconds, meter.joules, meter.source, n_samples, n_missing)

    @property
    def joules_per_sample(self) -> float | None:
        """Mean energy per sample; None if it was not measured."""
        return None if self.joules is None or not self.n_samples else self.joules / self.n_samples

    @property
    def seconds_per_sample(self) -> float | None:
        """Mean time per sample; None without samples."""
        return self.seconds / self.n_samples if self.n_samples else None

    @checks_arguments
    def then(self, other: Measurement) -> Measurement:
        """Return the sum of both measurements; the sum has no joules if one of them has none."""
        n_missing = self.n_missing + other.n_missing
        for one, rest in ((self, other), (other, self)):
            if not one.seconds:  # nothing was done, so its missing joules say nothing about the sum
                return replace(rest, n_missing=n_missing)
        joules = None if self.joules is None or other.joules is None else self.joules + other.joules
        # A dictionary keeps each source once, in order.
        source = _LATER.join(dict.fromkeys([*self.source.split(_LATER), *other.source.split(_LATER)]))
        if joules is None and not source.startswith("not measured"):
            source = f"not measured throughout: {source}"
        return Measurement(self.seconds + other.seconds, joules, source, self.n_samples + other.n_samples, n_missing)

    @checks_arguments
    def without(self, earlier: Measurement) -> Measurement:
        """Return the difference to an earlier reading of the same meter."""
        joules = None if self.joules is None or earlier.joules is None else self.joules - earlier.joules
        return replace(self, seconds=self.seconds - earlier.seconds, joules=joules)

    @checks_arguments
    def at_watts(self, watts: float) -> Measurement:
        """Return the same time with joules computed from this mean power; measured joules are replaced."""
        power = positive_number("watts", watts, 1e9)
        return replace(self, joules=power * self.seconds, source=source_of_watts(power))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as ``run.json`` stores them."""
        return asdict(self)

    def summary(self) -> dict[str, Any]:
        """Return :meth:`to_dict` and the values per sample."""
        return {
            **self.to_dict(),
            "seconds_per_sample": self.seconds_per_sample,
            "joules_per_sample": self.joules_per_sample,
        }

    @classmethod
    def from_dict(cls, raw: Any, what: str = "a measurement") -> Measurement:
        """Build a measurement from the result of :meth:`to_dict` or :meth:`summary`; raise DataError otherwise."""
        with suppress(KeyError, IndexError, TypeError, ValueError, OverflowError):
            joules = None if raw["joules"] is None else float(raw["joules"])
            found = cls(float(raw["seconds"]), joules, str(raw["source"]), int(raw["n_samples"]), int(raw["n_missing"]))
            # The bounds also exclude NaN, which fails every comparison.
            if all(0 <= each < math.inf for each in (found.seconds, joules or 0.0, found.n_samples, found.n_missing)):
                return found
        keys = "seconds, joules, source, n_samples and n_missing"
        raise DataError(f"{what} must hold {keys}, none below 0; got {raw!r:.80}. Delete the entry.")


NOTHING = Measurement(0.0, 0.0, "", 0)
"""The neutral element of :meth:`Measurement.then`: no time, no energy, no samples."""


def entry(stage: str, exit_name: str = "") -> str:
    """Return the key of a stage in the section ``measured`` of ``run.json``.

    Examples
    --------
    >>> entry(TRAINING), entry(INFERENCE, "drop-0.005")
    ('training', 'inference (drop-0.005)')
    """
    return f"{stage} ({exit_name})" if exit_name else stage


def measured_of(run: _Recorded, exit_name: str = "", watts: float | None = None) -> dict[str, Measurement]:
    """Return the measurements of learning and of answering the test images, with full runs and with early exit.

    Parameters
    ----------
    run : Run
        A run, complete or not.
    exit_name : str
        Exit setting of the answers; if empty, the setting that was recorded last.
    watts : float, optional
        Mean power of the machine that made the run. Joules are then this power times the recorded seconds, even if
        they were measured.

    Returns
    -------
    dict
        A measurement for each recorded stage of ``"training"``, ``"labelling"``, ``"inference"`` and
        ``"inference_exit"``; empty for runs of older versions, which recorded none.

    Raises
    ------
    ParameterError
        If ``watts`` is not a positive number.
    DataError
        If an entry is damaged.
    """
    if watts is not None:  # checked here too, because a run without measurements never uses it
        positive_number("watts", watts, 1e9)
    section = run.record.get("measured") or {}
    last = [key.partition(" (")[2].removesuffix(")") for key in section if key.startswith(f"{INFERENCE} (")]
    name = exit_name or (last[-1] if last else "")
    keys = {stage: entry(stage) for stage in (TRAINING, LABELLING)}
    keys |= {stage: entry(stage, name) for stage in OF_AN_EXIT if name}
    found = {
        stage: Measurement.from_dict(section[key], f"measured.{key} in run.json")
        for stage, key in keys.items()
        if key in section
    }
    return found if watts is None else {stage: each.at_watts(watts) for stage, each in found.items()}
