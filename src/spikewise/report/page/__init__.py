"""The one-file HTML page about runs, which loads nothing from elsewhere."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".page": "write_page",
    },
)
