"""The command ``spikewise data``: fetch a data set, check it, and say what it holds."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID
from rich.table import Table

from .output import emit, progress


def data(
    name: Annotated[str, typer.Argument(help="Such as digits, cifar100, nmnist; an .npz or a folder.")],
    steps: Annotated[int, typer.Option(help="Frames that each event recording is read as.")] = 4,
    root: Annotated[Path | None, typer.Option(help="Folder to look in first, and to download to.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fetch and verify a data set."""
    from spikewise.data.catalog.sources import open_source
    from spikewise.data.images import read_splits, verify

    with progress() as bars:
        source = open_source(name, root, progress=_Bars(bars), n_steps=steps)
    splits = read_splits(source, skip_empty=True)
    is_verified = verify(source, splits)
    some = next(iter(splits.values()))
    shape, n_frames = some.shape, some.n_frames
    what = "pictures" if n_frames is None else "recordings"
    table = Table("split", what, "shape", "classes", title=f"{source.name}, read from {source.where}")
    parts = {}
    for split in ("train", "validation", "test"):
        samples = splits.get(split)
        n_samples, sha256 = (samples.n_samples, samples.sha256) if samples else (0, None)
        table.add_row(split, f"{n_samples:,}", _sides(shape), str(len(source.classes)))
        parts[split] = {"n_samples": n_samples, "shape": list(shape), "sha256": sha256}
    table.caption = "content verified" if is_verified else "no published content to compare with"
    if n_frames is not None:
        table.caption = f"sensor of {_sides(shape[1:])} pixels, {n_frames} frames a recording; {table.caption}"
    value = {
        "name": source.name,
        "where": source.where,
        "classes": list(source.classes),
        "is_verified": is_verified,
        "n_frames": n_frames,
        "sensor": None if n_frames is None else list(shape[1:]),
        "splits": parts,
    }
    emit(value, table, as_json=as_json)


def _sides(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


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
