"""Two ways to learn: gradients through time for deep networks, spike-timing plasticity without labels."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "FitResult": ".gradient.fit",
        "FitSettings": ".gradient.settings",
        "LeanRule": ".stdp.rules.lean",
        "STDPClassifier": ".stdp.classifier",
        "STDPEncoder": ".stdp.encoder",
        "TraceRule": ".stdp.rules.trace",
        "cumulative_loss": ".gradient.loss",
        "diehl_cook_defaults": ".stdp.rules.trace",
        "fit": ".gradient.fit",
        "fspinn_defaults": ".stdp.rules.trace",
        "lean_defaults": ".stdp.rules.lean",
        "loss_named": ".gradient.loss",
        "per_step_loss": ".gradient.loss",
        "prefix_distillation": ".gradient.loss",
        "resolve_rule": ".stdp.rules.base",
        "spread_of": ".stdp.rules.lean",
        "static_loss": ".gradient.loss",
    },
)
