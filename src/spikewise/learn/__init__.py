"""Learning: gradients through time for deep networks, or spike-timing plasticity without labels."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".gradient.fit": "FitResult fit",
        ".gradient.loss": "cumulative_loss loss_named per_step_loss prefix_distillation static_loss",
        ".gradient.settings": "FitSettings",
        ".stdp.classifier": "STDPClassifier",
        ".stdp.encoder": "STDPEncoder",
        ".stdp.rules.base": "resolve_rule",
        ".stdp.rules.lean": "LeanRule lean_defaults spread_of",
        ".stdp.rules.trace": "TraceRule diehl_cook_defaults fspinn_defaults",
    },
)
