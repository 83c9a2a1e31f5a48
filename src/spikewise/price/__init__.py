"""What a network costs on hardware: energy, latency, area and memory, with a band and a breakdown that adds up."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "Component": ".parts",
        "Cost": ".cost",
        "CostReport": ".cost",
        "CrossbarArray": ".mapping",
        "ImcChip": ".chip",
        "Ledger": ".ledger",
        "Placement": ".mapping",
        "Platform": ".estimate",
        "Quantity": ".technology",
        "load_platform": ".estimate",
        "platform_names": ".preset",
    },
)
