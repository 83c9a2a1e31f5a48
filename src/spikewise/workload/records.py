"""Build dataclasses from the objects of a JSON file; errors name the key that is wrong."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from spikewise.errors import ParameterError, unknown_name

_Record = TypeVar("_Record")
_SHOWN = 60  # characters of a given value in a message


def listed(what: str, values: Any) -> list[Any]:
    """Return the values as a list; raise ParameterError for text, a mapping or anything that is not iterable.

    Examples
    --------
    >>> listed("rates", (0.1, 0.2))
    [0.1, 0.2]
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise ParameterError(f"{what} must be a list; got {repr(values)[:_SHOWN]}.")
    return list(values)


def all_of(what: str, values: Any, kind: type[_Record]) -> tuple[_Record, ...]:
    """Return the values as a tuple; raise ParameterError unless all are instances of this class."""
    found = listed(what, values)
    wrong = [value for value in found if not isinstance(value, kind)]
    if wrong:
        raise ParameterError(f"every entry of {what} must be a {kind.__name__}; got {repr(wrong[0])[:_SHOWN]}.")
    return tuple(found)


def record(what: str, build: Callable[..., _Record], raw: Any, form: type[Any] | None = None) -> _Record:
    """Call ``build`` with the keys of a mapping, which must be the fields of ``form`` (of ``build`` itself if None).

    Raises
    ------
    ParameterError
        If a key is missing, unknown or wrong.
    """
    if not isinstance(raw, Mapping):
        raise ParameterError(f"{what} must be a table of keys and values; got {repr(raw)[:_SHOWN]}.")
    known = {field.name: field for field in fields(build if form is None else form)}  # type: ignore[arg-type]
    # Unknown keys first: a misspelled key would otherwise be reported as the missing right one.
    for key in raw:
        if key not in known:
            raise unknown_name(f"every key of {what}", str(key), known)
    for key, field in known.items():
        if key not in raw and field.default is MISSING and field.default_factory is MISSING:
            raise ParameterError(f"{what} must have a key {key!r}; it is missing.")
    try:
        return build(**raw)
    except ParameterError as error:
        raise ParameterError(f"{what}: {error}") from None
