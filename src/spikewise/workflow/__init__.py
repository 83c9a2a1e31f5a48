"""The stages of a run: each reads a run folder, does one thing, and extends it.

Commands call these functions and show what they return; a stage whose result is already in the folder
is not repeated.
"""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "DemoSettings": ".settings.demo",
        "ExitSettings": ".settings.exit",
        "NetworkSettings": ".settings.network",
        "STDPSettings": ".settings.stdp",
        "SearchSettings": ".settings.search",
        "ShrinkSettings": ".settings.shrink",
        "TrainSettings": ".settings.train",
        "accumulation_of": ".exit",
        "deep_settings": ".demo",
        "halves": ".threshold",
        "learn_deep": ".learn",
        "learn_stdp": ".learn",
        "open_network": ".learn",
        "price_exit": ".early_exit",
        "publish": ".zoo",
        "rule_of": ".stream",
        "run_demo": ".demo",
        "run_exit": ".exit",
        "run_from_zoo": ".zoo",
        "run_shrink": ".shrink",
        "run_stdp": ".stdp",
        "run_train": ".train",
        "splits_of": ".exit",
        "stop_early": ".early_exit",
    },
)
