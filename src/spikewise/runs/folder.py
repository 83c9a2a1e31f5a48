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
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spikewise._files import as_json, differences, make_folder, mendable, read_json, remove_leftovers, write_json
from spikewise.errors import DataError, RunError

MODEL_FILE, TRACE_FILE, WORKLOAD_FILE = "model.safetensors", "trace.npz", "workload.json"
PICTURES = "pictures"  # folder of figures
# In exits/NAME, with a workload:
EXIT_FILE, CHOICE_FILE, COST_FILE, GALLERY_FILE = "exit.json", "choice.json", "cost.json", "gallery.npz"

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


class _Record(_Part):
    """What commands read of a record; a run that was interrupted has only a part of it."""

    kind: str
    data: _Data
    metrics: _Metrics


class Run:
    """A run folder.

    Make one with :meth:`start` or :meth:`open`.

    Parameters
    ----------
    path : Path
        The folder.
    record : dict
        Content of ``run.json``.

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

    @classmethod
    def start(cls, path: str | os.PathLike[str], *, kind: str, settings: Mapping[str, Any], seed: int) -> Run:
        """Open the run in this folder if it has the same kind, settings and seed, else begin it there anew.

        Raises
        ------
        RunError
            If the folder is a file, cannot be written, or holds a run with other settings.
        """
        folder = make_folder(path)
        wanted = as_json({"kind": kind, "settings": settings, "seed": seed})
        empty = {section: kind() for section, kind in _SECTIONS.items() if section not in ("settings", "versions")}
        run = cls(folder, {"format": _FORMAT, **wanted, "versions": _versions(), **empty})
        with folder_lock(folder):
            if not (folder / "run.json").exists():
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

    def exit_folder(self, name: str) -> Path:
        """Folder of one exit setting, whether or not it is there yet."""
        return self.path / "exits" / name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder while working in it; raises RunError if another process does.

        The record is read anew, since another process may have extended it before, and temporary files that killed
        processes left are removed.
        """
        with folder_lock(self.path):
            self.record = Run.open(self.path).record
            remove_leftovers([self.path, self.path / PICTURES, *self.path.glob("exits/*/")])
            yield

    def _write(self) -> None:
        write_json(self.path / "run.json", self.record)


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
