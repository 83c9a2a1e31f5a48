"""The command ``spikewise data``: fetch a data set, check it, and say what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID
from rich.table import Table

from spikewise.cli.show import emit, progress


def data(
    name: Annotated[str, typer.Argument(help="Such as digits, cifar100, nmnist; an .npz or a folder.")],
    root: Annotated[Path | None, typer.Option(help="Folder to look in first, and to download to.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fetch and verify a data set."""
    from spikewise.data.images import read_splits, verify
    from spikewise.data.sources import open_source

    with progress() as bars:
        source = open_source(name, root, progress=_Bars(bars))
    splits = read_splits(source, skip_empty=True)
    is_verified = verify(source, splits)
    shape = next(iter(splits.values())).shape
    table = Table("split", "samples", "shape", "classes", title=f"{source.name}, read from {source.where}")
    parts = {}
    for split in ("train", "validation", "test"):
        samples = splits.get(split)
        n_samples, sha256 = (samples.n_samples, samples.sha256) if samples else (0, None)
        table.add_row(split, f"{n_samples:,}", "×".join(map(str, shape)), str(len(source.classes)))
        parts[split] = {"n_samples": n_samples, "shape": list(shape), "sha256": sha256}
    table.caption = "content verified" if is_verified else "no published content to compare with"
    value = {
        "name": source.name,
        "where": source.where,
        "classes": list(source.classes),
        "is_verified": is_verified,
        "splits": parts,
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
