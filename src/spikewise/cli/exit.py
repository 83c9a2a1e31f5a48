"""``spikewise exit``: choose when a trained network stops, really stop, and say what is gained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from spikewise.runs.exit_settings import TARGETS, ExitSettings

from .options import Spelled, Watts, options
from .output import NOTES, emit, progress, stages_on

_DEFAULT_DROP = 0.005
SPELLED = {"max_energy_j": Spelled("--max-energy"), "max_edp_js": Spelled("--max-edp")}


def one_target(asked: dict[str, Any], flags: Mapping[str, Any]) -> None:
    """A target that is a flag takes the place of the file's; without any, the usual loss of accuracy may be."""
    for name in TARGETS if flags.keys() & set(TARGETS) else ():
        if name not in flags:
            asked.pop(name, None)
    if all(asked.get(name) is None for name in TARGETS):
        asked["max_drop"] = _DEFAULT_DROP


@options(ExitSettings, SPELLED, one_target)
def exit_(
    settings: ExitSettings,
    run: Annotated[Path, typer.Argument(help="A run folder whose network is trained.")],
    data: Annotated[str | None, typer.Option(help="Where the data of the run are, if not found by name.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    watts: Watts = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Choose when a trained network stops, really stop, and say what is gained."""
    from spikewise.energy.meter import EnergyMeter
    from spikewise.report.tables.exit import exit_table
    from spikewise.workflow.exit import run_exit

    with progress() as bars:
        results = run_exit(run, settings, stages_on(bars), data=data, root=root, meter=EnergyMeter(watts))
    emit(results, exit_table(results), as_json=as_json)
    for remark in results.page.remarks:
        NOTES.print("note:", remark, markup=False, soft_wrap=True)
    page = f"   Report: {results.page.report}" if results.page.report else ""
    NOTES.print(f"Exit setting: {run / 'exits' / results.name}{page}", markup=False, soft_wrap=True)
