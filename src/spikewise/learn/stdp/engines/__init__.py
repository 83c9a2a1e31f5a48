"""Engines: a layer of neurons with its rule, which learns from samples and answers them."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".base": "Engine Settings",
        ".lean": "LeanEngine",
        ".trace": "TraceEngine",
    },
)
