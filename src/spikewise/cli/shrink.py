"""``spikewise shrink``: a network in fixed point, as a child of the run that trained it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from spikewise.errors import ParameterError

from .output import NOTES, emit, first_problem, progress, stages_on

_OPTIONS = {
    "bits": "--bits", "membrane_bits": "--membrane", "scale": "--scale", "rounding": "--rounding",
    "epochs": "--epochs", "lr": "--lr", "finetune": "--finetune", "max_drop": "--max-drop", "seed": "--seed",
}  # fmt: skip


def shrink(
    run: Annotated[Path, typer.Argument(help="A run folder whose network is trained.")],
    bits: Annotated[
        str,
        typer.Option(help="Of a weight: 8; 8,4 to choose for each layer; conv1=8,rest=4 to say it by layer."),
    ] = "8",
    membrane: Annotated[
        int | None, typer.Option(help="Bits of a membrane potential, of deep networks; 16 if absent.")
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(help="channel: a step per output channel (if absent); power2: Qi.f, one power of two per layer."),
    ] = None,
    rounding: Annotated[str, typer.Option(help="Of the weights: nearest, truncate or stochastic.")] = "nearest",
    finetune: Annotated[bool, typer.Option("--finetune", help="Train on with rounded weights.")] = False,
    epochs: Annotated[int | None, typer.Option(help="Epochs of that; 2 if absent.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate of that; 5e-4 if absent.")] = None,
    max_drop: Annotated[
        float | None, typer.Option(help="Loss of accuracy that choosing bits may cost, as a fraction; 0.005 if absent.")
    ] = None,
    platform: Annotated[str | None, typer.Option(help="Platform to price on; the run's last one if absent.")] = None,
    seed: Annotated[int, typer.Option(help="Fixes every random choice.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the new run; RUN-8bit or the like if absent.")] = None,
    data: Annotated[str | None, typer.Option(help="Where the data of the run are, if not found by name.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Put a trained network into fixed point, in a run of its own, and say what it gained and lost."""
    from spikewise.report.tables.shrink import shrink_table
    from spikewise.workflow.settings.shrink import ShrinkSettings
    from spikewise.workflow.shrink import run_shrink

    asked: dict[str, Any] = {
        "bits": widths_of(bits), "membrane_bits": membrane, "scale": scale, "rounding": rounding, "finetune": finetune,
        "epochs": epochs, "lr": lr, "max_drop": max_drop, "seed": seed,
    }  # fmt: skip
    try:
        settings = ShrinkSettings(**asked)
    except ValidationError as error:
        raise first_problem(error, _OPTIONS) from None
    with progress() as bars:
        results = run_shrink(run, settings, stages_on(bars), out=out, platform=platform, data=data, root=root)
    emit(results, shrink_table(results), as_json=as_json)
    for remark in results.page.remarks:
        NOTES.print("note:", remark, markup=False, soft_wrap=True)
    NOTES.print(f"Run: {results.run}", markup=False, soft_wrap=True)


def widths_of(words: str) -> tuple[int, ...] | dict[str, int]:
    """Bits as ``--bits`` names them.

    Examples
    --------
    >>> widths_of("8,4"), widths_of("conv1=8,rest=4")
    ((8, 4), {'conv1': 8, 'rest': 4})
    """
    parts = [word.strip() for word in words.split(",")]
    pairs = [word.partition("=") for word in parts]
    if all(word.isdecimal() for word in parts):
        return tuple(map(int, parts))
    if not all(name and number.isdecimal() for name, _, number in pairs):
        raise ParameterError(f"--bits must be like 8 or 8,4 or conv1=8,rest=4; got {words!r}.")
    names = [name for name, _, _ in pairs]
    if len(set(names)) < len(names):
        raise ParameterError(f"--bits must name each layer once; got {words!r}.")
    return {name: int(number) for name, _, number in pairs}
