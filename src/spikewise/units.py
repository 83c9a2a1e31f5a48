"""Format quantities with SI prefixes for reports. All other code uses SI base units.

A number such as ``1.2e-9`` joules is shown as ``1.20 nJ``: three significant digits and the prefix that
leaves one to three digits before the decimal point. Areas are shown in mm² or µm², memory in bytes of eight bits
with decimal prefixes (1 kB is 1000 bytes).
"""

import math

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
_MM2_FROM_M2 = 1e-8  # below a hundredth of a square millimetre, areas read better in µm²


def format_si(value: float, unit: str, digits: int = 3) -> str:
    """Format a number with an SI prefix and a unit.

    Parameters
    ----------
    value : float
        In base units; beyond femto and tera it is shown with a power of ten.
    unit : str
        Name of the base unit.
    digits : int
        Significant digits, at least 1.

    Examples
    --------
    >>> format_si(1.2e-9, "J"), format_si(0.9999e-6, "s"), format_si(0, "J")
    ('1.20 nJ', '1.00 µs', '0 J')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    # Round first: 999.9 becomes 1.00 of the next prefix, not 1000 of this one.
    exponent = int(f"{value:.{digits - 1}e}".split("e")[1])
    group = 3 * (exponent // 3)
    if group not in _PREFIXES:
        return f"{value:.{digits - 1}e} {unit}"
    decimals = max(0, digits - 1 - (exponent - group))
    return f"{value / 10.0**group:.{decimals}f} {_PREFIXES[group]}{unit}"


def format_area(area_m2: float, digits: int = 3) -> str:
    """Format an area in mm², or in µm² if it is small.

    Examples
    --------
    >>> format_area(8.43e-6), format_area(26.2e-12)
    ('8.43 mm²', '26.2 µm²')
    """
    scale, unit = (1e6, "mm²") if abs(area_m2) >= _MM2_FROM_M2 else (1e12, "µm²")
    return f"{_significant(area_m2 * scale, digits)} {unit}"


def format_memory(n_bits: float, digits: int = 3) -> str:
    """Format a memory size in bytes with a decimal prefix, or in bits if it is below 1 kB.

    Examples
    --------
    >>> format_memory(1_734_336 * 4), format_memory(640)
    ('867 kB', '640 bit')
    """
    return format_si(n_bits / 8, "B", digits) if n_bits >= 8000 else f"{n_bits:g} bit"


def format_share(share: float) -> str:
    """Format a fraction as a percentage.

    Examples
    --------
    >>> format_share(0.7849), format_share(0.0000012)
    ('78.5 %', '0.0 %')
    """
    return f"{100 * share:.1f} %"


def _significant(value: float, digits: int) -> str:
    """Format a number in fixed-point notation with this many significant digits."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    # The exponent is that of the rounded number, as in format_si.
    exponent = int(f"{value:.{digits - 1}e}".split("e")[1])
    return f"{value:.{max(0, digits - 1 - exponent)}f}"
