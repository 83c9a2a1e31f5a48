"""The stages of a run: each reads a run folder, does one thing, and extends it.

Commands call these functions and show what they return; a stage whose result is already in the folder
is not repeated.
"""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "..runs.exit_settings": "ExitSettings",
        ".demo": "deep_settings run_demo",
        ".early_exit": "price_exit stop_early",
        ".exit": "accumulation_of run_exit splits_of",
        ".learn": "learn_deep learn_stdp open_network",
        ".settings.demo": "DemoSettings",
        ".settings.network": "NetworkSettings",
        ".settings.search": "SearchSettings",
        ".settings.shrink": "ShrinkSettings",
        ".settings.stdp": "STDPSettings",
        ".settings.sweep": "SweepSettings",
        ".settings.train": "TrainSettings",
        ".shrink": "run_shrink",
        ".stdp": "run_stdp",
        ".stream": "rule_of",
        ".threshold": "halves",
        ".train": "run_train",
        ".zoo": "publish run_from_zoo",
    },
)
