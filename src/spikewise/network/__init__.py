"""Spiking layers and models in torch: train them through time, run them step by step, and really stop."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".classifier": "SpikingClassifier",
        ".event_driven": "single_sample",
        ".fused.cpu": "NormLIF",
        ".layers": "SpikingLayer conv_layer linear_layer",
        ".models": "SpikingNetwork build_model",
        ".neurons": "LIF LIFParams lif_sequence lif_step",
        ".protocol": "TrainableNetwork run_steps select",
        ".record.record": "record_workload",
        ".spec": "ModelSpec OwnSpec",
        ".surrogate": "Dspike Triangle",
        ".vgg": "VGG scaled",
    },
)
