"""In-memory-computing chips: crossbars and what surrounds them."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "Component": ".components",
        "CrossbarArray": ".mapping",
        "FixedCost": ".fixed_cost",
        "ImcChip": ".chip",
        "Placement": ".mapping",
        "Rate": ".components",
        "Schedule": ".schedule",
        "forget_demands": ".counts",
        "place": ".mapping",
    },
)
