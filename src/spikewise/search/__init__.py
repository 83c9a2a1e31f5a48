"""Search for designs: apply constraints, train what remains, compute the Pareto front and choose with reasons."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".budget": "Budget",
        ".designs": "STDPDesign STDPSpace",
        ".front": "hypervolume is_on_front",
    },
)
