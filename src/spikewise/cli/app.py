"""The commands, and what happens when one of them fails."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from spikewise import __version__
from spikewise.errors import SpikewiseError

from .compare import compare
from .data import data
from .demo import demo
from .exit import exit_
from .output import NOTES
from .platforms import platforms
from .price import price
from .report import report
from .search import search
from .shrink import shrink
from .stdp import stdp
from .stream import stream
from .sweep import sweep
from .train import train
from .zoo import zoo

app = typer.Typer(
    name="spikewise",
    help="Spiking neural networks that are cheap to train, run and build, and that tell what they cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
_COMMANDS = {
    command.__name__.rstrip("_"): command
    for command in (
        demo, train, stdp, exit_, stream, shrink, search, sweep, zoo, data, price, platforms, compare, report,
    )
}  # fmt: skip
for name, command in _COMMANDS.items():
    app.command(name)(command)


# Typer brings its own copy of click from some version on; this is ClickException of whichever it uses.
_UsageProblem: type[BaseException] = typer.BadParameter.__mro__[2]
_INTERRUPTED = 130  # 128 + SIGINT; Typer returns it by itself


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        sys.stdout.write(f"spikewise {__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Spiking neural networks that are cheap to train, run and build, and that tell what they cost."""


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns 0, 2 after an error with one clear message, 130 after Ctrl-C."""
    try:
        code = int(app(list(arguments), standalone_mode=False, prog_name="spikewise") or 0)
        sys.stdout.flush()  # so that a full disk behind it shows here
    except _UsageProblem as error:
        error.show()  # type: ignore[attr-defined]
        return 2
    except SpikewiseError as error:
        NOTES.print("error:", str(error), markup=False, soft_wrap=True)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return 1
    except OSError as error:
        _forget_output()
        NOTES.print("error:", str(error), markup=False, soft_wrap=True)
        return 2
    if code == _INTERRUPTED:
        flag = " with --resume" if _has_resume(arguments) else ""
        NOTES.print(f"interrupted; run the same command again{flag} to go on where it stopped.")
    return code


def _has_resume(arguments: Sequence[str]) -> bool:
    """Whether the command goes on only when it is told to."""
    command = _COMMANDS.get(next(iter(arguments), ""))
    return command is not None and "resume" in inspect.signature(command).parameters


def _forget_output() -> None:
    """Let the interpreter end without trying once more to write what cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
