"""The directive ``commands``: one section per command with the help that the command itself prints."""

import typer
from docutils import nodes
from docutils.parsers.rst import Directive
from rich.text import Text
from typer.testing import CliRunner

from spikewise.cli.app import application

spikewise = application()


def help_of(*command: str) -> str:
    """What ``spikewise COMMAND --help`` prints, without the white space around it."""
    shown = CliRunner().invoke(spikewise, [*command, "--help"], prog_name="spikewise", env={"COLUMNS": "88"}).output
    return "\n".join(line.rstrip() for line in Text.from_ansi(shown).plain.strip().splitlines())


class Commands(Directive):
    """Sections for all commands, in the order of the app."""

    def run(self) -> list[nodes.Node]:
        text = help_of()
        sections: list[nodes.Node] = [nodes.literal_block(text, text, language="text")]
        for name in typer.main.get_command(spikewise).commands:
            text = help_of(name)
            section = nodes.section(ids=[f"spikewise-{name}"], names=[f"spikewise {name}"])
            section += nodes.title("", "", nodes.literal("", f"spikewise {name}"))
            section += nodes.literal_block(text, text, language="text")
            sections.append(section)
        return sections


def setup(app):
    app.add_directive("commands", Commands)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
