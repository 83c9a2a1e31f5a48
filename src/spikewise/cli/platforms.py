"""``spikewise platforms``: what networks can be priced on, and the settings and constants behind it."""

from typing import Annotated, Any

import typer

from .output import emit


def platforms(
    name: Annotated[str, typer.Argument(help="A platform, or its TOML file, to be shown with all constants.")] = "",
    schema: Annotated[str, typer.Option(help="Print the JSON schema of files of this kind, such as imc.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the platforms, or show one with its settings, its constants and their sources."""
    if schema:
        _show_schema(schema, name)
    elif name:
        _show_one(name, as_json=as_json)
    else:
        _show_all(as_json=as_json)


def _show_schema(kind: str, name: str) -> None:
    from spikewise.errors import ParameterError, unknown_name
    from spikewise.price.platform import KINDS
    from spikewise.price.schema import platform_schema

    if name:
        raise ParameterError(f"--schema takes a kind of platforms and no platform; got {name!r} too. Leave one out.")
    if kind not in KINDS:
        raise unknown_name("--schema", kind, KINDS)
    emit(platform_schema(kind), as_json=True)


def _show_all(*, as_json: bool) -> None:
    from spikewise.price.platform import load_platform
    from spikewise.price.preset import platform_names
    from spikewise.price.quantity import weakest
    from spikewise.report.cells import add_row, new_table

    rows: list[dict[str, Any]] = [
        {
            "name": known,
            "kind": platform.kind,
            "label": platform.label,
            "weakest_tag": weakest(constant.tag for constant in platform.quantities()),
        }
        for known in platform_names()
        for platform in [load_platform(known)]
    ]
    headers = ("platform", "kind", "weakest constant", "how far to trust it")
    table = new_table("", headers, ["spikewise platforms NAME shows one with all settings and constants"], range(4))
    table.columns[0].no_wrap = True
    for row in rows:
        add_row(table, row["name"], row["kind"], row["weakest_tag"], row["label"])
    emit({"platforms": rows}, table, as_json=as_json)


def _show_one(name: str, *, as_json: bool) -> None:
    from spikewise.price.analysis.coverage import coverage_of
    from spikewise.price.platform import load_platform
    from spikewise.report.cells import add_row, new_table
    from spikewise.report.tables import platform as shown
    from spikewise.report.tables.platforms import coverage_rows

    platform = load_platform(name)
    notes = new_table(f"{platform.name}: notes", ("", ""), left=(0, 1))
    notes.show_header, notes.box, notes.title_justify = False, None, "left"
    for note in platform.notes:
        add_row(notes, "-", note)
    scope = new_table(f"{platform.name}: what a price includes", ("term", "included"), left=(0, 1))
    for term, cells in coverage_rows([platform]):
        add_row(scope, term, *cells)
    memory = shown.memory_table(platform)
    tables = [shown.settings_table(platform), shown.constants_table(platform), *([memory] if memory else []), scope]
    value = {
        "name": platform.name,
        "kind": platform.kind,
        "label": platform.label,
        "notes": list(platform.notes),
        "settings": {key: setting for key, (setting, _) in shown.settings_of(platform).items()},
        "constants": {
            key: {"name": title, **constant.model_dump()}
            for key, (title, constant) in shown.constant_names(platform).items()
        },
        "sram": shown.memory_rows(platform),
        "scope": dict(coverage_of(platform)),
    }
    emit(value, *tables, notes, as_json=as_json)
