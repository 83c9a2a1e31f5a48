"""The published data sets: names, files, checksums, where they are looked for and how they are fetched."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".download": "fetch",
        ".registry": "NAMED_SETS",
        ".sources": "open_source",
    },
)
