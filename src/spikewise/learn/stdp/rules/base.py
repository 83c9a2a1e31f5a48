"""Plasticity rules of unsupervised learning, as plain data for the engines.

A rule is chosen by name, with constants that fit the size of the network, or given as an object with changed
constants: ``dataclasses.replace(lean_defaults(400), gain=8.0)``.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from spikewise.errors import ParameterError, unknown_name, whole_number
from spikewise.workload.records import record

from .lean import CompetingNeurons, LeanRule, lean_defaults, spread_of
from .trace import TraceRule, diehl_cook_defaults, fspinn_defaults

Rule = LeanRule | TraceRule

RULES: dict[str, Callable[[int], Rule]] = {
    "lean": lean_defaults,
    "first_spike": partial(lean_defaults, first_spike=True),
    "fspinn": fspinn_defaults,
    "diehl_cook": diehl_cook_defaults,
}
"""Rules by name: functions that build each for a number of neurons."""

_KINDS: dict[str, type[Rule]] = {"lean": LeanRule, "trace": TraceRule}
_AUTO_BITS: dict[str, int | None] = {"diehl_cook": None}  # the published baseline computes with floats

__all__ = [
    "RULES",
    "CompetingNeurons",
    "LeanRule",
    "Rule",
    "TraceRule",
    "auto_bits",
    "diehl_cook_defaults",
    "fspinn_defaults",
    "lean_defaults",
    "resolve_rule",
    "rule_from_dict",
    "rule_to_dict",
    "spread_of",
]


def resolve_rule(rule: str | Rule, n_neurons: int) -> Rule:
    """Return a rule, given by name or as an object; raises ParameterError for anything else."""
    if isinstance(rule, str):
        if rule not in RULES:
            raise unknown_name("rule", rule, RULES)
        return RULES[rule](whole_number("n_neurons", n_neurons, 1))
    # Exact types, since files store a rule by the name of its class.
    if type(rule) not in _KINDS.values():
        raise ParameterError(f"rule must be one of {', '.join(RULES)}, or a rule object; got {rule!r}.")
    return rule


def auto_bits(rule: str | Rule) -> int | None:
    """Return the bits of a weight for which a rule was made: 8, or None (floats) for the published baseline."""
    return _AUTO_BITS.get(rule, 8) if isinstance(rule, str) else 8


def rule_to_dict(rule: Rule) -> dict[str, Any]:
    """Return a rule as plain values for JSON.

    Examples
    --------
    >>> rule = lean_defaults(400)
    >>> rule_from_dict(rule_to_dict(rule)) == rule
    True
    """
    kind = next(name for name, known in _KINDS.items() if type(rule) is known)
    fields = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(rule).items()}
    return {"kind": kind, **fields}


def rule_from_dict(values: Mapping[str, Any]) -> Rule:
    """Read what :func:`rule_to_dict` returned; raises ParameterError for anything else."""
    kind = str(values.get("kind"))
    if kind not in _KINDS:
        raise unknown_name("kind of a rule", kind, _KINDS)
    fields: dict[str, Any] = {
        # JSON has no tuples.
        key: tuple(value) if isinstance(value, list) else value
        for key, value in values.items()
        if key != "kind"
    }
    if "neurons" in fields:
        fields["neurons"] = record("neurons", CompetingNeurons, fields["neurons"])
    build: Callable[..., Rule] = _KINDS[kind]
    return record("rule", build, fields)
