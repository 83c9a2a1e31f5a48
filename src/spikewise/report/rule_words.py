"""Exit rules in words."""

from __future__ import annotations

from spikewise.dynamic.doubt import DoubtExit, PerStep
from spikewise.dynamic.rule import ConfidenceExit, EntropyExit, MarginExit, NeverExit

_NEVER = "never stops early"


def words_of(rule: DoubtExit | NeverExit) -> str:
    """When a rule stops.

    Examples
    --------
    >>> words_of(EntropyExit(0.25)), words_of(MarginExit((3.0, 2.0)))
    ('entropy below 0.25', 'margin above 3, 2 by step')
    >>> words_of(MarginExit.at(0.0))
    'never stops early'
    """
    if isinstance(rule, DoubtExit) and max(rule.bounds) <= 0:
        return _NEVER
    match rule:
        case EntropyExit(max_entropy=bound):
            return f"entropy below {_numbers(bound)}"
        case ConfidenceExit(min_confidence=bound):
            return f"confidence above {_numbers(bound)}"
        case MarginExit(min_margin=bound):
            return f"margin above {_numbers(bound)}"
    return _NEVER


def _numbers(bound: PerStep) -> str:
    return ", ".join(f"{value:.3g}" for value in bound) + " by step" if isinstance(bound, tuple) else f"{bound:.3g}"
