"""Early exit: exit rules, their calibration and their guarantees, for both kinds of network, in NumPy alone."""

from spikewise._lazy import lazy_exports

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        ".anytime": "Answer AnytimeClassifier ExitResult answers_of replay_exit",
        ".calibration": "Calibration calibrate last_within",
        ".controls": "cut_at random_exit_accuracy stop_at_first_spike",
        ".curve": "ExitCurve exit_curve outcomes",
        ".equal_accuracy": "Comparison cost_at_accuracy saving_interval",
        ".exit_path": "ExitPath",
        ".guarantee": "Certificate certify last_passed rules_out samples_needed",
        ".monitor": "Drift DriftMonitor ExitProfile",
        ".rule": "ConfidenceExit EntropyExit ExitRule MarginExit NeverExit RULES rule_from_dict rule_to_dict",
        ".sigma_e": "SigmaEExit SigmaEUnit agreement",
        ".sigma_e_cost": "work_per_decision",
        ".temperature": "calibration_error fit_temperature",
        ".trace": "ScoreTrace",
        ".uncertainty": "normalized_entropy",
    },
)
