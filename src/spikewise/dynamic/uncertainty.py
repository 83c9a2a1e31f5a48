"""Base of the exit rules: measures of uncertainty, and bounds that may differ from step to step."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._choices import Accumulate
from spikewise._gates import MOST_STEPS, as_numbers, step_count
from spikewise.errors import ParameterError, ShapeError

PerStep = float | tuple[float, ...]
"""One number for all steps, or one for step 1, 2, ...; the last one holds for all later steps."""


def normalized_entropy(scores: ArrayLike) -> NDArray[np.float64]:
    """Return the entropy of softmax(scores) over the last axis, scaled to [0, 1].

    Parameters
    ----------
    scores : array of shape (..., K)
        Logits of at least two classes.

    Returns
    -------
    float array of shape (...)
        0 for a certain answer, 1 for a uniform one. A class of probability 0 contributes 0.

    Examples
    --------
    >>> normalized_entropy([[0.0, 0.0], [50.0, 0.0]]).round(3).tolist()
    [1.0, 0.0]
    """
    shifted = _distances(scores)
    weight = np.exp(shifted)
    total = weight.sum(-1)
    # H = log(sum w) - sum(w * shifted) / sum(w): no logarithm of a vanishing probability.
    entropy = np.log(total) - (weight * shifted).sum(-1) / total
    return np.asarray(np.clip(entropy / np.log(shifted.shape[-1]), 0.0, 1.0))


def _distances(scores: ArrayLike) -> NDArray[np.float64]:
    logits = as_numbers(scores, "scores").astype(np.float64, copy=False)
    if logits.ndim == 0 or logits.shape[-1] < 2:
        raise ShapeError(f"scores must cover at least 2 classes on the last axis; got shape {logits.shape}.")
    return np.asarray(logits - logits.max(-1, keepdims=True))


def below_the_best(scores: ArrayLike) -> NDArray[np.float64]:
    """Return logits (..., K - 1) of all classes except the best, minus that of the best; the nearest comes last."""
    # A full sort is not needed: the places of the best and of the second are enough.
    below = _distances(scores)
    return np.partition(below, (-2, -1), axis=-1)[..., :-1]


class UncertaintyExit(ABC):
    """Base class of rules: a sample stops once its uncertainty, in [0, 1], falls below the bound of the step.

    A bound of at most 0 never stops early; one above 1 always stops.
    """

    __slots__ = ()
    kind: ClassVar[str]
    accumulate: Accumulate
    temperature: PerStep

    @staticmethod
    @abstractmethod
    def uncertainty_of(scores: ArrayLike) -> NDArray[np.float64]:
        """Return the uncertainty (...) of evidence (..., K), a logit per class."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[float, ...]:
        """Bound of step 1, 2, ...; the last one holds for all later steps."""

    @classmethod
    @abstractmethod
    def at(cls, bound: PerStep, accumulate: Accumulate = "mean", temperature: PerStep = 1.0) -> Any:
        """Build the rule with this bound on uncertainty."""

    def never(self) -> Any:
        """Return a rule that reads the same uncertainty and never stops early."""
        return self.at(0.0, self.accumulate, self.temperature)

    def scale(self, n_steps: int) -> float:
        """Return the factor that turns summed scores into the evidence of this step."""
        n_steps = _checked_step(n_steps)
        return 1 / (at_step(self.temperature, n_steps) * (n_steps if self.accumulate == "mean" else 1))

    def bound(self, n_steps: int) -> float:
        """Return the bound on uncertainty after n_steps."""
        return at_step(self.bounds, _checked_step(n_steps))

    def uncertainty(self, score_sum: NDArray[np.floating], n_steps: int) -> NDArray[np.float64]:
        """Return the uncertainty (B,) that is compared with the bound, given summed scores (B, K) after n_steps."""
        return self.uncertainty_of(as_numbers(score_sum, "score_sum", finite=False) * self.scale(n_steps))

    def ready(self, score_sum: NDArray[np.floating], n_steps: int) -> NDArray[np.bool_]:
        """Tell for each sample (B,) whether its uncertainty is below the bound."""
        return np.asarray(self.uncertainty(score_sum, n_steps) < self.bound(n_steps))

    def _check(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            # All other fields are numbers: the bound, by its name in each rule, and the temperature.
            if field.name != "accumulate":
                object.__setattr__(self, field.name, _per_step(field.name, getattr(self, field.name)))
        if self.accumulate not in ("sum", "mean"):
            raise ParameterError(f"accumulate must be 'sum' or 'mean'; got {self.accumulate!r}.")
        if min(as_tuple(self.temperature)) <= 0:
            raise ParameterError(f"temperature must be above 0; got {self.temperature}.")


def _checked_step(n_steps: int) -> int:
    # Rules are asked at every step, so the usual case comes first.
    return n_steps if type(n_steps) is int and 0 < n_steps <= MOST_STEPS else step_count(n_steps)


def at_step(values: PerStep, n_steps: int) -> float:
    """Return the value of a step; the last one holds for all later steps."""
    return values[min(n_steps, len(values)) - 1] if isinstance(values, tuple) else values


def as_tuple(values: PerStep) -> tuple[float, ...]:
    """Return the numbers as a tuple, of length 1 if one holds for all steps."""
    return values if isinstance(values, tuple) else (values,)


def mapped(function: Callable[[float], float], values: PerStep) -> PerStep:
    """Apply a function to the number, or to each of the numbers."""
    return tuple(map(function, values)) if isinstance(values, tuple) else function(values)


def as_bound(values: Any) -> PerStep:
    """Return a bound as one finite number, or as a tuple of one per step; raise ParameterError for anything else."""
    return _per_step("bound", values)


def _per_step(name: str, values: Any) -> PerStep:
    """Return one finite number, or a tuple of one per step; raise ParameterError for anything else."""
    is_row = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str | bytes)
    is_row = is_row and not (isinstance(values, np.ndarray) and values.ndim == 0)
    try:
        if is_row and len(values):
            return tuple(_finite(value) for value in values)
        return _finite(values)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{name} must be a finite number, or one for each step; got {values!r}.") from None


def _finite(value: Any) -> float:
    if isinstance(value, str | bytes | bool) or not math.isfinite(value):
        raise ValueError
    # NumPy's numbers become floats, which JSON can hold; an int stays an int.
    return value if isinstance(value, int | float) else float(value)
