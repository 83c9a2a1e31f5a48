"""How every command shows its result: tables for people, one JSON object for programs."""

import json
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from spikewise.report.cells import plain, visible


class PlainConsole(Console):
    """Shows texts as they are: names come from outside, so a bracket is no markup and no control character gets out."""

    def render_str(self, text: str, *args: Any, **options: Any) -> Text:
        """The text itself; whatever is asked for markup, emoji or highlights is ignored."""
        layout = {key: options[key] for key in ("style", "justify", "overflow") if options.get(key) is not None}
        return Text(visible(text), **layout)


NOTES = PlainConsole(stderr=True, highlight=False)
"""Progress and remarks go to standard error, so that standard output can be piped."""


def emit(value: Any, *tables: RenderableType, as_json: bool = False) -> None:
    """Print the tables, or with ``as_json`` exactly one JSON object, on standard output.

    The value is a table of plain values, or the results of a command (:mod:`spikewise.runs.results`).
    """
    if as_json:
        from spikewise.runs.results import as_plain

        sys.stdout.write(json.dumps(as_plain(value), allow_nan=False) + "\n")
        return
    console = PlainConsole(highlight=False)
    for table in tables:
        console.print(table)


def progress(console: Console = NOTES) -> Progress:
    """Progress bars with ``elapsed<left`` as tqdm writes it, on standard error; a narrow terminal cuts the note."""
    return _Bars(
        _Title(Column(no_wrap=True)),
        BarColumn(bar_width=6, table_column=Column(no_wrap=True)),
        _Times(Column(no_wrap=True)),
        _Note(Column()),  # the only one that may shrink
        console=console,
        speed_estimate_period=3600,  # an epoch may take many minutes
        transient=False,
    )


def stages_on(bars: Progress) -> Callable[[str], Callable[[float, int, str], None]]:
    """Opens a bar per stage of a workflow, and gives the function that moves it."""

    def open_stage(title: str) -> Callable[[float, int, str], None]:
        task = bars.add_task(title, total=None, note="")
        return lambda done, total, note: bars.update(task, completed=done, total=total, note=note)

    return open_stage


class _Bars(Progress):
    """Leaves no empty line behind where there was nothing to show, such as before an error."""

    def stop(self) -> None:
        if self.tasks:
            super().stop()
        else:
            self.live.stop()


class _Title(ProgressColumn):
    """What is done, with names from outside."""

    def render(self, task: Task) -> Text:
        return plain(task.description)


class _Times(ProgressColumn):
    """Time so far and, while there is something left and it can be told, the time left."""

    def render(self, task: Task) -> Text:
        elapsed = task.finished_time if task.finished else task.elapsed
        left = None if task.finished else task.time_remaining
        return Text(_clock(elapsed or 0) + ("" if left is None else f"<{_clock(left)}"), style="progress.elapsed")


class _Note(ProgressColumn):
    """How much of how much is done, and the remark of the stage."""

    def render(self, task: Task) -> Text:
        total = "?" if task.total is None else int(task.total)
        note = visible(f"{int(task.completed)}/{total} {task.fields['note']}")
        return Text(note, no_wrap=True, overflow="ellipsis")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
