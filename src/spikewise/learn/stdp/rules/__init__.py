"""Plasticity rules as plain data: lean, and spike traces as Diehl and Cook and FSpiNN have them."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "CompetingNeurons": ".lean",
        "LeanRule": ".lean",
        "TraceRule": ".trace",
        "diehl_cook_defaults": ".trace",
        "fspinn_defaults": ".trace",
        "lean_defaults": ".lean",
        "resolve_rule": ".base",
        "spread_of": ".lean",
    },
)
