"""When to stop: one idea for both kinds of network, in NumPy alone."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "AnytimeClassifier": ".anytime",
        "Calibration": ".calibration",
        "Certificate": ".guarantee",
        "Comparison": ".equal_accuracy",
        "ConfidenceExit": ".rule",
        "Drift": ".monitor",
        "DriftMonitor": ".monitor",
        "EntropyExit": ".rule",
        "ExitCurve": ".curve",
        "ExitPath": ".path",
        "ExitProfile": ".monitor",
        "ExitResult": ".anytime",
        "ExitRule": ".rule",
        "MarginExit": ".rule",
        "NeverExit": ".rule",
        "ScoreTrace": ".trace",
        "SigmaEExit": ".sigma_e",
        "SigmaEUnit": ".sigma_e",
        "calibrate": ".calibration",
        "calibration_error": ".temperature",
        "certify": ".guarantee",
        "cost_at_accuracy": ".equal_accuracy",
        "exit_curve": ".curve",
        "fit_temperature": ".temperature",
        "normalized_entropy": ".doubt",
        "random_exit_accuracy": ".calibration",
        "replay_exit": ".anytime",
        "samples_needed": ".guarantee",
        "saving_interval": ".equal_accuracy",
    },
)
