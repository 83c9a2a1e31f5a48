"""Analysis of prices: which constants matter, what a conventional network costs, which costs are covered."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".ann_baseline": "ann_baselines ann_workload image_density matched_bits",
        ".companions": "price_all read_prices",
        ".coverage": "coverage_of",
        ".figures_of_merit": "merit_figures",
        ".ratio": "Ratio ratio_of",
    },
)
