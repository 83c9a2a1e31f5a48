"""What learning and answering take on this machine, kept in the run while they happen.

Learning may be spread over several processes. What it took is written down whenever its checkpoint has moved on, so
that a process that goes on from the checkpoint adds its own part. What a killed process spent after its last checkpoint
is not counted: that work was lost, and is done again. If it was killed between a checkpoint and the note of what that
took, those samples are counted as missing.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from spikewise.dynamic.anytime import ExitResult
from spikewise.energy.measurement import LABELLING, NOTHING, TRAINING, Measurement, measured_of
from spikewise.energy.meter import EnergyMeter
from spikewise.runs.folder import Run

_LEAST_S = 0.2  # counters move in steps of a millisecond: a shorter look at them is noise


class LearningMeter:
    """Measures learning piece by piece.

    Parameters
    ----------
    run : Run
        Receives the section ``measured``.
    meter : EnergyMeter
        A meter whose block has begun.
    checkpoint : Path
        File that learning goes on from.
    """

    def __init__(self, run: Run, meter: EnergyMeter, checkpoint: Path) -> None:
        self._run, self._meter, self._checkpoint = run, meter, checkpoint
        self._mark = _stamp(checkpoint)
        self._before = self._here = NOTHING
        self._has_begun = False

    def piece(self, since: int, until: int) -> None:
        """Take note that samples ``since`` to ``until`` have been learned from."""
        self._begin(since)
        self._meter.update()
        self._here = Measurement.of(self._meter, self._here.n_samples + until - since)
        if (mark := _stamp(self._checkpoint)) != self._mark:
            self._mark = mark
            self._run.update(measured={TRAINING: self._learned().to_dict()})

    def finish(self, n_total: int, n_labelled: int = 0) -> dict[str, dict[str, Any]]:
        """Entries for ``run.json``: learning and, of a network that is labelled after it, the labelling."""
        self._begin(n_total)  # if the process before was killed when all was learned
        self._meter.update()
        labelling = Measurement.of(self._meter, n_labelled).without(self._here)
        entries = {TRAINING: self._learned(), **({LABELLING: labelling} if n_labelled else {})}
        return {name: found.to_dict() for name, found in entries.items()}

    def _begin(self, position: int) -> None:
        """Take over what earlier processes kept, if this one goes on from there."""
        if self._has_begun:
            return
        self._has_begun = True
        if position > 0:
            before = measured_of(self._run).get(TRAINING, NOTHING)
            n_missing = max(before.n_missing, position - before.n_samples)
            self._before = replace(before, n_missing=n_missing)

    def _learned(self) -> Measurement:
        found = self._before.then(self._here)
        return found if found.n_samples else replace(found, joules=None, source=_NOTHING_KEPT)


_NOTHING_KEPT = "not measured: the process that learned was killed before it could tell what that took."


def _stamp(path: Path) -> int | None:
    """Changes whenever the file is replaced."""
    return path.stat().st_mtime_ns if path.exists() else None


def measure_answers(
    meter: EnergyMeter, answer: Callable[[], ExitResult], n_samples: int
) -> tuple[ExitResult, Measurement]:
    """Answer some samples, as often as it takes to be measured; the answers are those of the first time.

    Parameters
    ----------
    meter : EnergyMeter
        Measures.
    answer : callable
        Answers all samples.
    n_samples : int
        How many they are.
    """
    answers: list[ExitResult] = []
    with meter:
        began = time.perf_counter()
        while not answers or time.perf_counter() - began < _LEAST_S:
            answers.append(answer())
    return answers[0], Measurement.of(meter, n_samples * len(answers))
