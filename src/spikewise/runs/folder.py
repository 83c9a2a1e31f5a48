"""Run folders: everything that belongs to one trained network, kept whole at every moment.

A run holds ``run.json`` (settings, seed, versions, metrics; timings, measured energy and looks at the test set apart),
``model.safetensors``, ``trace.npz``, ``workload.json`` and ``exits/``. Every command reads and extends it.
Each file is replaced in one move and the folder is locked while a command works in it, so a run that
was killed at any point can be resumed.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spikewise._files import as_json, differences, make_folder, mendable, read_json, remove_leftovers, write_json
from spikewise.dynamic.anytime import TrainedClassifier
from spikewise.dynamic.trace import ScoreTrace
from spikewise.energy.measurement import Measurement, measured_of
from spikewise.errors import DataError, RunError
from spikewise.workload.workload import Workload

from .exit_folder import ExitFolder
from .exit_record import ExitRecord
from .names import EXIT_FILE, OF_A_RUN, PICTURES, TRACE_FILE, WORKLOAD_FILE

_FORMAT = "spikewise-run-1"
_SECTIONS = {
    "settings": dict, "versions": dict, "data": dict, "metrics": dict, "timings": dict, "measured": dict,
    "test_evaluations": list,
}  # fmt: skip
_NEWER = {"measured"}  # sections that a run may lack, since it was begun before there were any
_PACKAGES = ("spikewise", "numpy", "numba", "scikit-learn", "torch")
_REMEDY = "Restore it, or delete the folder and make the run again."


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class _Data(_Part):
    classes: list[str] = []
    shape: list[int] = Field([], min_length=3, max_length=3)


class _Metrics(_Part):
    exits: dict[str, dict[str, Any]] = {}
    accuracy_by_step: dict[str, float] = {}
    cost: dict[str, Any] = {}


class _Settings(_Part):
    data: dict[str, Any] | str = {}
    fit: dict[str, Any] = {}
    network: dict[str, Any] = {}
    binning: dict[str, Any] | None = None


class _Record(_Part):
    """What commands read of a record; a run that was interrupted has only a part of it."""

    kind: str
    settings: _Settings
    data: _Data
    metrics: _Metrics
    timings: dict[str, Any]


class Run:
    """A run folder; each of its files is read once, and known when it was just written.

    Make one with :meth:`start`, :meth:`open` or :meth:`hold`.

    Parameters
    ----------
    path : Path
        The folder.
    record : dict
        Content of ``run.json``.

    Attributes
    ----------
    network : TrainedClassifier or None
        The trained network, once a stage has learned or opened it.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> run = Run.start(f"{folder.name}/digits-vgg5-0", kind="deep", settings={"n_steps": 4}, seed=0)
    >>> run.update(metrics={"accuracy": 0.98})
    >>> Run.open(run.path).record["metrics"]
    {'accuracy': 0.98}
    >>> folder.cleanup()
    """

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        self.path = path
        self.record = record
        self.network: TrainedClassifier | None = None

    @classmethod
    def start(cls, path: str | os.PathLike[str], *, kind: str, settings: Mapping[str, Any], seed: int) -> Run:
        """Open the run in this folder if it has the same kind, settings and seed, else begin it there anew.

        Raises
        ------
        RunError
            If the folder is a file, cannot be written, holds a run with other settings, or holds files that a run
            would write and that none wrote.
        """
        folder = make_folder(path)
        wanted = as_json({"kind": kind, "settings": settings, "seed": seed})
        empty = {section: kind() for section, kind in _SECTIONS.items() if section not in ("settings", "versions")}
        run = cls(folder, {"format": _FORMAT, **wanted, "versions": _versions(), **empty})
        with folder_lock(folder):
            if not (folder / "run.json").exists():
                _refuse_foreign(folder)
                run._write()
                return run
            found = cls.open(folder)
        differs = differences({key: found.record.get(key) for key in wanted}, wanted)
        if differs:
            raise RunError(
                f"{folder} must hold a run with the same settings and data to be resumed; it differs in "
                f"{', '.join(differs)}. Choose another folder with --out, or delete this one."
            )
        return found

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Run:
        """Open an existing run; raises DataError if the folder holds none, or a damaged one."""
        folder = Path(path)
        with mendable(folder / "run.json", _REMEDY):
            record = read_json(folder / "run.json", "record of a run folder")
        if not isinstance(record, dict) or record.get("format") != _FORMAT:
            raise DataError(f"{folder / 'run.json'} must carry format {_FORMAT!r}. Is this folder a run?")
        for section, kind in _SECTIONS.items():
            if section in _NEWER:
                record.setdefault(section, kind())
            if not isinstance(record.get(section), kind):
                raise DataError(
                    f"{folder / 'run.json'} must hold {section!r} as {kind.__name__}; got {record.get(section)!r:.40}. "
                    f"{_REMEDY}"
                )
        run = cls(folder, record)
        try:
            _Record.model_validate(record)
        except ValidationError as error:
            problem = error.errors()[0]
            raise run.damaged(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
        return run

    def entry(self, section: str, key: str) -> Any:
        """An entry of ``run.json`` that a complete run has; raises DataError if it is missing."""
        if key not in self.record[section]:
            raise self.damaged(f"{section}.{key} is missing")
        return self.record[section][key]

    def damaged(self, problem: str, remedy: str = _REMEDY) -> DataError:
        """Error for a record that is not whole."""
        return DataError(f"{self.path / 'run.json'} must be the whole record of a run; {problem}. {remedy}")

    def update(self, **sections: Mapping[str, Any]) -> None:
        """Merge values into sections of ``run.json`` (``metrics``, ``timings``, ``measured``, ``data``) and save it."""
        for section, values in sections.items():
            self.record[section] = {**self.record.get(section, {}), **json.loads(json.dumps(values, allow_nan=False))}
        self._write()

    def log_test_evaluation(self, purpose: str, n_samples: int) -> None:
        """Note that the test set was looked at, by whom and when."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        self.record["test_evaluations"].append({"purpose": purpose, "n_samples": n_samples, "utc": when})
        self._write()

    @cached_property
    def exits(self) -> dict[str, ExitFolder]:
        """Exit settings that are there, by name."""
        return {file.parent.name: ExitFolder(file.parent) for file in sorted(self.path.glob(f"exits/*/{EXIT_FILE}"))}

    def exit(self, name: str) -> ExitFolder:
        """Folder of an exit setting, whether or not it is there yet."""
        return self.exits.get(name) or ExitFolder(self.path / "exits" / name)

    @property
    def newest_exit(self) -> ExitFolder | None:
        """The exit setting that was made last, of those that are there; None if none is."""
        names = [name for name in self.record["metrics"].get("exits", {}) if name in self.exits]
        return self.exits[names[-1]] if names else None

    def check_exits(self, but: str = "") -> None:
        """Raise DataError if an exit setting other than this is damaged: the page will show them all."""
        for name, found in self.exits.items():
            if name != but:
                found.check()
                measured_of(self, name)

    def add_exit(
        self,
        folder: ExitFolder,
        record: ExitRecord,
        *,
        timings: Mapping[str, float],
        measured: Mapping[str, Measurement],
        accuracy_by_step: Mapping[str, float],
    ) -> None:
        """Write the record of an exit setting, here as the newest and in its folder, and what its test took."""
        others = {name: found for name, found in self.record["metrics"].get("exits", {}).items() if name != record.name}
        self.update(
            metrics={"exits": {**others, record.name: record.to_dict()}, "accuracy_by_step": accuracy_by_step},
            timings=timings,
            measured={key: taken.to_dict() for key, taken in measured.items()},
        )
        folder.write_record(record)
        self.exits = dict(sorted({**self.exits, record.name: folder}.items()))

    @cached_property
    def trace(self) -> ScoreTrace | None:
        """Scores of the test images, with labels; None before they were looked at."""
        file = self.path / TRACE_FILE
        if not file.exists():
            return None
        with mendable(file):
            trace = ScoreTrace.read(file)
            if not trace.n_samples or (trace.labels < 0).any():
                raise DataError(f"{file} must hold labelled samples.")
        return trace

    @cached_property
    def load(self) -> Workload:
        """Workload of full runs."""
        with mendable(self.path / WORKLOAD_FILE):
            return Workload.read(self.path / WORKLOAD_FILE)

    def write_test(self, trace: ScoreTrace, load: Workload) -> None:
        """Write what full runs on the test images gave."""
        trace.write(self.path / TRACE_FILE)
        load.write(self.path / WORKLOAD_FILE)
        vars(self).update(trace=trace, load=load)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder while working in it; raises RunError if another process does.

        Everything is read anew, since another process may have extended it before.
        """
        with Run.hold(self.path) as found:
            network = self.network
            vars(self).clear()
            vars(self).update(vars(found), network=network)
            yield

    @classmethod
    @contextmanager
    def hold(cls, path: str | os.PathLike[str]) -> Iterator[Run]:
        """Open a run and hold its folder while working in it; raises RunError if another process does.

        Temporary files that killed processes left are removed.
        """
        folder = Path(path)
        if not (folder / "run.json").exists():
            cls.open(folder)  # says what is wrong, and leaves no lock where there is no run
        with folder_lock(folder):
            found = cls.open(folder)
            remove_leftovers([folder, folder / PICTURES, *folder.glob("exits/*/")])
            yield found

    def _write(self) -> None:
        write_json(self.path / "run.json", self.record)


def _refuse_foreign(folder: Path) -> None:
    """Raise RunError if a file or folder of the names that a run takes is there without a run: it is somebody's."""
    found = [name for name in OF_A_RUN if (folder / name).exists()]
    if found:
        raise RunError(
            f"{folder} must hold none of the files of a run before one begins there; it holds {', '.join(found)}. "
            "Choose another folder with --out, or move them."
        )


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder; raises RunError if another process does."""
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise RunError(
            f"{folder} must be used by one process at a time; another one holds it. Wait or choose another."
        ) from None


def find_runs(path: str | os.PathLike[str]) -> list[Run]:
    """The run in this folder, or the runs in the folders below it, by name.

    Raises
    ------
    DataError
        If there is none.
    """
    folder = Path(path)
    if (folder / "run.json").exists():
        return [Run.open(folder)]
    runs = [Run.open(below.parent) for below in sorted(folder.glob("*/run.json"))]
    if not runs:
        raise DataError(f"{folder} must be a run folder or hold some; found no run.json. Is the path right?")
    return runs


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
