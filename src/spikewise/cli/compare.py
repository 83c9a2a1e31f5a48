"""``spikewise compare``: runs side by side, figure by figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from spikewise.errors import ParameterError

from .show import emit


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders of runs.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the table in Markdown.")] = False,
) -> None:
    """Show accuracy, early exit and price of several runs side by side, a column per exit setting."""
    from spikewise.report.compare_table import as_markdown as in_markdown
    from spikewise.report.contents import RunContents
    from spikewise.report.summary import ROWS
    from spikewise.runs import find_runs

    if as_json and as_markdown:
        raise ParameterError("--json and --markdown exclude each other; got both. Choose one.")
    contents = [RunContents.read(run) for folder in runs for run in find_runs(folder)]
    columns = [(run, found) for run in contents for found in (run.exits or (None,))]
    names = [f"{run.name}, {found.figures.name}" if found else run.name for run, found in columns]
    if len(columns) < 2:
        raise ParameterError(
            f"runs must give two columns or more to compare; got {', '.join(names)}. Name another run."
        )
    caption = "prices of different platforms have different scopes"
    table = Table(title="runs side by side", caption=caption, caption_justify="left")
    for name in ("", *names):
        table.add_column(name, justify="right" if name else "left", overflow="fold")
    rows = {title: [cell(run, found) for run, found in columns] for title, cell in ROWS}
    for title, cells in rows.items():
        table.add_row(title, *("\n".join([cell.main, *cell.notes]) for cell in cells))
    if as_markdown:
        typer.echo(in_markdown(table))
        return
    values = {
        title: [{"value": cell.main, "notes": list(cell.notes)} for cell in cells] for title, cells in rows.items()
    }
    emit({"columns": names, "rows": values}, table, as_json=as_json)
