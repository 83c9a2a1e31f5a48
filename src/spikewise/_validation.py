"""What is wrong with a settings file, in our words: which key, what must hold, what came.

Pydantic finds the faults; its messages name neither the value that came nor the key that was meant.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from spikewise.errors import unknown_name

_SHOWN = 60  # characters of a value that came
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "multiple_of": "a multiple of"}
_KINDS = {
    "finite": "a finite number", "float": "a number", "int": "a whole number", "string": "text",
    "bool": "true or false", "model": "a table", "dict": "a table", "tuple": "a list", "list": "a list",
}  # fmt: skip


def complaint(model: type[BaseModel], raw: Mapping[str, Any], error: ValidationError) -> str:
    """The first fault: an unknown key if there is one, since a slip of the pen leaves the right one missing, too.

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
    """What must hold; what came. What to do."""
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
    """The answer to a key that nobody knows."""
    *above, name = fault["loc"]
    owner = _annotation_at(model, tuple(above))
    known = owner.model_fields if isinstance(owner, type) and issubclass(owner, BaseModel) else ()
    place = _key_of(tuple(above), raw)
    return str(unknown_name(f"every key of {place}" if place else "every key", str(name), known))


def _annotation_at(model: Any, loc: tuple[int | str, ...]) -> Any:
    """The type that stands at a place of a model."""
    for step in loc:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[str(step)].annotation if step in model.model_fields else None
        elif get_origin(model) is dict:
            model = get_args(model)[1]
        else:
            model = next(iter(get_args(model)), None)
        model = bare(model)
    return model


def bare(annotation: Any) -> Any:
    """A type without its checks, and without None beside it."""
    while get_origin(annotation) in (Annotated, Union, types.UnionType):
        inner = [each for each in get_args(annotation) if each is not type(None)]
        if get_origin(annotation) is not Annotated and len(inner) > 1:
            break
        annotation = inner[0]
    return annotation


def _key_of(loc: tuple[int | str, ...], raw: Any) -> str:
    """Dotted path into the file; an index appears only where the file itself has a list."""
    path: list[str] = []
    for step in loc:
        if isinstance(step, int) and not isinstance(raw, list):
            continue
        path.append(str(step))
        try:
            raw = raw[step]
        except (KeyError, IndexError, TypeError):
            raw = None
    return ".".join(path)
