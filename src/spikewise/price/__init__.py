"""Price of a network on hardware: energy, latency, area and memory, with uncertainty bands and breakdowns."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "..energy.meter": "EnergyMeter",
        ".analysis.ann_baseline": "ann_baseline ann_baselines ann_workload image_density matched_bits",
        ".analysis.companions": "price_all read_prices",
        ".analysis.coverage": "coverage_of",
        ".analysis.figures_of_merit": "merit_figures",
        ".analysis.ratio": "Ratio ratio_of",
        ".analysis.sensitivity": "replaced sensitivity",
        ".cost": "CostReport",
        ".digital.accelerator": "DigitalAccelerator",
        ".digital.neuromorphic": "NeuromorphicChip",
        ".digital.operations": "estimate_operations state_bits_of weight_bits_of",
        ".digital.roofline": "RooflineProcessor",
        ".imc.chip": "ImcChip",
        ".imc.components": "Component",
        ".imc.mapping": "CrossbarArray Placement",
        ".imc.schedule": "Schedule",
        ".ledger": "Cost Ledger",
        ".platform": "estimate load_platform varied",
        ".preset": "platform_names",
        ".protocol": "Platform",
        ".quantity": "Quantity constants_of",
    },
)
