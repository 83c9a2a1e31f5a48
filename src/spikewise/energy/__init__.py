"""Measured energy: energy counters of the machine, and the measurements that a run stores."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".measurement": "Measurement measured_of",
        ".meter": "EnergyMeter",
    },
)
