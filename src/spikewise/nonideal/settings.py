r"""Settings of a non-ideal chip: its crossbars, and their deviations from exact integer arithmetic.

:meth:`Nonideal.of` takes crossbars and converters from a platform, so that price and accuracy belong to the same chip.
Settings that do not change a price (spread, noise, on/off ratio, stuck cells, wires) are ideal by default.
"""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from spikewise.errors import ParameterError, positive_number, whole_number
from spikewise.price.imc.chip import ImcChip
from spikewise.price.imc.mapping import CrossbarArray
from spikewise.price.platform import load_platform

_LARGEST = {"variation": 1, "read_noise": 1, "stuck_on": 1, "stuck_off": 1, "wire_ohm": 1e6, "clip": 0.5}
_PHYSICAL = CrossbarArray(n_rows=64, n_cols=64, cell_bits=4, sign="differential")


@dataclass(frozen=True, slots=True)
class Nonideal:
    """Crossbars of a chip and their non-idealities; by default they compute exact integers.

    Parameters
    ----------
    variation : float
        Standard deviation over mean of a programmed conductance, in [0, 1].
    read_noise : float
        Standard deviation over mean of a conductance from one read to the next, in [0, 1].
    on_off : float
        Largest over smallest conductance, above 1.
    adc_bits : int, optional
        Bits of the converters, 1 to 16; exact if absent.
    stuck_on, stuck_off : float
        Shares of cells stuck at the largest and at the smallest conductance.
    wire_ohm : float
        Resistance of a wire from one cell to the next.
    r_on_ohm : float
        Resistance of a cell at the largest conductance; used only with ``wire_ohm``.
    weight_bits, input_bits : int
        Bits of a weight with its sign (2 to 8), and of an input that is not a spike (1 to 8).
    array : CrossbarArray
        Placement of the weights and storage of their sign; by default that of ``rram-64-32nm-physical``.
    clip : float
        Share of the non-zero currents of calibration that may exceed the range of a converter.

    Examples
    --------
    >>> Nonideal(variation=0.1, on_off=10, adc_bits=6).weight_bits
    4
    """

    variation: float = 0.0
    read_noise: float = 0.0
    on_off: float = math.inf
    adc_bits: int | None = None
    stuck_on: float = 0.0
    stuck_off: float = 0.0
    wire_ohm: float = 0.0
    r_on_ohm: float = 20e3  # chips of DT-SNN's class, second-hand
    weight_bits: int = 4
    input_bits: int = 8
    array: CrossbarArray = _PHYSICAL
    clip: float = 0.01

    def __post_init__(self) -> None:
        def put(key: str, value: Any) -> None:
            object.__setattr__(self, key, value)

        for key, most in _LARGEST.items():
            put(key, positive_number(key, getattr(self, key), most, zero=True))
        put("r_on_ohm", positive_number("r_on_ohm", self.r_on_ohm, 1e12))
        put("on_off", _on_off(self.on_off))
        for key, least in (("weight_bits", 2), ("input_bits", 1)):
            put(key, whole_number(key, getattr(self, key), least, 8))
        if self.adc_bits is not None:
            put("adc_bits", whole_number("adc_bits", self.adc_bits, 1, 16))
        if self.stuck_on + self.stuck_off > 1:
            raise ParameterError(f"stuck_on + stuck_off must be at most 1; got {self.stuck_on + self.stuck_off:g}.")
        if not isinstance(self.array, CrossbarArray):
            raise ParameterError(f"array must be a CrossbarArray; got {self.array!r}. Or use Nonideal.of(platform).")

    @classmethod
    def of(cls, platform: str | os.PathLike[str] | ImcChip, **settings: Any) -> Self:
        """Build settings with the crossbars and converters of a priced chip.

        Parameters
        ----------
        platform : str, path or ImcChip
            Platform, or an argument of :func:`spikewise.price.load_platform`.
        settings : dict
            Arguments of the class. ``adc_bits`` replaces that of the chip; with None the converters are exact.

        Examples
        --------
        >>> Nonideal.of("rram-64-32nm-physical", variation=0.1).array.sign
        'differential'
        """
        chip = load_platform(platform) if isinstance(platform, str | os.PathLike) else platform
        if not isinstance(chip, ImcChip):
            raise ParameterError(f"platform must be an in-memory-computing chip; got {platform!r}. Others are digital.")
        if "array" in settings:
            raise ParameterError("array must come from the platform; got another one. Use Nonideal(array=...).")
        return cls(**{"adc_bits": chip.mapping.adc_bits, **settings}, array=chip.mapping)

    @property
    def nominal(self) -> Nonideal:
        """The same design without random deviations: no spread, no noise, no stuck cell."""
        return replace(self, variation=0.0, read_noise=0.0, stuck_on=0.0, stuck_off=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary, ready for JSON; exact values are None."""
        # JSON has no infinity, so an infinite on/off ratio is None too.
        values = {**asdict(self), "array": self.array.model_dump()}
        return {key: None if value == math.inf else value for key, value in values.items()}


def _on_off(value: Any) -> float:
    try:
        ratio = math.nan if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError, OverflowError):
        ratio = math.nan
    if not ratio > 1:
        raise ParameterError(f"on_off must be a number above 1; got {value!r}. Give largest over smallest conductance.")
    return ratio
