"""Figures for files and for the page: mosaics of weights, classes of neurons, rasters, fronts."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".base": "accuracy_figure weight_mosaic",
    },
)
