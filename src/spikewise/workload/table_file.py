"""Parse hand-written layer tables: CSV or TOML files become rows of named cells with their line numbers.

This module checks the form (size, encoding, syntax, known keys) and single cells: text or a number becomes a checked
value. :mod:`spikewise.workload.table` interprets the cells of a layer together.
"""

import csv
import difflib
import math
import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spikewise._files import read_text
from spikewise._opener import as_path
from spikewise.errors import DataError, whole_number

from .layer import MAX_SIZE

MAX_TABLE_BYTES = 16 * 2**20  # a table of a thousand layers and a thousand rates each needs under 8 MiB
REQUIRED = ("kind", "in", "out", "rate")
LAYER_KEYS = (
    "kind", "in", "out", "kernel", "stride", "groups", "height", "width", "rate",
    "name", "after", "weight_bits", "state_bits", "input_bits", "lateral", "once_per_inference",
)  # fmt: skip
SETTINGS = ("name", "steps", "samples", "exit_histogram", "final_rate")
_HEADER = ",".join(LAYER_KEYS[:9])


@dataclass(frozen=True, slots=True)
class TableRow:
    """Cells of one layer and their place: the line of a CSV file, or the number of a TOML table."""

    where: str
    cells: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TableFile:
    """Rows of a table in the order of the data, and settings of the whole network."""

    rows: list[TableRow]
    settings: dict[str, Any] = field(default_factory=dict)


def is_table(path: str | os.PathLike[str]) -> bool:
    """Whether a file name has the suffix of a layer table.

    Examples
    --------
    >>> is_table("layers.csv"), is_table("workload.json")
    (True, False)
    """
    return as_path(path, "the path of a workload", DataError).suffix.lower() in (".csv", ".toml")


def read_table(path: str | os.PathLike[str]) -> TableFile:
    """Read a CSV or TOML table.

    Raises
    ------
    DataError
        If the file is absent, too large or not text, or has wrong syntax, an unknown key or no layer.
    """
    source = as_path(path, "the path of a workload", DataError)
    if not is_table(path):
        raise DataError(f"{source} must be a layer table that ends in .csv or .toml. Rename it.")
    text = read_text(source, "layer table", MAX_TABLE_BYTES)
    if "\0" in text:
        raise DataError(f"{source} must be text; got zero bytes. Save the table as plain text in UTF-8.")
    table = _parse_csv(source, text) if source.suffix.lower() == ".csv" else _parse_toml(source, text)
    if not table.rows:
        advice = "Add a line below the header" if source.suffix.lower() == ".csv" else "Add a [[layer]] table"
        raise DataError(f"{source} must describe at least one layer; got none. {advice} for each layer.")
    return table


