"""``spikewise stdp``: learn without labels, name what was learned, stop early, price, and draw it."""

import time
import warnings
from pathlib import Path
from typing import Annotated, Literal

import typer

from spikewise.errors import ParameterError
from spikewise.workflow.settings.stdp import STDPSettings

from .options import Spelled, Watts, is_whole, options
from .output import NOTES, emit, progress, stages_on

_MOST_BITS = 8


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
    if not (is_whole(word) and 1 <= int(word) <= _MOST_BITS):
        raise ParameterError(f"--bits must be auto, float or a whole number in 1..{_MOST_BITS}; got {word!r:.60}.")
    return int(word)


SPELLED = {
    "n_neurons": Spelled("--neurons"), "n_bits": Spelled("--bits", n_bits_of, none="float"),
    "n_steps": Spelled("--steps"), "n_epochs": Spelled("--epochs"), "batch_size": Spelled("--batch"),
}  # fmt: skip


@options(STDPSettings, SPELLED)
def stdp(
    settings: STDPSettings,
    jobs: Annotated[int, typer.Option(help="Threads, which change no result; -1 for all.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/DATA-stdpNEURONS-SEED if absent.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in that folder.")] = False,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    watts: Watts = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Learn without labels, label, stop early and price; with controls, pictures and a page."""
    from spikewise.energy.meter import EnergyMeter
    from spikewise.report.tables.stdp import stdp_table
    from spikewise.workflow.stdp import run_stdp

    began = time.perf_counter()
    if jobs != -1 and jobs < 1:
        raise ParameterError(f"--jobs must be -1 or at least 1; got {jobs}. -1 uses all processors.")
    meter = EnergyMeter(watts)
    folder = out or Path("runs") / f"{Path(settings.data).stem}-stdp{settings.n_neurons}-{settings.seed}"
    with warnings.catch_warnings(record=True) as caught, progress() as bars:
        warnings.simplefilter("always", UserWarning)
        results = run_stdp(settings, folder, stages_on(bars), root, resume=resume, n_jobs=jobs, meter=meter)
    emit(results, stdp_table(results), as_json=as_json)
    told = [*results.health.problems, *(str(each.message) for each in caught), *results.page.remarks]
    for remark in dict.fromkeys(told):
        NOTES.print("note:", remark, markup=False, soft_wrap=True)
    page = results.page.report or results.pictures
    NOTES.print(f"Report: {page}   ({time.perf_counter() - began:.0f} s)", markup=False, soft_wrap=True)
