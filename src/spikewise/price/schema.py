"""JSON schema of platform files, with which an editor completes and checks them.

A file is complete, or contains only what differs from the platform that it ``extends``
(:mod:`spikewise.price.preset`). The schema is that of a change, in which nothing is required; a file without
``extends`` must also satisfy the schema of a complete file. A single rate may stand for a list of one rate.
"""

from typing import Any

from spikewise.errors import unknown_name

from .platform import KINDS, settings_of

_CHANGE = "Change"
_REFERENCE = "#/$defs/"


def platform_schema(kind: str) -> dict[str, Any]:
    """Return the JSON schema of the files of one kind of platform.

    Examples
    --------
    >>> schema = platform_schema("imc")
    >>> sorted(schema["properties"])[:3], "extends" in schema["properties"]
    (['beside', 'components', 'extends'], True)
    """
    if kind not in KINDS:
        raise unknown_name("kind of platform", kind, KINDS)
    complete = _one_or_many(settings_of(kind).model_json_schema())
    parts = complete.pop("$defs")
    # A platform without a name is named after its file.
    complete["required"] = [key for key in complete["required"] if key != "name"]
    change = _change_of(complete)
    change["properties"]["extends"] = {"type": "string", "description": "a platform, or a TOML file beside this one"}
    if "components" in change["properties"]:
        added = {**complete["properties"]["components"], "description": "parts that the other platform has not"}
        change["properties"]["new_components"] = added
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **change,
        "if": {"not": {"required": ["extends"]}},
        "then": {"$ref": f"{_REFERENCE}{complete['title']}"},
        "$defs": {
            **parts,
            **{f"{name}{_CHANGE}": _change_of(part) for name, part in parts.items()},
            complete["title"]: complete,
        },
    }


def _one_or_many(schema: Any) -> Any:
    """Let one rate stand for a list of one, as in :mod:`spikewise.price.imc.components`."""
    if isinstance(schema, list):
        return [_one_or_many(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _one_or_many(value) for key, value in schema.items()}
    if found.get("type") == "array" and "$ref" in found.get("items", {}):
        told = {key: found.pop(key) for key in ("title", "description", "default") if key in found}
        return {**told, "anyOf": [found["items"], found]}
    return found


def _change_of(schema: Any) -> Any:
    """Return the same schema with nothing required, except inside lists, which a change replaces as a whole."""
    if isinstance(schema, list):
        return [_change_of(each) for each in schema]
    if not isinstance(schema, dict) or schema.get("type") == "array":
        return schema
    if "$ref" in schema:
        return {**schema, "$ref": f"{schema['$ref']}{_CHANGE}"}
    return {key: _change_of(value) for key, value in schema.items() if key != "required"}