def _parse_csv(source: Path, text: str) -> TableFile:
    """Parse settings, header and rows; blank lines and lines that begin with # are skipped."""
    header: list[str] = []
    settings: dict[str, Any] = {}
    rows = []
    lines = text.splitlines()
    # A comment becomes an empty line instead of vanishing, so that line_num stays the line of the file.
    reader = csv.reader((line if line.lstrip()[:1] != "#" else "" for line in lines), strict=True)
    try:
        for raw in reader:
            cells = [cell.strip() for cell in raw]
            if not any(cells):
                continue
            where = f"{source}, line {reader.line_num}"
            # "name" is a setting and a column; only a header also has the column "kind".
            if not header and cells[0].lower() in SETTINGS and "kind" not in map(str.lower, cells):
                settings[cells[0].lower()] = _setting(where, cells)
                continue
            if not header:
                header = _check_header(where, cells)
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"{where} must have {len(header)} cells, as the header has; got {len(cells)}. "
                    "Separate them by commas, and the rates of several timesteps by semicolons."
                )
            rows.append(TableRow(where, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise DataError(f"{source}, line {reader.line_num} must be CSV; {error}. Mend this line.") from None
    if not header:
        raise DataError(f"{source} must begin with a header; got an empty table. Write {_HEADER}")
    return TableFile(rows, settings)


def _setting(where: str, cells: list[str]) -> Any:
    """Return the value of a setting; a spreadsheet may add empty cells after it."""
    if len(cells) < 2 or not cells[1] or any(cells[2:]):
        raise DataError(f"{where} must give {cells[0]} one value; got {cells[1:]!r}. Write {cells[0]},VALUE")
    return cells[1].split(";") if cells[0].lower() == "exit_histogram" else cells[1]


def _check_header(where: str, header: list[str]) -> list[str]:
    header = [name.lower() for name in header]
    if len(header) == 1 and any(sign in header[0] for sign in ";\t"):
        raise DataError(f"{where} must separate its columns by commas; got {header[0][:40]!r}. Save it with commas.")
    _check_keys(f"{where}: every column", header, LAYER_KEYS)
    if doubled := sorted({name for name in header if header.count(name) > 1}):
        raise DataError(f"{where} must name each column once; got {doubled[0]!r} twice. Delete one of them.")
    if missing := [name for name in REQUIRED if name not in header]:
        raise DataError(
            f"{where} must have the columns {', '.join(REQUIRED)}; {missing[0]!r} is missing. The header is {_HEADER}"
        )
    return header


def _parse_toml(source: Path, text: str) -> TableFile:
    """Parse ``[[layer]]`` tables and the settings above them."""
    try:
        raw = tomllib.loads(text)
    except RecursionError:
        raise DataError(f"{source} must be TOML; it is nested too deeply. Is this really a layer table?") from None
    except ValueError as error:  # syntax, or a number of thousands of digits
        raise DataError(f"{source} must be TOML; {error}. Mend this place.") from None
    layers = raw.pop("layer", [])
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise DataError(f"{source}: layer must be a list of tables; got one value. Write [[layer]] above each layer.")
    _check_keys(f"{source}: every key", raw, (*SETTINGS, "[[layer]]"))
    rows = []
    for number, cells in enumerate(layers, start=1):
        where = f"{source}, layer {number}"
        _check_keys(f"{where}: every key", cells, LAYER_KEYS)
        if missing := [name for name in REQUIRED if name not in cells]:
            raise DataError(f"{where} must have the keys {', '.join(REQUIRED)}; {missing[0]!r} is missing. Add it.")
        rows.append(TableRow(where, cells))
    return TableFile(rows, raw)


def _check_keys(what: str, found: Iterable[str], known: tuple[str, ...]) -> None:
    for name in found:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            advice = f"Did you mean {near[0]!r}?" if near else "Delete it."
            raise DataError(f"{what} must be one of {', '.join(known)}; got {name[:40]!r}. {advice}")


_NO, _YES = ("false", "no", "0"), ("true", "yes", "1")


def whole(what: str, cell: Any, default: int | None, most: int = MAX_SIZE) -> int:
    """Return an integer of at least 1 from text or a number; the default if the cell is empty."""
    if cell == "" and default is not None:
        return default
    try:
        return whole_number(what, int(cell) if isinstance(cell, str) else cell, 1, most)
    except ValueError:  # ParameterError is one
        got = "an empty cell" if cell == "" else repr(cell)[:60]
        raise DataError(f"{what} must be a whole number in 1..{most}; got {got}. Write one, such as 3.") from None


def pair(what: str, cell: Any, default: tuple[int, int] | None) -> tuple[int, int]:
    """Return height and width from ``3``, ``3x5`` or a list of two numbers."""
    if cell == "" and default is not None:
        return default
    parts = cell.lower().replace("×", "x").split("x") if isinstance(cell, str) else cell
    parts = parts if isinstance(parts, list) else [parts]
    if len(parts) not in (1, 2):
        raise DataError(f"{what} must be one number, or height x width; got {cell!r}. Write 3 or 3x5.")
    sides = [whole(what, part.strip() if isinstance(part, str) else part, None) for part in parts]
    return sides[0], sides[-1]


def flag(what: str, cell: Any) -> bool:
    """Return a bool from a boolean or a word; False if the cell is empty."""
    text = str(cell).strip().lower()
    if text not in ("", *_NO, *_YES):
        raise DataError(f"{what} must be true or false; got {cell!r}. Write one of them.")
    return text in _YES


def share(what: str, cell: Any) -> float:
    """Return a rate in [0, 1] from text or a number."""
    try:
        # float(True) is 1.0, but a TOML boolean is not a rate; NaN fails the check below.
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
