"""The command ``spikewise data``: fetch a data set, check it, and say what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID
from rich.table import Table

from spikewise.cli.show import emit, progress


def data(
    name: Annotated[str, typer.Argument(help="digits, mnist, fashion-mnist, cifar10, an .npz or a folder.")],
    root: Annotated[Path | None, typer.Option(help="Folder to look in first, and to download to.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fetch and verify a data set."""
    from spikewise.data.images import read_splits, verify
    from spikewise.data.sources import open_source

    with progress() as bars:
        source = open_source(name, root, progress=_Bars(bars))
    splits = read_splits(source)
    is_verified = verify(source, splits)
    table = Table("split", "samples", "shape", "classes", title=f"{source.name}, read from {source.where}")
    for split, samples in splits.items():
        table.add_row(split, f"{samples.n_samples:,}", "×".join(map(str, samples.shape)), str(samples.n_classes))
    table.caption = "content verified" if is_verified else "no published content to compare with"
    value = {
        "name": source.name,
        "where": source.where,
        "classes": list(source.classes),
        "is_verified": is_verified,
        "splits": {
            split: {"n_samples": samples.n_samples, "shape": list(samples.shape), "sha256": samples.sha256}
            for split, samples in splits.items()
        },
    }
    emit(value, table, as_json=as_json)


class _Bars:
    """One progress bar per file, in kilobytes."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, file: str, n_done: int, n_total: int | None) -> None:
        total = None if n_total is None else n_total / 1000
        if file not in self.tasks:
            self.tasks[file] = self.bars.add_task(file, total=total, note="kB")
        self.bars.update(self.tasks[file], completed=n_done / 1000, total=total)
