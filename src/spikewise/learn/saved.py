"""A learned network as plain values and arrays, for files without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .engines import Engine, Settings
from .engines.build import build_engine
from .rules import rule_from_dict, rule_to_dict
from .tally import Tally

_NOT_KEPT = ("random_state", "n_jobs", "verbose", "rule")
_OF_ENGINE = ("n_neurons", "n_steps", "n_bits", "rounding", "batch_size")


def settings_to_dict(settings: Settings) -> dict[str, Any]:
    """Settings of an engine as plain values; the seed has more digits than a number of JSON holds."""
    return {**asdict(settings), "seed": str(settings.seed)}


def card_of(estimator: Any, encoder: Any, fitted: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of an estimator, its encoder and some parameters as they were fitted, besides the arrays."""
    engine: Engine = encoder.engine_
    settings = settings_to_dict(engine.settings)
    params = {key: _plain(value) for key, value in estimator.get_params().items() if key not in _NOT_KEPT}
    return {
        # As they were while learning: "auto" bits are settled, and a parameter may have been changed since.
        "params": {**params, **{name: settings[name] for name in _OF_ENGINE}, **fitted},
        "rule": rule_to_dict(engine.rule),
        "engine": settings,
        "tally": asdict(engine.tally),
        "horizon": encoder.horizon_,
    }


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def params_from(card: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of the estimator that a card describes."""
    return {**card["params"], "rule": rule_from_dict(card["rule"])}


def engine_from(card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Engine:
    """The engine that a card and its arrays describe; raises KeyError, TypeError or ValueError for anything else."""
    settings = Settings(**{**card["engine"], "seed": np.uint64(int(card["engine"]["seed"]))})
    engine = build_engine(rule_from_dict(card["rule"]), settings)
    engine.restore(arrays)
    engine.tally = Tally(**card["tally"])
    return engine
