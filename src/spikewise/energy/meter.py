"""Measure the energy of a block of code with the counters of the machine.

Processors count the energy of their packages and memories (RAPL, read from Linux's powercap files), NVIDIA's graphics
cards theirs (NVML). Both count *everything* that runs on the machine in this time, but not power supply, fans
and disks. If there are no counters, pass ``watts``, the reading of a wattmeter: the energy is then power times time.
Without either there is no value and ``source`` says why, because an estimate would look like a measurement.
"""

import importlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from spikewise._arguments import checks_arguments
from spikewise.errors import positive_number

POWERCAP = "/sys/class/powercap"
_ADVICE = "Give watts, the machine's mean power from a wattmeter (--watts W on the command line)."
_MOST_W = 10_000.0  # no machine of a single board takes more
_TICK_OF_A_COUNTER_S = 0.01  # counters are updated every millisecond or so
_TICK_S = 60.0  # much shorter than the time in which a counter wraps around under full load


class _UnavailableError(Exception):
    """The reason why a source of energy counters is not available here."""


@dataclass(frozen=True, slots=True)
class _Counter:
    """A counter of joules that restarts at 0 after ``period_j``; None means never."""

    name: str
    read_j: Callable[[], float]
    period_j: float | None = None

    def between(self, before_j: float, after_j: float) -> float:
        """Return the joules between two readings, which must be less than one period."""
        wraps = self.period_j is not None and after_j < before_j
        return after_j - before_j + (self.period_j or 0.0) * wraps


@checks_arguments
class EnergyMeter:
    """Measure energy and time of a ``with`` block.

    Parameters
    ----------
    watts : float, optional
        Mean power of the machine, from a wattmeter; it replaces all counters.
    root : path, optional
        Folder of the powercap files, if it is not that of Linux.

    Attributes
    ----------
    joules : float or None
        Energy of the block, summed over all counters; None if nothing could be measured or the block never ended.
    parts : dict of str to float
        Energy of the block by counter.
    seconds : float
        Wall time of the block.
    source : str
        Source of the joules; or the reason why there are none, and what to do.

    Notes
    -----
    A counter of a processor wraps around to 0 after about ten minutes of full load. Between two readings only one such
    restart can be detected, so a thread reads these counters every minute.

    Examples
    --------
    >>> with EnergyMeter(watts=20) as meter:
    ...     total = sum(range(1000))
    >>> meter.joules == 20 * meter.seconds, meter.source
    (True, '20 W given by the user, times the time')
    """

    def __init__(self, watts: float | None = None, root: str | os.PathLike[str] | None = None) -> None:
        self.watts = None if watts is None else positive_number("watts", watts, 1e9)
        self.root = None if root is None else Path(root)
        self.joules: float | None = None
        self.parts: dict[str, float] = {}
        self.seconds = 0.0
        self.source = "not measured: the block has not begun."
        self._counters: list[_Counter] = []
        self._last: list[float] = []
        self._began = self._read_at = 0.0
        self._lock, self._is_over = threading.Lock(), threading.Event()

    def __enter__(self) -> Self:
        """Read the counters for the first time."""
        self.joules, self.seconds, self.parts = None, 0.0, {}
        self._counters = [] if self.watts is not None else self._open()
        self._last, self._read_at = self._readings(), time.perf_counter()
        self.parts = {counter.name: 0.0 for counter in self._counters}
        if self.watts is not None:
            self.source = source_of_watts(self.watts)
        # A new event for each block, so that the thread of an earlier block cannot be revived.
        self._is_over = threading.Event()
        if any(counter.period_j is not None for counter in self._counters):
            threading.Thread(target=self._tick, args=(self._is_over,), daemon=True).start()
        # Last of all, so that opening the counters does not count as time of the block.
        self._began = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        """Read the counters for the last time, even if the block failed."""
        self._is_over.set()
        self.update()

    def update(self) -> None:
        """Read the counters inside the block and update time and energy so far."""
        self.seconds = time.perf_counter() - self._began
        if self.watts is not None:
            self.joules = self.watts * self.seconds
            self.parts = {"watts": self.joules}
            return
        self._count()
        self.joules = sum(self.parts.values()) if self._counters else None

    def _tick(self, is_over: threading.Event) -> None:
        while not is_over.wait(_TICK_S):
            self._count()

    def _count(self) -> None:
        """Add the energy since the last reading to each counter."""
        with self._lock:
            clock, now = time.perf_counter(), self._readings()
            # Not strict: a reading that fails removes all counters and returns no values.
            spent = {c.name: c.between(*pair) for c, *pair in zip(self._counters, self._last, now, strict=False)}
            most_j = _MOST_W * (clock - self._read_at + _TICK_OF_A_COUNTER_S)
            if wrong := [name for name, joules in spent.items() if not 0 <= joules <= most_j]:
                # A driver was loaded again, or the machine slept: the counter began anew, not at the end of its range.
                self._give_up(f"{', '.join(wrong)} ran backwards or leapt")
                return
            for name, joules in spent.items():
                self.parts[name] += joules
            self._last, self._read_at = now, clock

    def _open(self) -> list[_Counter]:
        """Open the counters of processor and graphics cards; ``source`` says what was found and what is missing."""
        counters: list[_Counter] = []
        found, missing = [], []
        for what in ("RAPL", "NVML"):
            try:
                opened = _rapl(self.root or Path(POWERCAP)) if what == "RAPL" else _nvml()
            except _UnavailableError as reason:
                missing.append(str(reason))
                continue
            counters += opened
            found.append(f"{what} ({', '.join(counter.name for counter in opened)})")
        if not counters:
            self.source = f"not measured: {'; '.join(missing)}. {_ADVICE}"
        # A missing graphics card needs no mention: most machines have none. A missing processor makes joules too low.
        elif found[0].startswith("RAPL"):
            self.source = " and ".join(found)
        else:
            self.source = f"{found[0]}, without the processor: {missing[0]}"
        return counters

    def _readings(self) -> list[float]:
        """Read the joules of every counter; if one fails, all are dropped, because their sum would be wrong."""
        try:
            return [counter.read_j() for counter in self._counters]
        except (OSError, ValueError) as error:
            self._give_up(f"a counter could not be read ({error})")
            return []

    def _give_up(self, reason: str) -> None:
        self.source = f"not measured: {reason}. {_ADVICE}"
        self._counters, self.parts = [], {}


