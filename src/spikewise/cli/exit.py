"""``spikewise exit``: choose when a trained network stops, really stop, and say what is gained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from .output import NOTES, emit, first_problem, progress, stages_on

_DEFAULT_DROP = 0.005
_OPTIONS = {
    "max_drop": "--max-drop", "max_steps": "--max-steps", "max_energy_j": "--max-energy", "max_edp_js": "--max-edp",
    "confidence": "--confidence", "form": "--form", "rule": "--rule",
}  # fmt: skip


def exit_(
    run: Annotated[Path, typer.Argument(help="A run folder whose network is trained.")],
    max_drop: Annotated[
        float | None, typer.Option(help="Loss of accuracy that may be, as a fraction; 0.005 if nothing else is asked.")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="Guarantee it: how sure the loss must be within, such as 0.95.")
    ] = None,
    form: Annotated[
        str, typer.Option(help="Guarantee the loss of accuracy (drop) or answers spoiled (harm).")
    ] = "drop",
    conditional: Annotated[
        bool, typer.Option("--conditional", help="Guarantee it also among those that have left by each step.")
    ] = False,
    max_steps: Annotated[float | None, typer.Option(help="Instead: mean timesteps that may be used.")] = None,
    max_energy: Annotated[
        float | None, typer.Option(help="Instead: mean energy of an answer on the platform, in joules.")
    ] = None,
    max_edp: Annotated[
        float | None, typer.Option(help="Instead: mean energy-delay product on the platform, in joule seconds.")
    ] = None,
    rule: Annotated[str, typer.Option(help="What is read: entropy, confidence or margin.")] = "entropy",
    temperature: Annotated[
        bool, typer.Option("--temperature", help="Scale the evidence of each step to true probabilities first.")
    ] = False,
    platform: Annotated[str, typer.Option(help="Platform that the network is priced on.")] = "rram-64-32nm",
    data: Annotated[str | None, typer.Option(help="Where the data of the run are, if not found by name.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    watts: Annotated[
        float | None, typer.Option(help="Mean power of this machine from a wattmeter; counters, if any, if absent.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Choose when a trained network stops, really stop, and say what is gained."""
    from spikewise.energy.meter import EnergyMeter
    from spikewise.report.tables.exit import exit_table
    from spikewise.runs.exit_settings import ExitSettings
    from spikewise.workflow.exit import run_exit

    others = (max_drop, max_steps, max_energy, max_edp)
    asked: dict[str, Any] = {
        "max_drop": _DEFAULT_DROP if all(value is None for value in others) else max_drop, "max_steps": max_steps,
        "max_energy_j": max_energy, "max_edp_js": max_edp, "platform": platform, "confidence": confidence,
        "form": form, "conditional": conditional, "rule": rule, "temperature": temperature,
    }  # fmt: skip
    try:
        settings = ExitSettings(**asked)
    except ValidationError as error:
        raise first_problem(error, _OPTIONS) from None
    with progress() as bars:
        results = run_exit(run, settings, stages_on(bars), data=data, root=root, meter=EnergyMeter(watts))
    emit(results, exit_table(results), as_json=as_json)
    for remark in results.page.remarks:
        NOTES.print("note:", remark, markup=False, soft_wrap=True)
    page = f"   Report: {results.page.report}" if results.page.report else ""
    NOTES.print(f"Exit setting: {run / 'exits' / results.name}{page}", markup=False, soft_wrap=True)
