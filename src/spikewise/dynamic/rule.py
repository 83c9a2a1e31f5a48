r"""Exit rules: when a spiking network may stop early.

After step t the evidence is :math:`z_t = \sum_{s\le t} o_s`, or its mean :math:`z_t / t`. A rule reads from
:math:`p = \mathrm{softmax}(z_t)` how much *uncertainty* is left, a number in [0, 1], and a sample stops once this
number falls below a bound.

=======================  =============================================  ===============================
rule                     uncertainty                                    from
=======================  =============================================  ===============================
:class:`EntropyExit`     :math:`-\frac{1}{\log K} \sum_k p_k \log p_k`  DT-SNN, arXiv 2305.17346
:class:`ConfidenceExit`  :math:`1 - p_{(1)}`                            SEENN
:class:`MarginExit`      :math:`p_{(2)} / p_{(1)}`                      Top-K cut-off, arXiv 2301.09522
=======================  =============================================  ===============================

The sum and the mean give the same answer but a different uncertainty (the sum is t times as sharp), so a bound tuned
for one is wrong for the other: each rule owns its accumulation, and its temperature, by which the evidence is divided.
A bound may differ from step to step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise._arguments import checks_arguments
from spikewise._choices import Accumulate
from spikewise._gates import as_numbers
from spikewise.errors import DataError, ParameterError

from .uncertainty import PerStep, UncertaintyExit, as_bound, as_tuple, below_the_best, mapped, normalized_entropy


@runtime_checkable
class ExitRule(Protocol):
    """Decides which samples may stop."""

    def ready(self, score_sum: NDArray[np.floating], n_steps: int) -> NDArray[np.bool_]:
        """Tell for each sample (B,) whether it may stop, given its summed scores (B, K) after n_steps."""
        ...


def check_rule(rule: ExitRule) -> ExitRule:
    """Return the rule, or raise ParameterError if it is not an exit rule."""
    # A class has the method `ready` too, so a forgotten EntropyExit() would pass the protocol's check.
    if isinstance(rule, type) or not isinstance(rule, ExitRule):
        raise ParameterError(f"rule must be an exit rule; got {rule!r}. Give one such as EntropyExit(0.1).")
    return rule


def ask(rule: ExitRule, score_sum: NDArray[np.floating], n_steps: int) -> NDArray[np.bool_]:
    """Ask a rule which samples (B,) may stop, given their summed scores (B, K) after n_steps.

    Raises
    ------
    ParameterError
        If a user's own rule does not return one boolean per sample. Integers would be taken as indices of samples.

    Examples
    --------
    >>> ask(EntropyExit(0.5), np.array([[4.0, 0.0], [0.1, 0.0]]), 1).tolist()
    [True, False]
    """
    ready = np.asarray(rule.ready(score_sum, n_steps))
    if ready.dtype != bool or ready.shape != (len(score_sum),):
        raise ParameterError(
            f"ready of {type(rule).__name__} must return a boolean per sample, shape ({len(score_sum)},); got "
            f"{ready.dtype} of shape {ready.shape}. Compare with a bound."
        )
    return ready


@checks_arguments
@dataclass(frozen=True, slots=True)
class EntropyExit(UncertaintyExit):
    """Stop a sample once its softmax entropy, scaled to [0, 1], falls below a bound.

    Parameters
    ----------
    max_entropy : float or tuple of float
        The bound, or one for each step. With at most 0 no sample stops early; above 1 all stop after the first step.
    accumulate : {"mean", "sum"}
        Whether the softmax reads the mean of the scores over the steps so far, or their sum.
    temperature : float or tuple of float
        Divisor of the evidence, or one for each step; above 1 it makes the probabilities less certain.

    Examples
    --------
    >>> EntropyExit(0.5, accumulate="sum").ready(np.array([[4.0, 0.0], [0.1, 0.0]]), 2).tolist()
    [True, False]
    """

    max_entropy: PerStep
    accumulate: Accumulate = "mean"
    temperature: PerStep = 1.0

    kind: ClassVar[str] = "entropy"
    uncertainty_of = staticmethod(normalized_entropy)

    def __post_init__(self) -> None:
        self._check()

    @property
    def bounds(self) -> tuple[float, ...]:
        """Bound of step 1, 2, ...; the last one holds for all later steps."""
        return as_tuple(self.max_entropy)

    @classmethod
    def at(cls, bound: PerStep, accumulate: Accumulate = "mean", temperature: PerStep = 1.0) -> EntropyExit:
        """Build the rule with this bound on uncertainty, which is the entropy."""
        return cls(bound, accumulate, temperature)


@checks_arguments
@dataclass(frozen=True, slots=True)
class ConfidenceExit(UncertaintyExit):
    """Stop a sample once the largest class probability exceeds a bound.

    Parameters
    ----------
    min_confidence : float or tuple of float
        The bound, or one for each step. With at least 1 no sample stops early; below 0 all stop after the first step. A
        bound closer to 1 than 1e-16 is 1 in floating point.
    accumulate, temperature
        As in :class:`EntropyExit`.

    Examples
    --------
    >>> ConfidenceExit(0.9, accumulate="sum").ready(np.array([[4.0, 0.0], [2.0, 0.0]]), 2).tolist()
    [True, False]
    """

    min_confidence: PerStep
    accumulate: Accumulate = "mean"
    temperature: PerStep = 1.0

    kind: ClassVar[str] = "confidence"

    def __post_init__(self) -> None:
        self._check()

    @staticmethod
    def uncertainty_of(scores: ArrayLike) -> NDArray[np.float64]:
        """Return the probability (...) of all classes except the best."""
        # Not 1 - max(p): that would lose every probability below 1e-16.
        others = np.exp(below_the_best(scores)).sum(-1)
        return np.asarray(others / (1 + others))

    @property
    def bounds(self) -> tuple[float, ...]:
        """Bound of step 1, 2, ... on the probability of all other classes."""
        return tuple(1 - value for value in as_tuple(self.min_confidence))

    @classmethod
    def at(cls, bound: PerStep, accumulate: Accumulate = "mean", temperature: PerStep = 1.0) -> ConfidenceExit:
        """Build the rule with this bound on uncertainty, the probability of all other classes."""
        return cls(mapped(lambda value: 1 - value, as_bound(bound)), accumulate, temperature)


@checks_arguments
@dataclass(frozen=True, slots=True)
class MarginExit(UncertaintyExit):
    """Stop a sample once the evidence of the best class exceeds that of the second by a margin.

    The difference of two logits is the logarithm of the ratio of their probabilities.

    Parameters
    ----------
    min_margin : float or tuple of float
        The margin, or one for each step. Below 0 all samples stop after the first step. Above 745 no sample stops
        early, because exp(-745) is the smallest positive float.
    accumulate, temperature
        As in :class:`EntropyExit`.

    Examples
    --------
    >>> MarginExit(3.0, accumulate="sum").ready(np.array([[4.0, 0.0, 0.0], [4.0, 2.0, 0.0]]), 2).tolist()
    [True, False]
    """

    min_margin: PerStep
    accumulate: Accumulate = "mean"
    temperature: PerStep = 1.0

    kind: ClassVar[str] = "margin"

    def __post_init__(self) -> None:
        self._check()

    @staticmethod
    def uncertainty_of(scores: ArrayLike) -> NDArray[np.float64]:
        """Return the ratio (...) of the second largest probability to the largest."""
        return np.asarray(np.exp(below_the_best(scores)[..., -1]))

    @property
    def bounds(self) -> tuple[float, ...]:
        """Bound of step 1, 2, ... on the ratio of the second probability to the first."""
        # A negative margin gives a bound above 1, which always stops; min keeps exp from overflow for large ones.
        return tuple(math.exp(min(-value, 1.0)) for value in as_tuple(self.min_margin))

    @classmethod
    def at(cls, bound: PerStep, accumulate: Accumulate = "mean", temperature: PerStep = 1.0) -> MarginExit:
        """Build the rule with this bound on uncertainty, the ratio of the two largest probabilities."""
        return cls(mapped(lambda v: -math.log(v) if v > 0 else _NEVER_MARGIN, as_bound(bound)), accumulate, temperature)


_NEVER_MARGIN = 1e9  # finite, so that JSON holds it; exp(-1e9) is 0, and no uncertainty is below 0


@dataclass(frozen=True, slots=True)
class NeverExit:
    """Run every sample to the last step: the static network."""

    kind: ClassVar[str] = "never"

    def ready(self, score_sum: NDArray[np.floating], n_steps: int) -> NDArray[np.bool_]:
        """Return False for every sample."""
        return np.zeros(len(as_numbers(score_sum, "score_sum", ndim=2)), bool)


RULES: dict[str, type[UncertaintyExit]] = {rule.kind: rule for rule in (EntropyExit, ConfidenceExit, MarginExit)}
"""Rules with a bound, by the name of the uncertainty that they read."""


@checks_arguments
def rule_to_dict(rule: UncertaintyExit | NeverExit) -> dict[str, Any]:
    """Return a rule as a plain dictionary, ready for JSON; a temperature of 1 is left out.

    Examples
    --------
    >>> rule_to_dict(EntropyExit(0.2))
    {'kind': 'entropy', 'max_entropy': 0.2, 'accumulate': 'mean'}
    """
    found = {field.name: getattr(rule, field.name) for field in fields(rule)}  # type: ignore[arg-type]
    if found.get("temperature") == 1.0:
        del found["temperature"]
    return {"kind": rule.kind, **{key: list(v) if isinstance(v, tuple) else v for key, v in found.items()}}


def rule_from_dict(raw: dict[str, Any]) -> UncertaintyExit | NeverExit:
    """Inverse of :func:`rule_to_dict`; raises DataError if the dictionary is not a rule."""
    rules: dict[str, Any] = {**RULES, "never": NeverExit}
    try:
        # JSON has no tuples.
        body = {key: tuple(value) if isinstance(value, list) else value for key, value in dict(raw).items()}
        found: UncertaintyExit | NeverExit = rules[str(body.pop("kind"))](**body)
        return found
    except (KeyError, TypeError, ValueError, ParameterError) as error:
        raise DataError(f"an exit rule must be one of {', '.join(rules)} with its own settings; {error}.") from None
