"""Gradients through time: training deep spiking networks in torch."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "FitResult": ".fit",
        "FitSettings": ".settings",
        "cumulative_loss": ".loss",
        "loss_named": ".loss",
        "per_step_loss": ".loss",
        "prefix_distillation": ".loss",
        "static_loss": ".loss",
    },
)
