"""``spikewise price``: what a network costs on one platform or on several."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spikewise._files import mendable
from spikewise.errors import DataError, ParameterError, RunError, unknown_name
from spikewise.runs.names import WORKLOAD_FILE

from .output import emit

if TYPE_CHECKING:
    from spikewise.energy.measurement import Measurement
    from spikewise.workload.workload import Workload

_DEFAULT = "rram-64-32nm"
_MOST_RUNS = 20  # names in a message


def price(
    workload: Annotated[Path, typer.Argument(help="A workload, a table of layers, or a run folder that holds one.")],
    platform: Annotated[
        list[str] | None, typer.Option(help="Name of a platform, or its TOML file; several for a comparison.")
    ] = None,
    by: Annotated[str, typer.Option(help="Break the cost down by component, layer or timestep.")] = "component",
    exit_name: Annotated[str, typer.Option("--exit", help="Exit setting of the run; the newest if empty.")] = "",
    steps: Annotated[int | None, typer.Option(help="Timesteps of a table of layers.")] = None,
    exit_histogram: Annotated[
        str | None, typer.Option(help="Samples that leave a table's network after step 1, 2, ..., such as 75,12,5,8.")
    ] = None,
    watts: Annotated[
        float | None, typer.Option(help="Mean power of the machine that made the run: measured time becomes joules.")
    ] = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Show which constants move the energy most.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the breakdown as comma-separated values.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables in Markdown.")] = False,
) -> None:
    """Estimate energy, latency, area and memory of a network."""
    from spikewise.price.ledger import BREAKDOWNS
    from spikewise.price.platform import load_platform
    from spikewise.report.tables.priced import Priced

    if as_json + as_csv + as_markdown > 1:
        raise ParameterError("--json, --csv and --markdown exclude each other; got more than one. Choose one.")
    if as_csv and sensitivity:
        raise ParameterError("--csv has no columns for --sensitivity; got both. Choose --json or --markdown for it.")
    chosen = next((known for known in BREAKDOWNS if known == by), None)
    if chosen is None:
        raise unknown_name("--by", by, BREAKDOWNS)
    load = read_workload(workload, exit_name, steps, exit_histogram)
    found = [load_platform(name) for name in platform or [_DEFAULT]]
    priced = Priced.of(load, found, sensitivity=sensitivity, measured=read_measured(workload, exit_name, watts))
    if as_csv:
        sys.stdout.write(priced.to_csv(chosen))
    elif as_markdown:
        sys.stdout.write(priced.to_markdown(chosen))
    elif as_json:
        emit(priced.to_dict(), as_json=True)
    else:
        emit({}, *priced.tables(chosen))


def read_workload(
    path: Path, exit_name: str = "", steps: int | None = None, exit_histogram: str | None = None
) -> Workload:
    """The workload of a file or of a run; steps and exits of a table of layers may be given beside it.

    Raises
    ------
    ParameterError
        If what is given beside it fits no table.
    DataError
        If nothing there is a workload.
    """
    from spikewise.workload.table import read_layer_table
    from spikewise.workload.table_file import is_table
    from spikewise.workload.workload import Workload

    found = find_workload(path, exit_name)
    if is_table(found):
        return read_layer_table(found, n_steps=steps, exit_histogram=_counts(exit_histogram))
    for flag, value in (("--steps", steps), ("--exit-histogram", exit_histogram)):
        if value is not None:
            raise ParameterError(
                f"{flag} needs a table of layers; got {value!r} for {found}, which says it. Leave it out."
            )
    with mendable(found) if path.is_dir() else nullcontext():  # a file of one's own is not to be deleted
        return Workload.read(found)


def read_measured(path: Path, exit_name: str = "", watts: float | None = None) -> dict[str, Measurement] | None:
    """What the run in this folder took; None for a file.

    Raises
    ------
    ParameterError
        If there is power and no run.
    """
    from spikewise.energy.measurement import measured_of
    from spikewise.runs.folder import Run

    if (path / "run.json").exists():
        return measured_of(Run.open(path), exit_name, watts)
    if watts is not None:
        raise ParameterError(f"--watts needs a run folder, whose time was measured; got {path}. Leave it out.")
    return None


def find_workload(path: Path, exit_name: str = "") -> Path:
    """The workload file of a run folder: of the named or else newest exit setting, or of the run itself.

    Raises
    ------
    ParameterError
        If the run has no exit setting of that name.
    DataError
        If nothing there is a workload.
    RunError
        If the exit settings of the run cannot be read.
    """
    from spikewise.runs.folder import Run

    if path.is_file():
        if exit_name:
            raise ParameterError(f"--exit needs a run folder; got the file {path}. Leave it out.")
        return path
    if not path.exists():
        raise DataError(f"{path} must be a workload, a table of layers or a run folder; it does not exist.")
    exits = _exit_settings(path / "exits")
    if exit_name:
        if exit_name not in exits:
            raise unknown_name("exit setting", exit_name, exits or ["(none)"])
        return exits[exit_name]
    newest = Run.open(path).newest_exit if exits and (path / "run.json").exists() else None
    if newest is not None and newest.name in exits:
        return exits[newest.name]
    if exits:
        # Equal times are possible on coarse file systems: the name then decides, so that the choice is stable.
        return max(exits.values(), key=lambda file: (file.stat().st_mtime_ns, file.parent.name))
    if not (path / WORKLOAD_FILE).is_file():
        raise DataError(_what_is_there(path))
    return path / WORKLOAD_FILE


def _exit_settings(folder: Path) -> dict[str, Path]:
    """Workloads of the exit settings of a run, by name."""
    try:
        # Listed and not globbed: a glob takes what it may not read for empty, and the price would be without exit.
        settings = sorted(folder.iterdir()) if folder.is_dir() else []
        return {
            each.name: each / WORKLOAD_FILE for each in settings if each.is_dir() and WORKLOAD_FILE in os.listdir(each)
        }
    except OSError as error:
        raise RunError(
            f"{folder} must be readable, since the price depends on it; {error.strerror}. Mend its permissions."
        ) from None


def _what_is_there(folder: Path) -> str:
    """What to say of a folder without workload: the runs in it, if there are some."""
    if (folder / "run.json").exists():
        return (
            f"{folder} must be a run that was recorded on its test images; it is not yet. "
            f"Run: spikewise exit {folder} --max-drop 0.005"
        )
    runs = sorted({file.parent for level in ("*", "*/*") for file in folder.glob(f"{level}/run.json")})
    if not runs:
        return f"{folder} must be a workload file or a run folder with a {WORKLOAD_FILE}; got neither."
    names = ", ".join(str(run) for run in runs[:_MOST_RUNS]) + (", ..." if len(runs) > _MOST_RUNS else "")
    return f"{folder} must be a run itself; there are runs in it: {names}. Name one of them."


def _counts(text: str | None) -> list[int] | None:
    """Counts of an exit histogram; None where nothing was given."""
    if text is None:
        return None
    try:
        return [int(count) for count in text.split(",")]
    except ValueError:
        raise ParameterError(
            f"--exit-histogram must be whole numbers with commas between, such as 75,12,5,8; got {text!r}."
        ) from None
