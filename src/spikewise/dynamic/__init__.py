"""When to stop: one idea for both kinds of network, in NumPy alone."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "AnytimeClassifier": ".anytime",
        "Calibration": ".calibrate",
        "EntropyExit": ".rule",
        "ExitCurve": ".calibrate",
        "ExitResult": ".anytime",
        "ExitRule": ".rule",
        "NeverExit": ".rule",
        "ScoreTrace": ".trace",
        "SigmaEExit": ".sigma_e",
        "SigmaEUnit": ".sigma_e",
        "calibrate_entropy": ".calibrate",
        "exit_curve": ".calibrate",
        "normalized_entropy": ".rule",
        "random_exit_accuracy": ".calibrate",
        "replay_exit": ".anytime",
    },
)
