"""Fewer bits: networks in fixed point, with and without further training."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "FixedClassifier": ".classifier",
        "FixedFormat": ".format",
        "choose_bits": ".sensitivity",
        "finetune": ".tuning",
        "run_integer": ".integer",
        "shrink_network": ".convert",
    },
)
