"""Platforms without crossbars: digital accelerators, processors and neuromorphic chips, with memory and arithmetic."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".accelerator": "DigitalAccelerator",
        ".neuromorphic": "NeuromorphicChip",
        ".operations": "estimate_operations",
        ".roofline": "RooflineProcessor",
    },
)
