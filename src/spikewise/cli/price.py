"""``spikewise price``: what a recorded network costs on a platform."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from spikewise._files import mendable
from spikewise.cli.show import emit
from spikewise.errors import DataError, ParameterError, unknown_name
from spikewise.runs import WORKLOAD_FILE

_DEFAULT = "rram-64-32nm"


def price(
    workload: Annotated[Path, typer.Argument(help="A workload, a table of layers, or a run folder that holds one.")],
    platform: Annotated[
        list[str] | None, typer.Option(help="Name of a platform, or its TOML file; several for a comparison.")
    ] = None,
    by: Annotated[str, typer.Option(help="Break the cost down by component, layer or step.")] = "component",
    exit_name: Annotated[str, typer.Option("--exit", help="Exit setting of the run; the newest if empty.")] = "",
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Show which constants move the energy most.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the breakdown as comma-separated values.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables in Markdown.")] = False,
) -> None:
    """Estimate energy, latency, area and memory of a network."""
    from spikewise.price.baseline import ann_baseline, can_be_dense
    from spikewise.price.ledger import BREAKDOWNS
    from spikewise.price.platform import load_platform
    from spikewise.price.stdp import phases_of
    from spikewise.price.tornado import sensitivity as swings_of
    from spikewise.report import compare_table
    from spikewise.report.table import assumption_table, breakdown_csv, breakdown_table, cost_table
    from spikewise.workload import Workload

    if as_json + as_csv + as_markdown > 1:
        raise ParameterError("--json, --csv and --markdown exclude each other; got more than one. Choose one.")
    chosen = next((known for known in BREAKDOWNS if known == by), None)
    if chosen is None:
        raise unknown_name("--by", by, BREAKDOWNS)
    path = find_workload(workload, exit_name)
    with mendable(path) if workload.is_dir() else nullcontext():  # a file of one's own is not to be deleted
        load = Workload.read(path)
    found = [load_platform(name) for name in platform or [_DEFAULT]]
    reports = [each.estimate(load) for each in found]
    if as_csv:
        for report in reports:
            sys.stdout.write(breakdown_csv(report, chosen))
        return
    beside = [load_platform(name).estimate(load) for name in _companions(found)]
    together = [*reports, *beside]
    tables: list[Table] = [cost_table(reports[0])] if len(reports) == 1 else []
    if len(together) > 1:
        tables.append(compare_table.platforms_table(together))
    tables += [breakdown_table(report, chosen) for report in reports]
    rivals = [ann_baseline(load, each) if can_be_dense(each) else None for each in found]
    tables.append(compare_table.pay_table(reports, rivals))
    counted = {each.name: phases_of(load, each) for each in found}
    tables += [compare_table.phases_table(phases, name) for name, phases in counted.items() if phases]
    swings = [swings_of(each, load) for each in found] if sensitivity else []
    tables += [
        compare_table.tornado_table(those, f"the energy on {each.name}")
        for each, those in zip(found, swings, strict=False)
    ]
    if as_markdown:
        sys.stdout.write("\n\n".join(compare_table.as_markdown(table) for table in tables) + "\n")
        return
    summaries = [report.summary() for report in reports]
    for summary, phases in zip(summaries, counted.values(), strict=True):
        summary["operations"] = {phase: report.summary() for phase, report in phases.items()}
    for summary, rival in zip(summaries, rivals, strict=True):
        summary["ann"] = None if rival is None else {key: getattr(rival, key) for key in ("energy_j", "latency_s")}
    for summary, those in zip(summaries, swings, strict=False):
        summary["sensitivity"] = [asdict(swing) for swing in those]
    value = summaries[0] if len(reports) == 1 else {"platforms": summaries}
    value["beside"] = [report.summary() for report in beside]
    emit(value, *tables, *(assumption_table(report) for report in reports), as_json=as_json)


def _companions(found: list[Any]) -> list[str]:
    """Platforms that want to be seen beside those that were asked for."""
    asked = {each.name for each in found}
    wanted = dict.fromkeys(getattr(each, "beside", None) for each in found)
    return [name for name in wanted if name is not None and name not in asked]


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
