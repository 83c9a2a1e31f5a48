"""The engine for a rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spikewise.fixed_point import QFormat, Rounding
from spikewise.learn.rules import LeanRule, Rule

from . import Engine, Settings
from .lean import LeanEngine
from .trace import TraceEngine


def build_engine(rule: Rule, settings: Settings) -> Engine:
    """A fresh engine, chosen by the type of the rule."""
    return LeanEngine(rule, settings) if isinstance(rule, LeanRule) else TraceEngine(rule, settings)


def quantized_engine(engine: Engine, n_bits: int, rounding: Rounding, seed: int = 0) -> Engine:
    """A copy of an engine whose learned weights are rounded to ``n_bits`` bits."""
    settings = replace(engine.settings, n_bits=n_bits, rounding=rounding)
    copy = build_engine(engine.rule, settings)
    rng = np.random.default_rng([int(settings.seed), n_bits, *[seed] * (seed != 0)])
    grid = QFormat(0, n_bits, is_signed=False)
    copy.restore({**engine.arrays(), "weights": grid.quantize(engine.weights, rounding, rng)})
    copy.tally = replace(engine.tally)
    return copy
