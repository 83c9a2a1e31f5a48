"""Joules that were really spent: counters of the machine, and what a run keeps of them."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".measurement": "Measurement measured_of",
        ".meter": "EnergyMeter",
    },
)
