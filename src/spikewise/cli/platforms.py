"""``spikewise platforms``: what networks can be priced on, and the constants behind it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from .show import emit


def platforms(
    name: Annotated[str, typer.Argument(help="A platform, or its TOML file, to be shown with all constants.")] = "",
    schema: Annotated[str, typer.Option(help="Print the JSON schema of files of this kind, such as imc.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the platforms, or show one with its constants and their sources."""
    from spikewise.errors import unknown_name
    from spikewise.price.platform import KINDS, load_platform
    from spikewise.price.preset import platform_names
    from spikewise.price.technology import constants_of, weakest

    if schema:
        if schema not in KINDS:
            raise unknown_name("--schema", schema, KINDS)
        emit(KINDS[schema].model_json_schema(), as_json=True)
        return
    if not name:
        rows = [
            {
                "name": known,
                "kind": platform.kind,
                "label": platform.label,
                "weakest_tag": weakest(constant.tag for _, constant in constants_of(platform)),
            }
            for known in platform_names()
            for platform in [load_platform(known)]
        ]
        table = Table(caption="spikewise platforms NAME shows the constants of one", caption_justify="left")
        for header in ("platform", "kind", "weakest constant", "how far to trust it"):
            table.add_column(header, no_wrap=header == "platform")
        for row in rows:
            table.add_row(row["name"], row["kind"], row["weakest_tag"], row["label"])
        emit({"platforms": rows}, table, as_json=as_json)
        return
    platform = load_platform(name)
    constants = dict(constants_of(platform))
    table = Table(title=platform.name, caption=platform.label, caption_justify="left")
    for header in ("constant", "value", "low to high", "unit", "per", "tag", "source"):
        table.add_column(header, justify="right" if header in ("value", "low to high") else "left")
    for key, constant in constants.items():
        band = "" if constant.low == constant.high else f"{constant.low:g} to {constant.high:g}"
        per = getattr(constant, "per", "")
        cells = (f"{constant.value:g}", band, constant.unit, per, constant.tag, constant.source)
        table.add_row(key.removeprefix("components."), *cells)
    notes = Table.grid(padding=(0, 1))
    for note in platform.notes:
        notes.add_row("-", note)
    settings = {"name": platform.name, "kind": platform.kind, "label": platform.label, "notes": list(platform.notes)}
    values = {key: constant.model_dump() for key, constant in constants.items()}
    emit({**settings, "constants": values}, table, notes, as_json=as_json)
