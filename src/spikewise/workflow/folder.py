"""The folder of a command that makes one run: taken only when that is meant, and closed with a page."""

from pathlib import Path

from spikewise.errors import MissingExtraError, RunError
from spikewise.runs.folder import Run
from spikewise.runs.results import Page


def is_new(out: Path, resume: bool) -> bool:
    """Whether the folder holds no run yet.

    Raises
    ------
    RunError
        If it holds one and ``resume`` is false.
    """
    is_there = (out / "run.json").exists()
    if is_there and not resume:
        raise RunError(
            f"{out} must not hold a run yet; it does. Go on with it by --resume, or choose another by --out."
        )
    return not is_there


def page_of(run: Run, watts: float | None, *more: str) -> Page:
    """Write ``report.html`` if the packages for it are there; says where it is, and what there is to remark."""
    from spikewise.report.page.page import write_page

    path = run.path / "report.html"
    try:
        write_page([run], path, watts=watts)
    except MissingExtraError as error:
        return Page(None, [f"report.html was not written: {error}", *more])
    return Page(str(path), [*more])


def nothing_to_resume(out: Path, is_missed: bool) -> tuple[str, ...]:
    """Remark on a run that was to go on and was not there."""
    return (f"{out} held no run to go on with, so this is a new one.",) if is_missed else ()
