"""Platform files: presets, and files of the user that change a few constants of another platform.

A file that begins with ``extends = "rram-64-32nm"`` contains only what differs. Tables are merged key by key; any other
value replaces the old one. A constant with a new value loses the band, source and tag of the old one: unless the file
gives them, the band is the value itself and the source is the file, *unverified*. Parts of the chip are changed under
``[components.NAME]``, where NAME must exist, and added under ``[new_components.NAME]``.

Name and label are never inherited, since they describe the numbers of the original: a file without a ``name`` is named
after the file, and one without a ``label`` gets a label that lists its changes. The name of a shipped platform must not
be used.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from spikewise._files import read_text
from spikewise.errors import DataError, ParameterError, unknown_name

PRESETS = files("spikewise.price") / "presets"
_SUFFIX = ".toml"
_MAX_BYTES = 2**20
_MOST_NAMED = 5  # changes that a label names
_OF_A_CONSTANT = frozenset(("value", "low", "high", "unit", "source", "tag", "per"))
_WORDS = ("name", "label", "notes")  # descriptions, which change no price


def platform_names() -> tuple[str, ...]:
    """Names of the platforms that ship with the package.

    Examples
    --------
    >>> "rram-64-32nm" in platform_names()
    True
    """
    return tuple(sorted(item.name.removesuffix(_SUFFIX) for item in PRESETS.iterdir() if item.name.endswith(_SUFFIX)))


def find_platform(name: str, folder: Path | None = None) -> Path | Traversable:
    """Return the file of a platform: a preset by its name, or a path that ends in ``.toml``, relative to a folder."""
    path = Path(name)
    if path.suffix.lower() == _SUFFIX:
        return path if folder is None else folder / path
    if name in platform_names():
        return PRESETS / f"{name}{_SUFFIX}"
    if len(path.parts) > 1 or os.path.exists(name):
        raise ParameterError(f"the path of a platform file must end in {_SUFFIX}; got {name!r}. Rename the file.")
    raise unknown_name("platform", name, platform_names())


def read_platform_table(source: Path | Traversable) -> dict[str, Any]:
    """Read a platform file, merged with the file that it extends.

    Raises
    ------
    DataError
        If a file is absent, too large or not TOML, changes a part that does not exist, or extends itself.
    """
    # From the complete file at the end of the chain back to the one that was asked for.
    chain = _chain(source)
    file, whole = chain.pop()
    whole = {"name": _stem(file), **whole}
    original, changed = whole["name"], dict[str, None]()
    for file, raw in reversed(chain):
        change = _with_new_parts(file, raw, whole)
        changed |= dict.fromkeys(_changes(change, whole))
        whole = merged(_unlabelled(whole, _stem(file), original, list(changed)), change, file.name)
        # A label lists the changes against the last shipped platform of the chain, not against what that one extends.
        if is_shipped(file):
            original, changed = whole["name"], {}
    return whole


def is_shipped(source: Path | Traversable) -> bool:
    """Whether a file ships with the package."""
    return _place(source) in {_place(item) for item in PRESETS.iterdir()}


def read_toml(source: Path | Traversable) -> dict[str, Any]:
    """Read a TOML file of at most 1 MiB."""
    text = read_text(source, "TOML file", _MAX_BYTES) if isinstance(source, Path) else source.read_text("utf-8")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # syntax, or a number of thousands of digits
        raise DataError(f"{source.name} must be a readable TOML file; {error}.") from None


def merged(base: Mapping[str, Any], change: Mapping[str, Any], who: str) -> dict[str, Any]:
    """Return a table with changes: tables merged key by key, constants with new band and source, all else replaced.

    Examples
    --------
    >>> old = {"value": 2.0, "low": 1.0, "high": 3.0, "unit": "pJ", "source": "a paper", "tag": "verified"}
    >>> merged({"adc": old}, {"adc": {"value": 5.0}}, "mine.toml")
    {'adc': {'value': 5.0, 'unit': 'pJ', 'source': 'mine.toml', 'tag': 'unverified'}}
    """
    result = dict(base)
    # Only a constant has the key "value". Its old band, source and tag say nothing about a new value.
    if "value" in change:
        for key in ("low", "high"):
            result.pop(key, None)
        result |= {"source": who, "tag": "unverified"}
    for key, value in change.items():
        before = result.get(key)
        both_tables = isinstance(before, Mapping) and isinstance(value, Mapping)
        result[key] = merged(before, value, who) if both_tables else value  # type: ignore[arg-type]
    return result


def _chain(source: Path | Traversable) -> list[tuple[Path | Traversable, dict[str, Any]]]:
    """Return a file with its content, then the file that it extends, and so on to a complete one."""
    chain = [(source, read_toml(source))]
    while "extends" in chain[-1][1]:
        source, raw = chain[-1]
        base = raw.pop("extends")
        if not isinstance(base, str):
            raise DataError(f"{source.name}: extends must be the name of a platform or a TOML file; got {base!r}.")
        try:
            found = find_platform(base, source.parent if isinstance(source, Path) else None)
        except ParameterError as error:
            raise DataError(f"{source.name}: extends: {error}") from None
        if _place(found) in [_place(file) for file, _ in chain]:
            circle = " -> ".join([*(file.name for file, _ in chain), found.name])
            raise DataError(f"{source.name}: extends must not go in circles; got {circle}. Mend one of them.")
        chain.append((found, read_toml(found)))
    return chain


def _with_new_parts(file: Path | Traversable, raw: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes of a file, with new components merged into the others; check that their names fit."""
    change = dict(raw)
    tables = {key: raw[key] for key in ("components", "new_components") if key in raw}
    known = whole.get("components", {})
    for key, table in tables.items():
        if not isinstance(table, Mapping):
            raise DataError(f"{file.name}: {key} must be a table; got {table!r}. Write [{key}.NAME].")
        if not known:
            raise DataError(f"{file.name}: {key} must extend a platform of components; {whole['name']} has none.")
        for name in table:
            if key == "components" and name not in known:
                raise DataError(
                    f"{file.name}: {unknown_name('component', name, known)} Use new_components for a new one."
                )
            if key == "new_components" and name in known:
                raise DataError(
                    f"{file.name}: new_components.{name} must not be there yet; it is. Use components to change it."
                )
    if tables:
        change["components"] = {name: part for table in tables.values() for name, part in table.items()}
    change.pop("new_components", None)
    return change


