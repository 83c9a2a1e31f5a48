"""Settings of the stages: frozen models from which command lines and their help are made."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "ExitSettings": "...runs.exit_settings",
        "NetworkSettings": ".network",
        "STDPSettings": ".stdp",
        "SearchSettings": ".search",
        "ShrinkSettings": ".shrink",
        "TrainSettings": ".train",
    },
)
