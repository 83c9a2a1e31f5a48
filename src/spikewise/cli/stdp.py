"""``spikewise stdp``: learn without labels, name what was learned, stop early, price, and draw it."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from spikewise.errors import ParameterError

from .output import NOTES, emit, first_problem, progress, stages_on

_MOST_BITS = 8
_OPTIONS = {
    "n_neurons": "--neurons", "n_steps": "--steps", "n_epochs": "--epochs", "batch_size": "--batch",
    "max_drop": "--max-drop", "rounding": "--rounding", "seed": "--seed", "limit": "--limit",
}  # fmt: skip


def stdp(
    data: Annotated[
        str, typer.Option(help="Name of a data set, an .npz file or a folder of class folders.")
    ] = "digits",
    neurons: Annotated[int, typer.Option(help="Neurons of the network.")] = 100,
    rule: Annotated[str, typer.Option(help="Plasticity rule, such as lean or first_spike.")] = "lean",
    bits: Annotated[
        str, typer.Option(help="Bits of a weight, 1 to 8; float; or auto, what the rule is made for.")
    ] = "auto",
    rounding: Annotated[
        str, typer.Option(help="How weight updates are rounded: stochastic, nearest or truncate.")
    ] = "stochastic",
    steps: Annotated[int, typer.Option(help="Timesteps for which an image is shown.")] = 350,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images; by their number if absent.")] = None,
    batch: Annotated[int, typer.Option(help="Images that meet the same frozen network; part of the model.")] = 1,
    jobs: Annotated[int, typer.Option(help="Threads, which change no result; -1 for all.")] = 1,
    decoder: Annotated[
        str, typer.Option(help="How output spikes become an answer: naive_bayes, proportion or votes.")
    ] = "naive_bayes",
    max_drop: Annotated[float, typer.Option(help="Loss of accuracy that early exit may cost, as a fraction.")] = 0.005,
    platform: Annotated[str, typer.Option(help="Platform that the network is priced on.")] = "rram-64-32nm",
    seed: Annotated[int, typer.Option(help="Fixes every random choice.")] = 0,
    limit: Annotated[int | None, typer.Option(help="Training images to use, for a quick look.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/DATA-stdpNEURONS-SEED if absent.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in that folder.")] = False,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    watts: Annotated[
        float | None, typer.Option(help="Mean power of this machine from a wattmeter; counters, if any, if absent.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Learn without labels, label, stop early and price; with controls, pictures and a page."""
    from pydantic import ValidationError

    from spikewise.energy.meter import EnergyMeter
    from spikewise.report.tables.stdp import stdp_table
    from spikewise.workflow.settings.stdp import STDPSettings
    from spikewise.workflow.stdp import run_stdp

    began = time.perf_counter()
    asked: dict[str, Any] = {
        "data": data, "n_neurons": neurons, "rule": rule, "n_bits": n_bits_of(bits), "rounding": rounding,
        "n_steps": steps, "n_epochs": epochs, "batch_size": batch, "decoder": decoder, "max_drop": max_drop,
        "platform": platform, "seed": seed, "limit": limit,
    }  # fmt: skip
    try:
        settings = STDPSettings(**asked)
    except ValidationError as error:
        raise first_problem(error, _OPTIONS) from None
    if jobs != -1 and jobs < 1:
        raise ParameterError(f"--jobs must be -1 or at least 1; got {jobs}. -1 uses all processors.")
    meter = EnergyMeter(watts)
    folder = out or Path("runs") / f"{Path(data).stem}-stdp{neurons}-{seed}"
    with warnings.catch_warnings(record=True) as caught, progress() as bars:
        warnings.simplefilter("always", UserWarning)
        results = run_stdp(settings, folder, stages_on(bars), root, resume=resume, n_jobs=jobs, meter=meter)
    emit(results, stdp_table(results), as_json=as_json)
    told = [*results.health.problems, *(str(each.message) for each in caught), *results.page.remarks]
    for remark in dict.fromkeys(told):
        NOTES.print("note:", remark, markup=False, soft_wrap=True)
    page = results.page.report or results.pictures
    NOTES.print(f"Report: {page}   ({time.perf_counter() - began:.0f} s)", markup=False, soft_wrap=True)


def n_bits_of(word: str) -> int | Literal["auto"] | None:
    """Bits of a weight as the estimators take them.

    Examples
    --------
    >>> n_bits_of("8"), n_bits_of("float"), n_bits_of("auto")
    (8, None, 'auto')
    """
    if word == "auto":
        return "auto"
    if word == "float":
        return None
    if not (word.isdecimal() and 1 <= int(word) <= _MOST_BITS):
        raise ParameterError(f"--bits must be auto, float or a whole number in 1..{_MOST_BITS}; got {word!r}.")
    return int(word)
