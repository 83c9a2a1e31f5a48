"""``spikewise compare``: runs side by side, figure by figure."""

from pathlib import Path
from typing import Annotated

import typer

from spikewise.errors import ParameterError

from .output import emit


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders of runs.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the table in Markdown.")] = False,
) -> None:
    """Show accuracy, early exit and price of several runs side by side, a column per exit setting."""
    from spikewise.report.cells import as_markdown as in_markdown
    from spikewise.report.tables.runs import columns_of, numbers_of, runs_table
    from spikewise.runs.folder import find_runs

    if as_json and as_markdown:
        raise ParameterError("--json and --markdown exclude each other; got both. Choose one.")
    columns = columns_of([run for folder in runs for run in find_runs(folder)])
    if as_markdown:
        typer.echo(in_markdown(runs_table(columns)))
    else:
        emit({"columns": [numbers_of(column) for column in columns]}, runs_table(columns), as_json=as_json)
