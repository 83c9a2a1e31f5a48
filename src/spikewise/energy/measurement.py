"""What the stages of a run really took, on the machine that did them: seconds, and joules where they were measured.

A run keeps these figures in a section of its own: apart from its metrics, since they change from run to run, and apart
from its prices, since they answer another question. They are of a general-purpose machine that simulates a network; a
price is of a chip that would be built for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from spikewise.errors import DataError, positive_number

from .meter import EnergyMeter, source_of_watts

TRAINING, LABELLING, INFERENCE, INFERENCE_EXIT = "training", "labelling", "inference", "inference_exit"
OF_AN_EXIT = (INFERENCE, INFERENCE_EXIT)
"""Stages that a run has once per exit setting."""
_LATER = "; later "


class Recorded(Protocol):
    """Whatever has the content of a ``run.json``."""

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
        Energy of the machine meanwhile, or of the parts of it that count theirs; None if it was not measured.
    source : str
        Where the joules come from; or why there are none, and what to do.
    n_samples : int
        Samples behind these figures: presentations while learning, answers after it.
    n_missing : int
        Samples that were learned from besides, by a process that was killed before it could tell what they took.

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
    def of(cls, meter: EnergyMeter, n_samples: int, n_missing: int = 0) -> Measurement:
        """What a meter read last."""
        return cls(meter.seconds, meter.joules, meter.source, n_samples, n_missing)

    @property
    def joules_per_sample(self) -> float | None:
        """Energy of one sample, mean; None if it was not measured."""
        return None if self.joules is None or not self.n_samples else self.joules / self.n_samples

    @property
    def seconds_per_sample(self) -> float | None:
        """Time of one sample, mean."""
        return self.seconds / self.n_samples if self.n_samples else None

    def then(self, other: Measurement) -> Measurement:
        """Both together; without a figure for one of them there is none for both."""
        n_missing = self.n_missing + other.n_missing
        for one, rest in ((self, other), (other, self)):
            if not one.seconds:
                return replace(rest, n_missing=n_missing)
        joules = None if self.joules is None or other.joules is None else self.joules + other.joules
        source = _LATER.join(dict.fromkeys([*self.source.split(_LATER), *other.source.split(_LATER)]))
        if joules is None and not source.startswith("not measured"):
            source = f"not measured throughout: {source}"
        return Measurement(
            self.seconds + other.seconds, joules, source, self.n_samples + other.n_samples, n_missing
        )  # fmt: skip

    def without(self, earlier: Measurement) -> Measurement:
        """What came after an earlier reading of the same meter."""
        joules = None if self.joules is None or earlier.joules is None else self.joules - earlier.joules
        return replace(self, seconds=self.seconds - earlier.seconds, joules=joules)

    def at_watts(self, watts: float) -> Measurement:
        """The same time at this mean power of the machine, whatever was measured."""
        power = positive_number("watts", watts, 1e9)
        return replace(self, joules=power * self.seconds, source=source_of_watts(power))

    def to_dict(self) -> dict[str, Any]:
        """What ``run.json`` keeps."""
        return asdict(self)

    def summary(self) -> dict[str, Any]:
        """:meth:`to_dict` and what follows from it."""
        return {
            **self.to_dict(),
            "seconds_per_sample": self.seconds_per_sample,
            "joules_per_sample": self.joules_per_sample,
        }

    @classmethod
    def from_dict(cls, raw: Any, what: str = "a measurement") -> Measurement:
        """Inverse of :meth:`to_dict`, and of :meth:`summary`; raises DataError for anything else."""
        try:
            joules = None if raw["joules"] is None else float(raw["joules"])
            found = cls(float(raw["seconds"]), joules, str(raw["source"]), int(raw["n_samples"]), int(raw["n_missing"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            found = None
        figures = () if found is None else (found.seconds, found.joules or 0.0, found.n_samples, found.n_missing)
        if found is None or not all(0 <= figure < math.inf for figure in figures):
            keys = "seconds, joules, source, n_samples and n_missing"
            raise DataError(f"{what} must hold {keys}, none below 0; got {raw!r:.80}. Delete the entry.")
        return found


NOTHING = Measurement(0.0, 0.0, "", 0)
"""What no time took: it changes nothing it is added to."""


def entry(stage: str, exit_name: str = "") -> str:
    """Key of a stage in the section ``measured`` of ``run.json``.

    Examples
    --------
    >>> entry(TRAINING), entry(INFERENCE, "drop-0.005")
    ('training', 'inference (drop-0.005)')
    """
    return f"{stage} ({exit_name})" if exit_name else stage


def measured_of(run: Recorded, exit_name: str = "", watts: float | None = None) -> dict[str, Measurement]:
    """What learning, and answering the test images in full and with exit, took.

    Parameters
    ----------
    run : Run
        A run, complete or not.
    exit_name : str
        Exit setting whose look at the test images is meant; the one recorded last if empty.
    watts : float, optional
        Mean power of the machine that made the run: joules are then the recorded seconds times it, whatever was
        measured.

    Returns
    -------
    dict
        A measurement for each of ``"training"``, ``"labelling"``, ``"inference"`` and ``"inference_exit"`` that was
        recorded; none of a run that was made before runs recorded them.

    Raises
    ------
    ParameterError
        If ``watts`` is no positive number.
    DataError
        If an entry is damaged.
    """
    if watts is not None:
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
