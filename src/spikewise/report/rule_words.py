"""Exit rules in words."""

from __future__ import annotations

from spikewise.dynamic.rule import ConfidenceExit, EntropyExit, MarginExit, NeverExit
from spikewise.dynamic.uncertainty import DoubtExit, PerStep

_NEVER = "never stops early"


def words_of(rule: DoubtExit | NeverExit) -> str:
    """When a rule stops.

    Examples
    --------
    >>> words_of(EntropyExit(0.25)), words_of(MarginExit((3.0, 2.0)))
    ('entropy below 0.25', 'margin above 3, 2 by step')
    >>> words_of(EntropyExit(0.25, "sum", temperature=2.0))
    'entropy of the sum, tempered, below 0.25'
    >>> words_of(MarginExit.at(0.0))
    'never stops early'
    """
    if isinstance(rule, DoubtExit) and max(rule.bounds) <= 0:
        return _NEVER
    match rule:
        case EntropyExit(max_entropy=bound):
            return f"entropy{_of(rule)} below {_numbers(bound)}"
        case ConfidenceExit(min_confidence=bound):
            return f"confidence{_of(rule)} above {_numbers(bound)}"
        case MarginExit(min_margin=bound):
            return f"margin{_of(rule)} above {_numbers(bound)}"
    return _NEVER


def _of(rule: DoubtExit) -> str:
    """What is read, where it is not the plain mean: a bound means nothing without it."""
    tempered = ", tempered," if rule.temperature != 1.0 else ""
    return (" of the sum" if rule.accumulate == "sum" else "") + tempered


def _numbers(bound: PerStep) -> str:
    return ", ".join(f"{value:.3g}" for value in bound) + " by step" if isinstance(bound, tuple) else f"{bound:.3g}"
