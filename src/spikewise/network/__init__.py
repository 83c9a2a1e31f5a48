"""Spiking layers and models in torch: train them through time, run them step by step, and really stop."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "Dspike": ".surrogate",
        "LIF": ".neurons",
        "LIFParams": ".neurons",
        "ModelSpec": ".spec",
        "OwnSpec": ".spec",
        "SpikingClassifier": ".classifier",
        "SpikingNetwork": ".models",
        "TrainableNetwork": ".protocol",
        "Triangle": ".surrogate",
        "VGG": ".vgg",
        "build_model": ".models",
        "lif_sequence": ".neurons",
        "lif_step": ".neurons",
        "record_workload": ".record.record",
        "run_steps": ".protocol",
        "select": ".protocol",
    },
)
