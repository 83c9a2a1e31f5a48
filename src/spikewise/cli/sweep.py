"""``spikewise sweep``: exit threshold times bits times platform for a network that is there, without training."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from spikewise.errors import ParameterError

from .options import Spelled, problem
from .output import NOTES, emit, progress, stages_on
from .search import numbers_of


def sweep(
    run: Annotated[Path, typer.Argument(help="A run folder whose network is trained.")],
    bits: Annotated[str, typer.Option(help="Widths of weights to try, such as 8,6,4; none if empty.")] = "8,6,4",
    platform: Annotated[
        list[str] | None, typer.Option(help="Name of a platform, or its TOML file; several to compare.")
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(help="Values to try for a setting of the platforms, such as mapping.adc_bits=4,6,8."),
    ] = None,
    max_drop: Annotated[float, typer.Option(help="Loss of accuracy that may be, as a fraction.")] = 0.005,
    min_accuracy: Annotated[float | None, typer.Option(help="Least accuracy, as a fraction.")] = None,
    max_memory: Annotated[str | None, typer.Option(help="Weights and states, such as 500kB.")] = None,
    max_energy: Annotated[str | None, typer.Option(help="Energy of an answer, such as 20uJ.")] = None,
    max_latency: Annotated[str | None, typer.Option(help="Time of an answer, such as 5ms.")] = None,
    images: Annotated[int, typer.Option(help="Validation images to record, at most.")] = 2000,
    data: Annotated[str | None, typer.Option(help="Where the data of the run are, if not found by name.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find the leanest bits, exit threshold and platform for a trained network."""
    from spikewise.report.tables.sweep import sweep_tables
    from spikewise.search.budget import Budget, budget_of
    from spikewise.workflow.sweep import run_sweep

    try:
        budget = budget_of(max_memory, max_energy, max_latency, min_accuracy)
    except ValidationError as error:
        raise problem(Budget, {}, error, {"accuracy": Spelled("--min-accuracy")}) from None
    widths = numbers_of(bits, "--bits") if bits.strip() else ()
    with progress() as bars:
        results = run_sweep(
            run, stages_on(bars), bits=widths, platforms=platform or ["rram-64-32nm-physical"],
            vary=variations_of(vary or []), budget=budget, max_drop=max_drop, n_images=images, data=data, root=root,
        )  # fmt: skip
    emit(results, *sweep_tables(results), as_json=as_json)
    if results["chosen"] is not None:
        taken = results["chosen"]
        shrink = (
            f"spikewise shrink {run} --bits {taken['network'].split()[0]}, then " if "bits" in taken["network"] else ""
        )
        NOTES.print(f"To have it: {shrink}spikewise exit with --max-drop {taken['max_drop_left']:g}.", markup=False)


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
