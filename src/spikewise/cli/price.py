"""``spikewise price``: what a recorded network costs on a platform."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from spikewise._files import mendable
from spikewise.cli.show import emit
from spikewise.errors import DataError, ParameterError, unknown_name
from spikewise.runs import WORKLOAD_FILE


def price(
    workload: Annotated[Path, typer.Argument(help="A workload file, or a run folder that holds one.")],
    platform: Annotated[str, typer.Option(help="Name of a platform, or its TOML file.")] = "rram-64-32nm",
    by: Annotated[str, typer.Option(help="Break the cost down by component, layer or step.")] = "component",
    exit_name: Annotated[str, typer.Option("--exit", help="Exit setting of the run; the newest if empty.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the breakdown as comma-separated values.")] = False,
) -> None:
    """Estimate energy, latency, area and memory of a network."""
    from spikewise.price.estimate import estimate
    from spikewise.price.ledger import BREAKDOWNS
    from spikewise.report.table import assumption_table, breakdown_csv, breakdown_table, cost_table
    from spikewise.workload import Workload

    if as_json and as_csv:
        raise ParameterError("--json and --csv exclude each other; got both. Choose one.")
    chosen = next((known for known in BREAKDOWNS if known == by), None)
    if chosen is None:
        raise unknown_name("--by", by, BREAKDOWNS)
    path = find_workload(workload, exit_name)
    with mendable(path) if workload.is_dir() else nullcontext():  # a file of one's own is not to be deleted
        load = Workload.read(path)
    report = estimate(load, platform)
    if as_csv:
        sys.stdout.write(breakdown_csv(report, chosen))
        return
    emit(
        report.summary(),
        cost_table(report),
        breakdown_table(report, chosen),
        assumption_table(report),
        as_json=as_json,
    )


def find_workload(path: Path, exit_name: str = "") -> Path:
    """The workload file of a run folder: of the named or else newest exit setting, or of the run itself.

    Raises
    ------
    ParameterError
        If the run has no exit setting of that name.
    DataError
        If nothing there is a workload.
    """
    if path.is_file():
        if exit_name:
            raise ParameterError(f"--exit needs a run folder; got the file {path}. Leave it out.")
        return path
    exits = {file.parent.name: file for file in path.glob(f"exits/*/{WORKLOAD_FILE}")}
    if exit_name:
        if exit_name not in exits:
            raise unknown_name("exit setting", exit_name, exits or ["(none)"])
        return exits[exit_name]
    if exits:
        # Equal times are possible on coarse file systems: the name then decides, so that the choice is stable.
        return max(exits.values(), key=lambda file: (file.stat().st_mtime_ns, file.parent.name))
    if not (path / WORKLOAD_FILE).is_file():
        raise DataError(f"{path} must be a workload file or a run folder with a {WORKLOAD_FILE}; got neither.")
    return path / WORKLOAD_FILE
