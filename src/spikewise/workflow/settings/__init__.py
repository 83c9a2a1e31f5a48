"""Settings of the stages: frozen models from which command lines and their help are made."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "DemoSettings": ".demo",
        "ExitSettings": ".exit",
        "NetworkSettings": ".network",
        "STDPSettings": ".stdp",
        "SearchSettings": ".search",
        "ShrinkSettings": ".shrink",
        "TrainSettings": ".train",
    },
)
