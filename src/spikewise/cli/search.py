"""``spikewise search``: the leanest network under a budget of memory and energy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError

from spikewise.errors import ParameterError

from .output import NOTES, emit, first_problem, progress, stages_on

_OPTIONS = {
    "n_neurons": "--neurons", "n_bits": "--bits", "n_steps": "--steps", "rule": "--rules", "n_trials": "--trials",
    "seed": "--seed", "limit": "--limit", "accuracy": "--min-accuracy",
}  # fmt: skip


def search(
    data: Annotated[
        str, typer.Option(help="Name of a data set, an .npz file or a folder of class folders.")
    ] = "digits",
    platform: Annotated[str, typer.Option(help="Platform that designs are priced on.")] = "digital-45nm",
    max_memory: Annotated[
        str | None, typer.Option(help="Weights and states of the network, such as 200kB (kB is 1000 B).")
    ] = None,
    max_energy: Annotated[str | None, typer.Option(help="Energy of an answer, such as 20uJ.")] = None,
    max_latency: Annotated[str | None, typer.Option(help="Time of an answer, such as 5ms.")] = None,
    min_accuracy: Annotated[float | None, typer.Option(help="Least accuracy, as a fraction.")] = None,
    trials: Annotated[int, typer.Option(help="Designs to train, at most.")] = 60,
    strategy: Annotated[
        Literal["auto", "enumerate", "sample", "fspinn"],
        typer.Option(help="All designs, a learning sampler, FSpiNN's growing network; auto by size of the space."),
    ] = "auto",
    neurons: Annotated[str | None, typer.Option(help="Neurons to choose from, such as 100,200,400.")] = None,
    bits: Annotated[str | None, typer.Option(help="Bits of a weight to choose from, such as 2,4,8.")] = None,
    steps: Annotated[str | None, typer.Option(help="Timesteps to choose from, such as 100,350.")] = None,
    rules: Annotated[str | None, typer.Option(help="Plasticity rules to choose from, such as lean,fspinn.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes that try designs.")] = 1,
    storage: Annotated[
        str | None, typer.Option(help="Database that machines share, such as postgresql://...; a file if absent.")
    ] = None,
    helper: Annotated[
        bool, typer.Option("--helper", help="Only help with the trials of a search that another process began.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Fixes every random choice.")] = 0,
    limit: Annotated[int | None, typer.Option(help="Training images to use, for a quick look.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the search; runs/DATA-search-SEED if absent.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search in that folder.")] = False,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find the network without labels that does best under a budget, train and test it."""
    from spikewise.report.tables.search import search_tables
    from spikewise.search.budget import budget_of
    from spikewise.search.designs import STDPSpace
    from spikewise.workflow.search import run_search
    from spikewise.workflow.settings.search import SearchSettings

    if jobs < 1:
        raise ParameterError(f"--jobs must be at least 1; got {jobs}.")
    choices: dict[str, Any] = {
        key: numbers_of(words, _OPTIONS[key])
        for key, words in (("n_neurons", neurons), ("n_bits", bits), ("n_steps", steps)) if words is not None
    }  # fmt: skip
    if rules is not None:
        choices["rule"] = tuple(word.strip() for word in rules.split(","))
        if not all(choices["rule"]):
            raise ParameterError(f"--rules must be names between commas, such as lean,fspinn; got {rules!r}.")
    try:
        settings = SearchSettings(
            data=data, space=STDPSpace(**choices), platform=platform,
            budget=budget_of(max_memory, max_energy, max_latency, min_accuracy),
            n_trials=trials, strategy=strategy, seed=seed, limit=limit,
        )  # fmt: skip
    except ValidationError as error:
        raise first_problem(error, _OPTIONS) from None
    folder = out or Path("runs") / f"{Path(data).stem}-search-{seed}"
    with progress() as bars:
        results = run_search(
            settings, folder, stages_on(bars), root, resume=resume, n_workers=jobs, storage=storage, is_helper=helper
        )
    if helper:
        NOTES.print(f"Nothing is left to help with in {folder}.", markup=False, soft_wrap=True)
        return
    emit(results, *search_tables(results), as_json=as_json)
    if results["chosen"] is not None:
        NOTES.print(f"Run: {results['chosen']['test']['run']}", markup=False, soft_wrap=True)
    NOTES.print(f"Picture: {results['picture']}   ({results['seconds']:.0f} s)", markup=False, soft_wrap=True)


def numbers_of(words: str, option: str) -> tuple[int, ...]:
    """Whole numbers between commas.

    Examples
    --------
    >>> numbers_of("100, 400", "--neurons")
    (100, 400)
    """
    parts = [word.strip() for word in words.split(",")]
    if not all(word.isdecimal() for word in parts):
        raise ParameterError(f"{option} must be whole numbers between commas, such as 100,400; got {words!r}.")
    return tuple(map(int, parts))
