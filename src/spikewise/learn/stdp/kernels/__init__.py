"""Compiled loops of unsupervised learning: one step of neurons, one update of weights, one answer."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".advance": "aligned",
    },
)
