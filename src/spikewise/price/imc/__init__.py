"""In-memory-computing chips: crossbars with their converters, buffers, interconnect and other components."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".chip": "ImcChip",
        ".components": "Component Rate",
        ".counts": "forget_demands",
        ".fixed_cost": "FixedCost",
        ".mapping": "CrossbarArray Placement place",
        ".schedule": "Schedule",
    },
)
