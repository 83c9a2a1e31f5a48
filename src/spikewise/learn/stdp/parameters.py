"""Check the parameters of an unsupervised layer, and turn them into settings of an engine."""

from typing import Any

import numpy as np
from joblib import effective_n_jobs

from spikewise._arguments import check_argument, is_whole_number
from spikewise.errors import ParameterError

from .engines.base import LIMITS, Engine, Settings, check_rounding
from .rules.base import LeanRule, auto_bits, resolve_rule

_LIMITS = {**LIMITS, "n_epochs": 1_000_000}
_OPTIONAL = ("n_epochs", "n_bits")
_MOST_THREADS = 1024


def check_parameters(encoder: Any) -> None:
    """Raise ParameterError if a parameter of an encoder is impossible."""
    for key, highest in _LIMITS.items():
        value = getattr(encoder, key)
        if (value is None and key in _OPTIONAL) or (key == "n_bits" and isinstance(value, str) and value == "auto"):
            continue
        # A bool is an int in Python, but no number of neurons.
        is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not is_whole or not 1 <= value <= highest:
            none = ", or be None" if key in _OPTIONAL else ""
            raise ParameterError(f"{key} must be a whole number in 1..{highest}{none}; got {value!r}.")
    check_rounding(encoder.rounding)
    rule = resolve_rule(encoder.rule, encoder.n_neurons)
    if encoder.batch_size > 1 and not (isinstance(rule, LeanRule) and rule.window is None):
        raise ParameterError(
            f"batch_size must be 1 for a rule that updates within a sample; got {encoder.batch_size}. "
            "Use the lean rule without window."
        )
    n_threads(encoder.n_jobs)
    check_argument("verbose", encoder.verbose, int | bool)
    seed = encoder.random_state
    if not (seed is None or isinstance(seed, np.random.RandomState) or (is_whole_number(seed) and 0 <= seed < 2**32)):
        raise ParameterError(f"random_state must be None, a RandomState, or a seed in 0..2^32 - 1; got {seed!r}.")


def n_threads(n_jobs: int | None) -> int:
    """Return the number of threads for ``n_jobs``.

    Examples
    --------
    >>> n_threads(None), n_threads(3)
    (1, 3)
    """
    is_whole = isinstance(n_jobs, (int, np.integer)) and not isinstance(n_jobs, bool)
    if n_jobs is not None and not (is_whole and n_jobs != 0 and abs(n_jobs) <= _MOST_THREADS):
        raise ParameterError(
            f"n_jobs must be a number of threads up to {_MOST_THREADS}, negative to leave some processors free, "
            f"or None; got {n_jobs!r}. -1 uses all processors."
        )
    return int(effective_n_jobs(n_jobs))


def settings_for(encoder: Any, n_inputs: int, seed: np.uint64) -> Settings:
    """Return the settings of an engine with these parameters."""
    n_bits = auto_bits(encoder.rule) if encoder.n_bits == "auto" else encoder.n_bits
    n_bits = None if n_bits is None else int(n_bits)
    n_neurons, n_steps, batch_size = int(encoder.n_neurons), int(encoder.n_steps), int(encoder.batch_size)
    return Settings(n_inputs, n_neurons, n_steps, n_bits, encoder.rounding, seed, batch_size)


def refuse_changes(encoder: Any, engine: Engine) -> None:
    """Raise ParameterError if the parameters of an encoder have changed since its engine was built."""
    settings = engine.settings
    # The rule is compared as an object: its name may stand for other constants at another size.
    rule = resolve_rule(encoder.rule, encoder.n_neurons)
    now = {**_values(settings_for(encoder, settings.n_inputs, settings.seed)), "rule": rule}
    before = {**_values(settings), "rule": engine.rule}
    changed = [f"{key} is {now[key]!r} and was {before[key]!r}" for key in now if now[key] != before[key]]
    if changed:
        raise ParameterError(
            f"parameters must stay as they were for learning to go on; {', '.join(changed)}. Set them back or fit anew."
        )


def _values(settings: Settings) -> dict[str, Any]:
    return {key: getattr(settings, key) for key in ("n_neurons", "n_steps", "n_bits", "rounding", "batch_size")}