def _changes(change: Mapping[str, Any], base: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield the dotted keys that differ from the base; a constant counts once, even if several of its keys differ."""
    for key, value in change.items():
        before = base.get(key)
        is_constant = isinstance(value, Mapping) and not _OF_A_CONSTANT.isdisjoint(value)
        if isinstance(value, Mapping) and isinstance(before, Mapping) and not is_constant:
            yield from _changes(value, before, f"{above}{key}.")
        elif value != before and (above or key not in _WORDS):
            yield above + key


def _unlabelled(base: Mapping[str, Any], stem: str, original: str, changed: Sequence[str]) -> dict[str, Any]:
    """Return the table with a new name and label, and with a warning before the notes of the original."""
    told = ", ".join(changed[:_MOST_NAMED])
    if len(changed) > _MOST_NAMED:
        told += f" and {len(changed) - _MOST_NAMED} more"
    what = f"changes {len(changed)} setting{'s' * (len(changed) > 1)} of {original}: {told}"
    # Each file of a chain adds this note; an older copy is dropped below.
    caution = f"the notes below were written for {original}; where they speak of what was changed, they may not hold."
    notes = [note for note in base.get("notes", ()) if note != caution]
    label = f"{stem}: {what if changed else f'the same as {original}'}."
    return {**base, "name": stem, "label": label, "notes": [caution, *notes] if notes and changed else notes}


def _stem(source: Path | Traversable) -> str:
    return source.name[: -len(_SUFFIX)]


def _place(source: Path | Traversable) -> str:
    """Return the real path of a file, so that two names of one file compare equal."""
    return os.path.realpath(str(source))
