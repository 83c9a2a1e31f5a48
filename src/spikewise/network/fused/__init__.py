"""Normalisation and neurons as one operation, compiled for processors and for graphics cards."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".cpu": "NormLIF can_fuse norm_lif",
    },
)
