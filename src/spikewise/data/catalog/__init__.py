"""Published data sets: their names, files and checksums, where they are searched and how they are downloaded."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".download": "fetch",
        ".registry": "NAMED_SETS",
        ".sources": "open_source",
    },
)
