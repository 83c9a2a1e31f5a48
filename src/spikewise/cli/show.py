"""How every command shows its result: tables for people, one JSON object for programs."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

NOTES = Console(stderr=True, highlight=False)
"""Progress and remarks go to standard error, so that standard output can be piped."""


def emit(value: dict[str, Any], *tables: RenderableType, as_json: bool = False) -> None:
    """Print the tables, or with ``as_json`` exactly one JSON object, on standard output."""
    if as_json:
        sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")
        return
    console = Console(highlight=False)
    for table in tables:
        console.print(table)


def progress() -> Progress:
    """Progress bars with elapsed and remaining time, on standard error."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=NOTES,
        transient=False,
    )
