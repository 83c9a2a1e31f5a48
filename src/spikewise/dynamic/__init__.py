"""When to stop: one idea for both kinds of network, in NumPy alone."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "AnytimeClassifier": ".anytime",
        "EntropyExit": ".rule",
        "ExitResult": ".anytime",
        "ExitRule": ".rule",
        "NeverExit": ".rule",
        "ScoreTrace": ".trace",
        "normalized_entropy": ".rule",
        "replay_exit": ".anytime",
    },
)
