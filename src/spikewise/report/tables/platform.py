"""A platform as tables: its settings, its constants with band and source, and the memories that it is built of."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from rich.table import Table

from spikewise.price.digital.accelerator import DigitalAccelerator
from spikewise.price.digital.arithmetic import AtBits
from spikewise.price.digital.sram import ACCESS_BITS, SIZES_KIB, SOURCE, TAG
from spikewise.price.imc.components import Rate
from spikewise.price.protocol import Platform
from spikewise.price.quantity import Quantity, constants_of
from spikewise.report.cells import add_row, new_table

_SAID_ELSEWHERE = ("name", "kind", "label", "notes")
_BITS_PER_KIB = 8 * 1024


def constant_names(platform: Platform) -> dict[str, tuple[str, Quantity]]:
    """Name to show, and value, of each constant by its key: entries of a list by their bits or by what they are per.

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> constant_names(load_platform("digital-45nm"))["integer.add.1"][0]
    'integer.add at 16 bits'
    """
    constants = dict(constants_of(platform))
    names = {key: _name(key, constant) for key, constant in constants.items()}
    often = Counter(names.values())
    return {
        key: (name if often[name] == 1 else key.removeprefix("components."), constants[key])
        for key, name in names.items()
    }


def _name(key: str, constant: Quantity) -> str:
    *path, last = key.removeprefix("components.").split(".")
    if isinstance(constant, AtBits):
        return f"{'.'.join(path if last.isdecimal() else [*path, last])} at {constant.bits} bits"
    if last.isdecimal() and isinstance(constant, Rate):
        return f"{'.'.join(path)} per {constant.per}"
    return ".".join([*path, last])


def band_of(constant: Quantity) -> str:
    """Low to high as text; the value alone where there is no band."""
    if constant.low == constant.high:
        return f"{constant.value:g}"
    return f"{constant.low:g} to {constant.high:g}"


def settings_of(platform: Platform) -> dict[str, tuple[Any, str]]:
    """Value and description of every setting that is no constant, by dotted key: mapping, schedule, modes.

    Examples
    --------
    >>> from spikewise.price import load_platform
    >>> settings_of(load_platform("rram-64-32nm"))["mapping.n_rows"]
    (64, 'rows of a crossbar, inputs')
    """
    return {key: found for key, found in _settings(platform, "") if key not in _SAID_ELSEWHERE}


def _settings(value: Any, key: str) -> Iterator[tuple[str, tuple[Any, str]]]:
    """Settings in a model, at any depth; of a constant only what it refers to."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _settings(item, f"{key}.{name}")
    if not isinstance(value, BaseModel):
        return
    fields = type(value).model_fields
    known = set(Quantity.model_fields) | {"per", "bits"} if isinstance(value, Quantity) else set()
    for name, field in fields.items():
        item, path = getattr(value, name), f"{key}.{name}".lstrip(".")
        if name in known:
            continue
        if isinstance(item, BaseModel | Mapping):
            yield from _settings(item, path)
        elif isinstance(item, tuple) and any(isinstance(each, BaseModel) for each in item):
            for place, each in enumerate(item):
                yield from _settings(each, path if len(item) == 1 else f"{path}.{place}")
        elif item is not None and item != () and not (isinstance(value, Quantity) and item == field.default):
            yield path, (list(item) if isinstance(item, tuple) else item, field.description or "")


def memory_rows(platform: Platform) -> list[dict[str, float]]:
    """Size, energies per access, area and leakage of the SRAM that a platform's memories are made of; [] if none."""
    if not isinstance(platform, DigitalAccelerator):
        return []
    sram = platform.memory.sram
    return [
        {
            "size_bits": float(n_bits),
            "read_j": ACCESS_BITS * float(sram.read_j_per_bit(n_bits)),
            "write_j": ACCESS_BITS * float(sram.write_j_per_bit(n_bits)),
            "area_m2": float(sram.area_m2(n_bits)),
            "leakage_w": float(sram.leakage_w(n_bits)),
        }
        for n_bits in (size * _BITS_PER_KIB for size in SIZES_KIB)
    ]


def settings_table(platform: Platform) -> Table:
    """Settings with what they mean."""
    table = new_table(f"{platform.name}: settings", ("setting", "value", "meaning"), left=(0, 1, 2), fold=True)
    for key, (value, meaning) in settings_of(platform).items():
        add_row(table, key.removeprefix("components."), str(value), meaning)
    return table


def constants_table(platform: Platform) -> Table:
    """Constants with band, unit, what they are charged per, tag and source."""
    headers = ("constant", "value", "tag", "source")
    table = new_table(f"{platform.name}: constants", headers, [platform.label], range(4), fold=True)
    for column in table.columns[1:3]:
        column.no_wrap = True
    for name, constant in constant_names(platform).values():
        unit = "" if constant.unit == "1" else f" {constant.unit}"
        lines = [f"{constant.value:g}{unit}"]
        lines += [band_of(constant)] if constant.low < constant.high else []
        lines += [f"per {constant.per}"] if isinstance(constant, Rate) and " per " not in name else []
        add_row(table, name, "\n".join(lines), constant.tag, constant.source)
    return table


def memory_table(platform: Platform) -> Table | None:
    """SRAM that a platform's memories are made of; None where there is none."""
    if not isinstance(platform, DigitalAccelerator):
        return None
    caption = [f"per access of {ACCESS_BITS} bits; between these sizes on logarithmic axes", f"{SOURCE}; {TAG}"]
    headers = ("KiB", "read, pJ", "write, pJ", "area, mm²", "leakage, mW")
    table = new_table(f"{platform.name}: SRAM at {platform.memory.node_nm} nm", headers, caption, left=())
    for row in memory_rows(platform):
        scaled = (row["read_j"] * 1e12, row["write_j"] * 1e12, row["area_m2"] * 1e6, row["leakage_w"] * 1e3)
        add_row(table, f"{row['size_bits'] / _BITS_PER_KIB:g}", *(f"{value:.3g}" for value in scaled))
    return table
