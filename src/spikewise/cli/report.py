"""``spikewise report``: one self-contained page about a run, or about all runs of a folder."""

from pathlib import Path
from typing import Annotated

import typer

from .output import emit


def report(
    run: Annotated[Path, typer.Argument(help="A run folder, or a folder of runs.")],
    out: Annotated[Path | None, typer.Option(help="The page to write; report.html in the folder if absent.")] = None,
    watts: Annotated[
        float | None, typer.Option(help="Mean power of the machine that made the runs: joules from their seconds.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write one self-contained HTML page about a run, or about all runs of a folder."""
    from spikewise.report.page.page import write_page
    from spikewise.runs.folder import find_runs

    runs = find_runs(run)
    page = out or run / "report.html"
    write_page(runs, page, watts=watts)
    emit({"report": str(page), "runs": [str(each.path) for each in runs]}, f"Report: {page}", as_json=as_json)
