"""Analysis of prices: which constants matter, what a conventional network costs, which costs are covered."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "Ratio": ".ratio",
        "ann_baselines": ".ann_baseline",
        "ann_workload": ".ann_baseline",
        "coverage_of": ".coverage",
        "image_density": ".ann_baseline",
        "matched_bits": ".ann_baseline",
        "merit_figures": ".figures_of_merit",
        "price_all": ".companions",
        "ratio_of": ".ratio",
        "read_prices": ".companions",
    },
)
