"""What people read: tables for the terminal, figures for files, and one self-contained page about runs."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "accuracy_figure": ".figures.base",
        "breakdown_table": ".tables.cost",
        "cost_table": ".tables.cost",
        "weight_mosaic": ".figures.base",
        "words_of": ".wording",
        "write_page": ".page.page",
    },
)
