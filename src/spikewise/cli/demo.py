"""``spikewise demo``: both kinds of network, learned, stopped early, priced and reported."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from .output import NOTES, emit, first_problem, progress, stages_on


def demo(
    data: Annotated[
        str, typer.Option(help="Name of a data set, an .npz file or a folder of class folders.")
    ] = "digits",
    out: Annotated[Path | None, typer.Option(help="Folder of the two runs and the report.")] = None,
    steps: Annotated[int, typer.Option(help="Timesteps of the deep network.")] = 4,
    neurons: Annotated[int, typer.Option(help="Neurons of the STDP network.")] = 100,
    epochs: Annotated[int | None, typer.Option(help="Epochs of the deep network; by size of the data.")] = None,
    platform: Annotated[str, typer.Option(help="Platform that the networks are priced on.")] = "rram-64-32nm",
    seed: Annotated[int, typer.Option(help="Fixes every random choice.")] = 0,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    watts: Annotated[
        float | None, typer.Option(help="Mean power of this machine from a wattmeter; counters, if any, if absent.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Learn, stop early, price and report, for a deep and for an STDP network."""
    from pydantic import ValidationError

    from spikewise.energy.meter import EnergyMeter
    from spikewise.report.tables.demo import demo_table
    from spikewise.workflow.demo import DemoSettings, run_demo

    began = time.perf_counter()
    try:
        settings = DemoSettings(
            data=data, n_steps=steps, n_neurons=neurons, epochs=epochs, platform=platform, seed=seed
        )
    except ValidationError as error:
        raise first_problem(error, _OPTIONS) from None
    meter = EnergyMeter(watts)
    folder = out or Path("runs") / f"demo-{Path(data).stem}-{seed}"
    with progress() as bars:
        results = run_demo(settings, folder, stages_on(bars), root, meter)
    emit(results, demo_table(results), as_json=as_json)
    NOTES.print(f"Report: {results.report}   ({time.perf_counter() - began:.0f} s)")


_OPTIONS = {"n_steps": "--steps", "n_neurons": "--neurons", "epochs": "--epochs", "seed": "--seed"}
