"""Settings of the stages: frozen models from which command lines and their help are made."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "...runs.exit_settings": "ExitSettings",
        ".demo": "DemoSettings",
        ".network": "NetworkSettings",
        ".search": "SearchSettings",
        ".shrink": "ShrinkSettings",
        ".stdp": "STDPSettings",
        ".sweep": "SweepSettings",
        ".train": "TrainSettings",
    },
)
