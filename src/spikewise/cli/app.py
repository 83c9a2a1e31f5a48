"""The commands, and what happens when one of them fails."""

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Annotated

import typer

from spikewise import __version__
from spikewise.errors import SpikewiseError

from .output import NOTES

_HELP = "Spiking neural networks that are cheap to train, run and build, and that tell what they cost."
COMMANDS = (
    "demo", "train", "stdp", "exit", "stream", "shrink", "search", "sweep", "zoo", "data", "price", "platforms",
    "compare", "report",
)  # fmt: skip
"""Commands, in the order of the help; each is a file of this folder."""


@cache
def application(names: tuple[str, ...] = COMMANDS) -> typer.Typer:
    """The command line with some of the commands: one that is asked for need not wait until all are imported."""
    app = typer.Typer(
        name="spikewise", help=_HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )  # fmt: skip
    app.callback(help=_HELP)(options)
    for name in names:
        app.command(name)(_function_of(name))
    return app


def _function_of(name: str) -> Callable[..., None]:
    module = import_module(f"spikewise.cli.{name}")
    found: Callable[..., None] = getattr(module, "exit_" if name == "exit" else name)  # exit is a builtin
    return found


# Typer brings its own copy of click from some version on; this is ClickException of whichever it uses.
_UsageProblem: type[BaseException] = typer.BadParameter.__mro__[2]
_INTERRUPTED = 130  # 128 + SIGINT; Typer returns it by itself


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        sys.stdout.write(f"spikewise {__version__}\n")
        raise typer.Exit


def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Spiking neural networks that are cheap to train, run and build, and that tell what they cost."""


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns 0, 2 after an error with one clear message, 130 after Ctrl-C."""
    try:
        asked = next(iter(arguments), "")
        app = application((asked,) if asked in COMMANDS else COMMANDS)
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
    asked = next(iter(arguments), "")
    return asked in COMMANDS and "resume" in inspect.signature(_function_of(asked)).parameters


def _forget_output() -> None:
    """Let the interpreter end without trying once more to write what cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
