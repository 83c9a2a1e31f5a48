"""Settings as TOML, each with its description: the standard library reads TOML and has no writer.

Of the format only what settings need is here: text, numbers, truth values, lists, and tables with plain keys.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from spikewise.errors import ParameterError


def as_toml(settings: BaseModel, above: Mapping[str, str], none: Mapping[str, str | None]) -> str:
    """All fields with their values; nested settings are tables, and a field that is None is commented out.

    Parameters
    ----------
    settings : BaseModel
        What to write.
    above : mapping of str to str
        Keys that come first.
    none : mapping of str to str
        Words for None, by field, where leaving the field out would mean something else.
    """
    lines = [f"{key} = {value_in_toml(value)}" for key, value in above.items()]
    return "\n".join([*lines, "", *_table(settings, (), none)]) + "\n"


def _table(settings: BaseModel, path: tuple[str, ...], none: Mapping[str, str | None]) -> list[str]:
    lines, below = [], []
    for name, info in type(settings).model_fields.items():
        value, described = getattr(settings, name), f"# {info.description}"
        if isinstance(value, BaseModel):
            place = (*path, name)
            below += ["", described, f"[{'.'.join(place)}]", *_table(value, place, none)]
            continue
        if value is None and info.default is not None:
            value = none[name]
        lines += [described, f"# {name} =" if value is None else f"{name} = {value_in_toml(value)}"]
    return lines + below


def value_in_toml(value: Any) -> str:
    r"""One value, in one line of ASCII.

    Examples
    --------
    >>> print(value_in_toml("C:\\über"), value_in_toml((8, 4)), value_in_toml({"conv1": 8}), value_in_toml(True))
    "C:\\\U000000FCber" [8, 4] { "conv1" = 8 } true
    """
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_text(key)} = {value_in_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_in_toml, value))}]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ParameterError(f"text in a settings file must be Unicode; got {text!r}.")
    shown = (f"\\{c}" if c in '"\\' else c if " " <= c <= "~" else f"\\U{ord(c):08X}" for c in text)
    return f'"{"".join(shown)}"'
