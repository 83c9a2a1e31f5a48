"""``spikewise sweep``: exit threshold times bits times platform for a network that is there, without training."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spikewise.errors import ParameterError
from spikewise.workflow.settings.sweep import SweepSettings

from .options import Spelled, options
from .output import NOTES, emit, progress, stages_on
from .search import LIMITS, numbers_of


def variations_of(words: list[str]) -> dict[str, tuple[Any, ...]]:
    """Values by key, as ``--vary`` names them: numbers where they look like some.

    Examples
    --------
    >>> variations_of(["mapping.adc_bits=4,6", "mapping.sign=count"])
    {'mapping.adc_bits': (4, 6), 'mapping.sign': ('count',)}
    """
    found: dict[str, tuple[Any, ...]] = {}
    for word in words:
        key, equals, values = word.partition("=")
        if not (key.strip() and equals and all(value.strip() for value in values.split(","))):
            raise ParameterError(f"--vary must be like mapping.adc_bits=4,6; got {word!r}.")
        if key.strip() in found:
            raise ParameterError(f"--vary must name each key once; got {key.strip()} again.")
        found[key.strip()] = tuple(_value(value.strip()) for value in values.split(","))
    return found


def _value(word: str) -> Any:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _widths_of(words: str) -> tuple[int, ...]:
    return numbers_of(words, "--bits") if words.strip() else ()


SPELLED = {
    **LIMITS, "bits": Spelled("--bits", _widths_of), "platform": Spelled("--platform", tuple, is_repeated=True),
    "vary": Spelled("--vary", variations_of, is_repeated=True), "n_images": Spelled("--images"),
}  # fmt: skip


@options(SweepSettings, SPELLED)
def sweep(
    settings: SweepSettings,
    run: Annotated[Path, typer.Argument(help="A run folder whose network is trained.")],
    data: Annotated[str | None, typer.Option(help="Where the data of the run are, if not found by name.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find the leanest bits, exit threshold and platform for a trained network."""
    from spikewise.report.tables.sweep import sweep_tables
    from spikewise.workflow.sweep import run_sweep

    with progress() as bars:
        results = run_sweep(run, settings, stages_on(bars), data=data, root=root)
    emit(results, *sweep_tables(results), as_json=as_json)
    if (taken := results.chosen) is not None:
        shrink = f"spikewise shrink {run} --bits {taken.network.split()[0]}, then " if "bits" in taken.network else ""
        NOTES.print(f"To have it: {shrink}spikewise exit with --max-drop {taken.max_drop_left:g}.", markup=False)
