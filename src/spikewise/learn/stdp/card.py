"""Conversion of a learned network to plain values and arrays, for files without pickle, and back."""

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from spikewise._choices import Rounding
from spikewise.errors import ParameterError, ShapeError, whole_number
from spikewise.fixed_point import QFormat
from spikewise.workload.records import record

from .counters import EventCounts
from .engines.base import Engine, Settings
from .engines.lean import LeanEngine
from .engines.trace import TraceEngine
from .rules.base import LeanRule, Rule, rule_from_dict, rule_to_dict

_NOT_KEPT = ("n_jobs", "verbose", "rule")
# Integers, floats, truth values, text, dates, and text as Python objects.
_CLASS_TYPE = re.compile(r"[<>|=]?([iuf][1248]|b1|U\d{1,6}|M8\[\w{1,4}\]|O)")
_OF_ENGINE = ("n_neurons", "n_steps", "n_bits", "rounding", "batch_size")


def settings_to_dict(settings: Settings) -> dict[str, Any]:
    """Return settings of an engine as plain values; the seed is text, since it has too many digits for JSON."""
    return {**asdict(settings), "seed": str(settings.seed)}


def card_of(estimator: Any, encoder: Any, fitted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the card of an estimator: its parameters, with the fitted ones given, rule, settings and events."""
    engine: Engine = encoder.engine_
    settings = settings_to_dict(engine.settings)
    params = {key: _plain(value) for key, value in estimator.get_params().items() if key not in _NOT_KEPT}
    if not isinstance(params["random_state"], int):  # a generator has a state, and None is what is assumed
        del params["random_state"]
    return {
        # Values during learning: "auto" bits are resolved, and a parameter may have been changed since.
        "params": {**params, **{name: settings[name] for name in _OF_ENGINE}, **fitted},
        "rule": rule_to_dict(engine.rule),
        "engine": settings,
        "tally": asdict(engine.events),
        "horizon": encoder.horizon_,
    }


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


class STDPCard(BaseModel):
    """What a file of a classifier says beside its arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    params: dict[str, JsonValue]
    rule: dict[str, JsonValue]
    engine: dict[str, JsonValue]
    tally: dict[str, JsonValue]
    horizon: int = Field(ge=1)
    classes: list[str | bool | int | float] = Field(min_length=1)
    class_type: str | None = None
    feature_names: list[str] | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the estimator."""
        return {**self.params, "rule": rule_from_dict(self.rule)}

    def labels(self) -> NDArray[Any]:
        """Return the classes in the type in which they were learned."""
        if self.class_type is not None and not _CLASS_TYPE.fullmatch(self.class_type):
            raise ParameterError(f"class_type must be numbers, text or dates; got {self.class_type!r:.40}.")
        found = np.array(self.classes, self.class_type)
        if len(np.unique(found)) < len(found):
            raise ParameterError("classes must differ from each other; one of them comes twice.")
        return found


def classes_to_dict(classes: NDArray[Any]) -> dict[str, Any]:
    """Return classes as values of JSON, with their type where these do not say it.

    Examples
    --------
    >>> classes_to_dict(np.array([0, 1])), classes_to_dict(np.array(["2020-01-01"], "M8[D]"))
    ({'classes': [0, 1]}, {'classes': ['2020-01-01'], 'class_type': '<M8[D]'})
    """
    values = np.datetime_as_string(classes).tolist() if classes.dtype.kind == "M" else classes.tolist()
    if not all(type(value) in (str, bool, int, float) for value in values):
        raise ParameterError(
            f"classes must be numbers, text, truth values or dates to be saved; got {values[0]!r:.40}. Convert y."
        )
    is_said = np.array(values).dtype == classes.dtype
    return {"classes": values} | ({} if is_said else {"class_type": classes.dtype.str})


def engine_from(card: STDPCard, arrays: Mapping[str, NDArray[Any]]) -> Engine:
    """Build the engine of a card and its arrays; raises ParameterError or ShapeError if they are none."""
    seed = str(card.engine.get("seed"))
    if not (seed.isascii() and seed.isdecimal() and len(seed) < 21 and int(seed) < 2**64):
        raise ParameterError(f"seed must be a number of 64 bits; got {seed!r:.40}.")
    settings = record("engine", Settings, {**card.engine, "seed": np.uint64(int(seed))})
    # Before memory is taken: a card of a few bytes may promise gigabytes.
    promised, found = (settings.n_inputs, settings.n_neurons), np.shape(arrays.get("weights", 0))
    if found != promised:
        raise ShapeError(f"weights must have the shape {promised} of their card; got {found}.")
    engine = build_engine(rule_from_dict(card.rule), settings)
    engine.restore(arrays)
    engine.events = record("tally", EventCounts, card.tally)
    return engine


def build_engine(rule: Rule, settings: Settings) -> Engine:
    """Build a new engine, chosen by the type of the rule."""
    return LeanEngine(rule, settings) if isinstance(rule, LeanRule) else TraceEngine(rule, settings)


def quantized_engine(engine: Engine, n_bits: int, rounding: Rounding, seed: int = 0) -> Engine:
    """Return a copy of an engine with learned weights rounded to ``n_bits`` bits."""
    settings = replace(engine.settings, n_bits=n_bits, rounding=rounding)
    copy = build_engine(engine.rule, settings)
    # With the default seed of 0, rounding depends only on the training seed and the bits.
    seed = whole_number("seed", seed, 0)
    rng = np.random.default_rng([int(settings.seed), n_bits, *[seed] * (seed != 0)])
    grid = QFormat(0, n_bits, is_signed=False)
    copy.restore({**engine.arrays(), "weights": grid.quantize(engine.weights, rounding, rng)})
    copy.events = replace(engine.events)
    return copy
