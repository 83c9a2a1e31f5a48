"""What a network costs on hardware: energy, latency, area and memory, with a band and a breakdown that adds up."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "ann_baseline": ".baseline",
        "Component": ".parts",
        "Cost": ".ledger",
        "CostReport": ".cost",
        "CrossbarArray": ".mapping",
        "DigitalAccelerator": ".digital",
        "EnergyMeter": "..energy.meter",
        "ImcChip": ".chip",
        "Ledger": ".ledger",
        "NeuromorphicChip": ".neuromorphic",
        "Placement": ".mapping",
        "Platform": ".platform",
        "Quantity": ".technology",
        "RooflineProcessor": ".roofline",
        "estimate": ".platform",
        "estimate_operations": ".stdp",
        "sensitivity": ".tornado",
        "load_platform": ".platform",
        "platform_names": ".preset",
    },
)
