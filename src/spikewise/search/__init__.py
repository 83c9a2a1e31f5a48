"""Which design: constraints first, then training; the front of what is left, and the choice with its reasons."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".budget": "Budget",
        ".designs": "STDPDesign STDPSpace",
        ".front": "hypervolume is_on_front",
    },
)
