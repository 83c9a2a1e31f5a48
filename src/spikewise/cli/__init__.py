"""The command line: one file per command, each reads, calls one function and shows.

:func:`main` is the entry point. Whatever goes wrong on purpose (a :class:`SpikewiseError`) becomes one
line on standard error and exit code 2; Ctrl-C ends with 130.
"""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the ``spikewise`` command and exit with its code."""
    from spikewise.cli.app import run

    sys.exit(run(sys.argv[1:] if arguments is None else arguments))
