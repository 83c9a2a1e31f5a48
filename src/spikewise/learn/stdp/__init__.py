"""Unsupervised learning by spike-timing-dependent plasticity (STDP)."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".classifier": "STDPClassifier",
        ".encoder": "STDPEncoder",
        ".rules.base": "resolve_rule",
        ".rules.lean": "CompetingNeurons LeanRule lean_defaults spread_of",
        ".rules.trace": "TraceRule diehl_cook_defaults fspinn_defaults",
    },
)
