"""``spikewise zoo``: the trained networks that ship, and a run folder of one of them."""

from pathlib import Path
from typing import Annotated

import typer

from .output import NOTES, emit


def zoo(
    name: Annotated[str, typer.Argument(help="A network, to be shown; all are listed if absent.")] = "",
    out: Annotated[Path | None, typer.Option(help="Make a run of the network in this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the trained networks that ship, show the card of one, or make a run of it for the other commands."""
    from spikewise.errors import ParameterError
    from spikewise.report.tables.zoo import card_table, zoo_table
    from spikewise.workflow.zoo import run_from_zoo
    from spikewise.zoo.load import load_card, model_names

    if not name:
        if out is not None:
            raise ParameterError("--out needs the name of a network; got none. spikewise zoo lists them.")
        cards = [load_card(each) for each in model_names()]
        emit({"models": [card.model_dump(mode="json") for card in cards]}, zoo_table(cards), as_json=as_json)
        return
    card = load_card(name) if out is None else run_from_zoo(name, out)[1]
    emit(card.model_dump(mode="json"), card_table(card), as_json=as_json)
    if out is not None:
        NOTES.print(f"Run: {out}. Next: spikewise price {out}", markup=False, soft_wrap=True)
