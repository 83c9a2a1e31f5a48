"""``spikewise search``: the leanest network under a budget of memory and energy."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from spikewise.errors import ParameterError
from spikewise.search.budget import quantity
from spikewise.workflow.settings.search import SearchSettings

from .options import Spelled, is_whole, options
from .output import NOTES, emit, progress, stages_on


def numbers_of(words: str, option: str) -> tuple[int, ...]:
    """Whole numbers between commas.

    Examples
    --------
    >>> numbers_of("100, 400", "--neurons")
    (100, 400)
    """
    parts = [word.strip() for word in words.split(",")]
    if not all(map(is_whole, parts)):
        raise ParameterError(f"{option} must be whole numbers between commas, such as 100,400; got {words!r:.60}.")
    return tuple(map(int, parts))


def _names_of(words: str) -> tuple[str, ...]:
    names = tuple(word.strip() for word in words.split(","))
    if not all(names):
        raise ParameterError(f"--rules must be names between commas, such as lean,fspinn; got {words!r}.")
    return names


LIMITS = {
    "memory_bits": Spelled("--max-memory", partial(quantity, unit="bit")),
    "energy_j": Spelled("--max-energy", partial(quantity, unit="J")),
    "latency_s": Spelled("--max-latency", partial(quantity, unit="s")), "accuracy": Spelled("--min-accuracy"),
}  # fmt: skip
SPELLED = {
    **{key: Spelled(flag, partial(numbers_of, option=flag))
       for key, flag in (("n_neurons", "--neurons"), ("n_bits", "--bits"), ("n_steps", "--steps"))},
    "rule": Spelled("--rules", _names_of), "n_trials": Spelled("--trials"), **LIMITS,
}  # fmt: skip


@options(SearchSettings, SPELLED)
def search(
    settings: SearchSettings,
    jobs: Annotated[int, typer.Option(help="Processes that try designs.")] = 1,
    storage: Annotated[
        str | None, typer.Option(help="Database that machines share, such as postgresql://...; a file if absent.")
    ] = None,
    helper: Annotated[
        bool, typer.Option("--helper", help="Only help with the trials of a search that another process began.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the search; runs/DATA-search-SEED if absent.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search in that folder.")] = False,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find the network without labels that does best under a budget, train and test it."""
    from spikewise.report.tables.search import search_tables
    from spikewise.workflow.search import run_search

    if jobs < 1:
        raise ParameterError(f"--jobs must be at least 1; got {jobs}.")
    folder = out or Path("runs") / f"{Path(settings.data).stem}-search-{settings.seed}"
    with progress() as bars:
        results = run_search(
            settings, folder, stages_on(bars), root, resume=resume, n_workers=jobs, storage=storage, is_helper=helper
        )
    if results is None:
        NOTES.print(f"Nothing is left to help with in {folder}.", markup=False, soft_wrap=True)
        return
    emit(results, *search_tables(results), as_json=as_json)
    if results.chosen is not None and results.chosen.test is not None:
        NOTES.print(f"Run: {results.chosen.test.run}", markup=False, soft_wrap=True)
    NOTES.print(f"Picture: {results.picture}   ({results.seconds:.0f} s)", markup=False, soft_wrap=True)
