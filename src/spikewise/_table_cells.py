"""What one cell of a layer table says: text or a number in, a checked value out.

An empty cell is the empty string. Every error is a DataError that names the place (``what``) first.
"""

from __future__ import annotations

import math
from typing import Any

from spikewise.errors import DataError, whole_number
from spikewise.layer import MAX_SIZE

_NO, _YES = ("false", "no", "0"), ("true", "yes", "1")


def whole(what: str, cell: Any, default: int | None, most: int = MAX_SIZE) -> int:
    """A whole number of at least 1, from text or a number; the default where the cell is empty."""
    if cell == "" and default is not None:
        return default
    try:
        return whole_number(what, int(cell) if isinstance(cell, str) else cell, 1, most)
    except ValueError:  # ParameterError is one
        got = "an empty cell" if cell == "" else repr(cell)[:60]
        raise DataError(f"{what} must be a whole number in 1..{most}; got {got}. Write one, such as 3.") from None


def pair(what: str, cell: Any, default: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width from ``3``, ``3x5`` or a list of two numbers."""
    if cell == "" and default is not None:
        return default
    parts = cell.lower().replace("×", "x").split("x") if isinstance(cell, str) else cell
    parts = parts if isinstance(parts, list) else [parts]
    if len(parts) not in (1, 2):
        raise DataError(f"{what} must be one number, or height x width; got {cell!r}. Write 3 or 3x5.")
    sides = [whole(what, part.strip() if isinstance(part, str) else part, None) for part in parts]
    return sides[0], sides[-1]


def flag(what: str, cell: Any) -> bool:
    """True or false, from a boolean or a word; false where the cell is empty."""
    text = str(cell).strip().lower()
    if text not in ("", *_NO, *_YES):
        raise DataError(f"{what} must be true or false; got {cell!r}. Write one of them.")
    return text in _YES


def share(what: str, cell: Any) -> float:
    """A rate in [0, 1]."""
    try:
        rate = math.nan if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError, OverflowError):
        rate = math.nan
    if not 0 <= rate <= 1:
        got = "an empty cell" if cell == "" else repr(cell)[:60]
        raise DataError(
            f"{what} must be a number in [0, 1], the share of inputs that are active in a timestep; got {got}. "
            "Write a fraction, such as 0.15 for 15 %."
        )
    return rate
