"""The engine for a rule."""

from __future__ import annotations

from spikewise.learn.rules import LeanRule, Rule

from . import Engine, Settings
from .lean import LeanEngine
from .trace import TraceEngine


def build_engine(rule: Rule, settings: Settings) -> Engine:
    """A fresh engine, chosen by the type of the rule."""
    return LeanEngine(rule, settings) if isinstance(rule, LeanRule) else TraceEngine(rule, settings)
