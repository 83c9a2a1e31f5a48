"""``spikewise shrink``: a network in fixed point, as a child of the run that trained it."""

from pathlib import Path
from typing import Annotated

import typer

from spikewise.errors import ParameterError
from spikewise.workflow.settings.shrink import ShrinkSettings

from .options import Spelled, is_whole, options
from .output import NOTES, emit, progress, stages_on


def widths_of(words: str) -> tuple[int, ...] | dict[str, int]:
    """Bits as ``--bits`` names them.

    Examples
    --------
    >>> widths_of("8,4"), widths_of("conv1=8,rest=4")
    ((8, 4), {'conv1': 8, 'rest': 4})
    """
    parts = [word.strip() for word in words.split(",")]
    pairs = [word.partition("=") for word in parts]
    if all(map(is_whole, parts)):
        return tuple(map(int, parts))
    if not all(name and is_whole(number) for name, _, number in pairs):
        raise ParameterError(f"--bits must be like 8 or 8,4 or conv1=8,rest=4; got {words!r:.60}.")
    names = [name for name, _, _ in pairs]
    if len(set(names)) < len(names):
        raise ParameterError(f"--bits must name each layer once; got {words!r}.")
    return {name: int(number) for name, _, number in pairs}


SPELLED = {"bits": Spelled("--bits", widths_of), "membrane_bits": Spelled("--membrane")}


@options(ShrinkSettings, SPELLED)
def shrink(
    settings: ShrinkSettings,
    run: Annotated[Path, typer.Argument(help="A run folder whose network is trained.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the new run; RUN-8bit or the like if absent.")] = None,
    data: Annotated[str | None, typer.Option(help="Where the data of the run are, if not found by name.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Put a trained network into fixed point, in a run of its own, and say what it gained and lost."""
    from spikewise.report.tables.shrink import shrink_table
    from spikewise.workflow.shrink import run_shrink

    with progress() as bars:
        results = run_shrink(run, settings, stages_on(bars), out=out, data=data, root=root)
    emit(results, shrink_table(results), as_json=as_json)
    for remark in results.page.remarks:
        NOTES.print("note:", remark, markup=False, soft_wrap=True)
    NOTES.print(f"Run: {results.run}", markup=False, soft_wrap=True)
