"""The stages of a run: each reads a run folder, does one thing, and extends it.

Commands call these functions and show what they return; a stage whose result is already in the folder
is not repeated.
"""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "DemoSettings": ".demo",
        "NetworkSettings": ".settings.network",
        "STDPSettings": ".settings.stdp",
        "ShrinkSettings": ".settings.shrink",
        "TrainSettings": ".settings.train",
        "learn_deep": ".learn",
        "learn_stdp": ".learn",
        "open_network": ".learn",
        "price_exit": ".early_exit",
        "run_demo": ".demo",
        "run_exit": ".exit",
        "run_shrink": ".shrink",
        "run_stdp": ".stdp",
        "run_train": ".train",
        "stop_early": ".early_exit",
    },
)
