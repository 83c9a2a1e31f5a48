"""``spikewise stream``: watch a trained network make up its mind about one sample, step by step."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from spikewise.errors import ParameterError
from spikewise.report.cells import visible

from .output import NOTES

_BAR = 30


def stream(
    run: Annotated[Path, typer.Argument(help="A run folder whose network is trained.")],
    index: Annotated[int | None, typer.Option(help="Which of the test images; the first if absent.")] = None,
    image: Annotated[
        Path | None, typer.Option(help="Instead: a picture, or a .npy array (C, H, W) or (T, C, H, W).")
    ] = None,
    exit_name: Annotated[str, typer.Option("--exit", help="Exit setting of the run; the newest if empty.")] = "",
    full: Annotated[bool, typer.Option("--full", help="Never stop early.")] = False,
    data: Annotated[str | None, typer.Option(help="Where the data of the run are, if not found by name.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder to look for data in first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per step.")] = False,
) -> None:
    """Watch a trained network make up its mind about one sample, step by step."""
    from spikewise.workflow.stream import open_watch

    if image is not None and (index is not None or data is not None or root is not None):
        raise ParameterError(
            "--image must stand without --index, --data and --root, which say which test image to take."
        )
    if full and exit_name:
        raise ParameterError(f"--full must stand without --exit: nothing stops early; got {exit_name!r}.")
    if index is not None and index < 0:
        raise ParameterError(f"--index must be at least 0; got {index}.")
    watch = open_watch(run, index=index or 0, image=image, exit_name=exit_name, full=full, data=data, root=root)
    for answer in watch.answers:
        name = visible(watch.class_names[answer.label])
        if as_json:
            line = {
                "step": answer.step, "label": answer.label, "class": name, "confidence": answer.confidence,
                "is_last": answer.is_last,
            }  # fmt: skip
            sys.stdout.write(json.dumps(line) + "\n")
        else:
            bar = "#" * round(_BAR * answer.confidence)
            mark = "  stops" if answer.is_last else ""
            sys.stdout.write(f"step {answer.step:>4}  {bar:<{_BAR}} {answer.confidence:6.1%}  {name}{mark}\n")
        sys.stdout.flush()
    if watch.label is not None:
        NOTES.print(f"true class: {watch.class_names[watch.label]}", markup=False, soft_wrap=True)
