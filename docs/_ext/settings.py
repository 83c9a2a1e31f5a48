"""Pydantic models: their field descriptions become the parameters of the class."""

import re
from typing import get_type_hints

from pydantic import BaseModel
from sphinx.util.typing import stringify_annotation


def is_settings(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseModel)


def describe_fields(app, what, name, thing, options, lines):
    """Insert a ``Parameters`` section before the examples, if the docstring has none."""
    if not is_settings(thing) or "Parameters" in lines:
        return
    section = ["", "Parameters", "----------"]
    hints = get_type_hints(thing)  # without the checks of Annotated
    for key, field in thing.model_fields.items():
        kind = stringify_annotation(hints[key], "smart").replace("~", "")
        default = "" if field.is_required() else f", default {field.get_default(call_default_factory=True)!r}"
        section += [f"{key} : {kind}{default}", f"    {field.description or ''}"]
    place = lines.index("Examples") if "Examples" in lines else len(lines)
    lines[place:place] = [*section, ""]


def shorten_signature(app, what, name, thing, options, signature, returns):
    """The fields stand below, so the signature need not repeat them."""
    return ("(**fields)", None) if is_settings(thing) else None


def hide_machinery(app, what, name, thing, skip, options):
    """Leave out what pydantic and scikit-learn add to every class."""
    return True if name == "model_config" or re.fullmatch(r"set_\w+_request", name) else None


def setup(app):
    app.connect("autodoc-process-docstring", describe_fields, priority=400)  # napoleon comes at 500
    app.connect("autodoc-process-signature", shorten_signature)
    app.connect("autodoc-skip-member", hide_machinery)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
