"""Plasticity rules as plain data: lean, and spike traces as Diehl and Cook and FSpiNN have them."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".base": "resolve_rule",
        ".lean": "CompetingNeurons LeanRule lean_defaults spread_of",
        ".trace": "TraceRule diehl_cook_defaults fspinn_defaults",
    },
)
