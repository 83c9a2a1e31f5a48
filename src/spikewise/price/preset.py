"""Platforms as files: presets, and files of one's own that change a few constants of another platform.

A file that begins with ``extends = "rram-64-32nm"`` says only what differs. Tables are joined key by key, all else
replaces what was there. A constant that gets a new value loses the band, source and tag of the old one: unless the file
gives them, the band is the value itself and the source is the file, *unverified*. Parts of the chip are changed under
``[components.NAME]``, where NAME must be known, and added under ``[new_components.NAME]``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from spikewise.errors import DataError, ParameterError, unknown_name

PRESETS = files("spikewise.price") / "presets"
_SUFFIX = ".toml"
_MAX_BYTES = 2**20
_MAX_DEPTH = 8


def platform_names() -> tuple[str, ...]:
    """Names of the platforms that ship with the package.

    Examples
    --------
    >>> "rram-64-32nm" in platform_names()
    True
    """
    return tuple(sorted(item.name.removesuffix(_SUFFIX) for item in PRESETS.iterdir() if item.name.endswith(_SUFFIX)))


def find_platform(name: str, folder: Path | None = None) -> Path | Traversable:
    """The file behind a name: a preset, or a path that ends in ``.toml``, relative to a folder if there is one."""
    if name.endswith(_SUFFIX):
        return folder / name if folder is not None else Path(name)
    if name not in platform_names():
        raise unknown_name("platform", name, platform_names())
    return PRESETS / f"{name}{_SUFFIX}"


def read_platform_table(source: Path | Traversable, depth: int = 0) -> dict[str, Any]:
    """Everything that a platform file says, with what it extends filled in.

    Raises
    ------
    DataError
        If a file is absent, too large or no TOML, or changes a part that is not there.
    """
    raw = read_toml(source)
    if "extends" not in raw:
        return raw
    base = raw.pop("extends")
    if not isinstance(base, str):
        raise DataError(f"{source.name}: extends must be the name of a platform or a TOML file; got {base!r}.")
    if depth == _MAX_DEPTH:
        raise DataError(f"{source.name}: extends must not go in circles; got more than {_MAX_DEPTH} files.")
    try:
        found = find_platform(base, source.parent if isinstance(source, Path) else None)
    except ParameterError as error:
        raise DataError(f"{source.name}: extends: {error}") from None
    whole = read_platform_table(found, depth + 1)
    added = raw.pop("new_components", {})
    for table, must_be_known in ((raw.get("components", {}), True), (added, False)):
        for name in table if isinstance(table, Mapping) else ():
            if (name in whole.get("components", {})) != must_be_known:
                if must_be_known:
                    advice = f"{unknown_name('component', name, whole['components'])} Use new_components for a new one."
                else:
                    advice = f"new_components.{name} must not be there yet; it is. Use components to change it."
                raise DataError(f"{source.name}: {advice}")
    joined = merged(whole, raw, source.name)
    if added:
        joined["components"] = {**joined.get("components", {}), **added}
    return joined


def read_toml(source: Path | Traversable) -> dict[str, Any]:
    """Read a TOML file of at most 1 MiB."""
    try:
        if isinstance(source, Path) and source.is_file() and source.stat().st_size > _MAX_BYTES:
            raise DataError(f"{source.name} must be a platform file of at most {_MAX_BYTES:,} bytes; it is larger.")
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{source.name} must be a readable TOML file; {error}.") from None


def merged(base: Mapping[str, Any], change: Mapping[str, Any], who: str) -> dict[str, Any]:
    """A table with changes: tables key by key, constants with a new band and source, all else replaced.

    Examples
    --------
    >>> old = {"value": 2.0, "low": 1.0, "high": 3.0, "unit": "pJ", "source": "a paper", "tag": "verified"}
    >>> merged({"adc": old}, {"adc": {"value": 5.0}}, "mine.toml")
    {'adc': {'value': 5.0, 'unit': 'pJ', 'source': 'mine.toml', 'tag': 'unverified'}}
    """
    result = dict(base)
    if "value" in change:
        for key in ("low", "high"):
            result.pop(key, None)
        result |= {"source": who, "tag": "unverified"}
    for key, value in change.items():
        before = result.get(key)
        both_tables = isinstance(before, Mapping) and isinstance(value, Mapping)
        result[key] = merged(before, value, who) if both_tables else value  # type: ignore[arg-type]
    return result
