"""Two ways to learn: gradients through time for deep networks, spike-timing plasticity without labels."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "FitResult": ".fit",
        "FitSettings": ".settings",
        "STDPClassifier": ".stdp",
        "STDPEncoder": ".encoder",
        "cumulative_loss": ".loss",
        "loss_named": ".loss",
        "per_step_loss": ".loss",
        "prefix_distillation": ".loss",
        "static_loss": ".loss",
    },
)
