"""Gradients through time: training deep spiking networks in torch."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".fit": "FitResult",
        ".loss": "cumulative_loss loss_named per_step_loss prefix_distillation static_loss",
        ".settings": "FitSettings",
    },
)
