"""``spikewise demo``: both kinds of network, learned, stopped early, priced and reported."""

import time
from pathlib import Path
from typing import Annotated

import typer

from spikewise.workflow.settings.demo import DemoSettings

from .options import Spelled, Watts, options
from .output import NOTES, emit, progress, stages_on

SPELLED = {"n_steps": Spelled("--steps"), "n_neurons": Spelled("--neurons")}


@options(DemoSettings, SPELLED)
def demo(
    settings: DemoSettings,
    out: Annotated[Path | None, typer.Option(help="Folder of the two runs and the report.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    watts: Watts = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Learn, stop early, price and report, for a deep and for an STDP network."""
    from spikewise.energy.meter import EnergyMeter
    from spikewise.report.tables.demo import demo_table
    from spikewise.workflow.demo import run_demo

    began = time.perf_counter()
    meter = EnergyMeter(watts)
    folder = out or Path("runs") / f"demo-{Path(settings.data).stem}-{settings.seed}"
    with progress() as bars:
        results = run_demo(settings, folder, stages_on(bars), root, meter)
    emit(results, demo_table(results), as_json=as_json)
    NOTES.print(f"Report: {results.report}   ({time.perf_counter() - began:.0f} s)")
