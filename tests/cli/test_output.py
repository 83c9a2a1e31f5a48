"""What a person sees while a command works."""

import io

import pytest
from rich.console import Console

from spikewise.cli.output import progress

EPOCH = ("train vgg5 on fashion-mnist", 12, 20, "loss 0.123, validation 98.21%")
SAMPLES = ("learn stdp100 on digits", 20_634, 60_000, "samples")


def shown(*tasks, width=80):
    """Lines of the progress display 72 seconds after these tasks began."""
    now = 0.0
    console = Console(file=io.StringIO(), width=width)
    bars = progress(console)
    bars.get_time = lambda: now
    bars._get_time = bars.get_time
    ids = [bars.add_task(title, total=total, note="") for title, _, total, _ in tasks]
    for now in (0.0, 36.0, 72.0):  # an epoch of the longer kind
        for task, (_, done, _, note) in zip(ids, tasks, strict=True):
            bars.update(task, completed=int(done * now / 72), note=note)
    console.print(bars.get_renderable())
    return console.file.getvalue().splitlines()


def test_counts_times_and_notes_fit_into_80_columns():
    epoch, samples = shown(EPOCH, SAMPLES)
    for line, (title, done, total, note) in zip((epoch, samples), (EPOCH, SAMPLES), strict=True):
        assert line.startswith(title + " ")
        assert f"{done}/{total} {note}" in line
        assert "1:12" in line
    assert "1:12<2:18" in samples  # 39,366 samples at 20,634 in 72 s, rounded up


def test_a_narrow_terminal_cuts_the_note_alone():
    (line,) = shown(SAMPLES, width=52)
    assert line.startswith("learn stdp100 on digits")
    assert "1:12<2:18" in line
    assert line.rstrip().endswith("…")


@pytest.mark.parametrize("total", [None, 20])
def test_a_stage_without_an_end_or_at_its_end_shows_no_time_left(total):
    (line,) = shown(("search", 20, total, ""))
    assert "1:12" in line
    assert "<" not in line
    assert f"20/{total or '?'}" in line
