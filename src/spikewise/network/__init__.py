"""Spiking layers and models in torch: train them through time, run them step by step, and really stop."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "Dspike": ".surrogate",
        "LIF": ".neurons",
        "LIFParams": ".neurons",
        "ModelSpec": ".spec",
        "NormLIF": ".fused.cpu",
        "OwnSpec": ".spec",
        "SpikingClassifier": ".classifier",
        "SpikingLayer": ".layers",
        "SpikingNetwork": ".models",
        "TrainableNetwork": ".protocol",
        "Triangle": ".surrogate",
        "VGG": ".vgg",
        "build_model": ".models",
        "conv_layer": ".layers",
        "lif_sequence": ".neurons",
        "lif_step": ".neurons",
        "linear_layer": ".layers",
        "record_workload": ".record.record",
        "run_steps": ".protocol",
        "scaled": ".vgg",
        "select": ".protocol",
        "single_sample": ".event_driven",
    },
)
