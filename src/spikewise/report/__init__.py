"""What people read: tables for the terminal, figures for files, and one self-contained page about runs."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".figures.base": "accuracy_figure weight_mosaic",
        ".page.page": "write_page",
        ".tables.cost": "breakdown_table cost_table",
        ".wording": "words_of",
    },
)
