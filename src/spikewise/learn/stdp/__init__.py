"""Learning without labels, by spike-timing-dependent plasticity (STDP)."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "CompetingNeurons": ".rules.lean",
        "LeanRule": ".rules.lean",
        "STDPClassifier": ".classifier",
        "STDPEncoder": ".encoder",
        "TraceRule": ".rules.trace",
        "diehl_cook_defaults": ".rules.trace",
        "fspinn_defaults": ".rules.trace",
        "lean_defaults": ".rules.lean",
        "resolve_rule": ".rules.base",
        "spread_of": ".rules.lean",
    },
)
