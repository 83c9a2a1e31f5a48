"""What people read: tables for the terminal, figures for files, and one self-contained page about runs."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "accuracy_figure": ".figure",
        "breakdown_table": ".table",
        "cost_table": ".table",
        "weight_mosaic": ".figure",
        "write_page": ".page",
    },
)