def source_of_watts(watts: float) -> str:
    """Describe the source of a measurement that is power times time."""
    return f"{watts:g} W given by the user, times the time"


def _rapl(root: Path) -> list[_Counter]:
    """Open the counters of processor packages and their memories.

    Cores are part of a package and ``psys`` includes all packages, so adding either would count energy twice.
    """
    if not root.is_dir():
        raise _UnavailableError(
            f"the processor offers no energy counters ({root} is absent, as in most containers and virtual machines)"
        )
    zones = []
    for zone in sorted(root.glob("intel-rapl:*")):  # also the name on AMD; intel-rapl-mmio would count twice
        name = _text(zone / "name")
        if name.startswith("package"):
            zones.append((name, zone))
        elif name == "dram":
            zones.append((f"{_text(root / zone.name.rpartition(':')[0] / 'name')} dram", zone))
    if not zones:
        raise _UnavailableError(f"the processor offers no energy counters ({root} holds no RAPL package)")
    return [_rapl_counter(name, zone) for name, zone in zones]


def _rapl_counter(name: str, zone: Path) -> _Counter:
    file = zone / "energy_uj"
    try:
        # Read once now, so that a missing permission is found before the block and not after it.
        int(file.read_text())
        period = int((zone / "max_energy_range_uj").read_text()) / 1e6
    except PermissionError:
        raise _UnavailableError(
            f"{file} may be read by root alone, as Linux has it since 2020; "
            f"an administrator can allow it: chmod a+r {zone.parent}/intel-rapl:*/energy_uj"
        ) from None
    except (OSError, ValueError) as error:
        raise _UnavailableError(f"the processor's energy counter cannot be read ({error})") from None
    return _Counter(name, lambda: int(file.read_text()) / 1e6, period)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _nvml() -> list[_Counter]:
    """Open the counters of all NVIDIA graphics cards; pynvml is used if it is installed and is not required."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        raise _UnavailableError(
            "graphics cards are not asked (pynvml is not installed: pip install nvidia-ml-py)"
        ) from None
    try:
        nvml.nvmlInit()
        cards = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        counters = [_nvml_counter(nvml, index, card) for index, card in enumerate(cards)]
        for counter in counters:  # older cards have a handle but no energy counter
            counter.read_j()
    except (nvml.NVMLError, OSError) as error:
        raise _UnavailableError(f"NVML counts no energy here ({error})") from None
    if not counters:
        raise _UnavailableError("NVML finds no graphics card")
    return counters


def _nvml_counter(nvml: Any, index: int, card: Any) -> _Counter:
    name = nvml.nvmlDeviceGetName(card)
    # Older versions of pynvml return bytes.
    label = name.decode() if isinstance(name, bytes) else name

    def read_j() -> float:
        try:
            return float(nvml.nvmlDeviceGetTotalEnergyConsumption(card)) / 1e3  # millijoules
        except nvml.NVMLError as error:
            raise OSError(str(error)) from None  # as the files of the processor do, so that one handler serves both

    return _Counter(f"{label} {index}", read_j)
