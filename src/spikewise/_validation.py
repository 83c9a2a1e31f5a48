"""Describe an error in a settings file: which key, what must hold, which value was given.

Pydantic finds the errors; its own messages name neither the given value nor the key that was probably meant.
"""

import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from spikewise.errors import unknown_name

_SHOWN = 60  # characters of a given value in a message
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "multiple_of": "a multiple of"}
_KINDS = {
    "finite": "a finite number", "float": "a number", "int": "a whole number", "string": "text",
    "bool": "true or false", "model": "a table", "dict": "a table", "tuple": "a list", "list": "a list",
}  # fmt: skip


def complaint(model: type[BaseModel], raw: Mapping[str, Any], error: ValidationError) -> str:
    """Describe the first error; an unknown key comes first, because a misspelled key also makes one missing.

    Examples
    --------
    >>> class Cell(BaseModel, extra="forbid"):
    ...     bits: int = 1
    >>> try:
    ...     Cell(bit=2)
    ... except ValidationError as error:
    ...     print(complaint(Cell, {"bit": 2}, error))
    every key must be one of bits; got 'bit'. Did you mean 'bits'?
    """
    faults = error.errors()
    fault = next((each for each in faults if each["type"] == "extra_forbidden"), faults[0])
    if fault["type"] == "extra_forbidden":
        return _unknown(model, fault, raw)
    key, told = _key_of(fault["loc"], raw), _said(model, fault)
    return f"{key} {told}" if told.startswith("must ") else f"{key}: {told}" if key else told


def _said(model: type[BaseModel], fault: ErrorDetails) -> str:
    """Say what must hold for a key, which value was given and, where it helps, what to do."""
    kind, came, bounds = fault["type"], repr(fault["input"])[:_SHOWN], fault.get("ctx", {})
    if kind == "missing":
        return "must be given; it is missing. Add it."
    if kind == "value_error":
        return fault["msg"].removeprefix("Value error, ").removesuffix(".") + "."
    if kind == "literal_error":
        names = [str(name) for name in get_args(_annotation_at(model, fault["loc"]))]
        return str(unknown_name("", str(fault["input"]), names)).strip()
    for bound, words in _BOUNDS.items():
        if bound in bounds:
            return f"must be {words} {bounds[bound]:.10g}; got {came}."
    if "min_length" in bounds:
        return f"must hold at least {bounds['min_length']}; got {came}."
    words = next((words for start, words in _KINDS.items() if kind.startswith(start)), "")
    return f"must be {words}; got {came}." if words else f"{fault['msg']}; got {came}."


def _unknown(model: type[BaseModel], fault: ErrorDetails, raw: Mapping[str, Any]) -> str:
    """Describe an unknown key and suggest the closest known one."""
    *above, name = fault["loc"]
    owner = _annotation_at(model, tuple(above))
    known = owner.model_fields if isinstance(owner, type) and issubclass(owner, BaseModel) else ()
    place = _key_of(tuple(above), raw)
    return str(unknown_name(f"every key of {place}" if place else "every key", str(name), known))


def _annotation_at(model: Any, loc: tuple[int | str, ...]) -> Any:
    """Return the type annotation at a location of a nested model; None if there is none."""
    for step in loc:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[str(step)].annotation if step in model.model_fields else None
        elif get_origin(model) is dict:  # any key leads to the type of the values
            model = get_args(model)[1]
        else:
            model = next(iter(get_args(model)), None)
        model = bare(model)
    return model


def bare(annotation: Any) -> Any:
    """Return a type without its pydantic checks and without an optional None."""
    while get_origin(annotation) in (Annotated, Union, types.UnionType):
        inner = [each for each in get_args(annotation) if each is not type(None)]
        # Of a real union no single member is meant. The further arguments of Annotated are only checks.
        if get_origin(annotation) is not Annotated and len(inner) > 1:
            break
        annotation = inner[0]
    return annotation


def _key_of(loc: tuple[int | str, ...], raw: Any) -> str:
    """Return the dotted path of a key; it has an index only where the file itself has a list."""
    path: list[str] = []
    for step in loc:
        # For a single value where a list was allowed, the file shows no list: an index would only confuse.
        if isinstance(step, int) and not isinstance(raw, list):
            continue
        path.append(str(step))
        try:
            raw = raw[step]
        except (KeyError, IndexError, TypeError):
            raw = None
    return ".".join(path)
