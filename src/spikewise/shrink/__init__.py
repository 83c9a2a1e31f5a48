"""Quantization: networks in fixed point with few bits, with or without fine-tuning."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".classifier": "FixedClassifier",
        ".convert": "shrink_network",
        ".format": "FixedFormat",
        ".integer": "run_integer",
        ".sensitivity": "choose_bits",
        ".tuning": "finetune",
    },
)
