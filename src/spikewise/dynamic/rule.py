r"""When has a network seen enough? The exit rules of early-stopping spiking networks.

After step t the evidence is :math:`z_t = \sum_{s\le t} o_s`, or its mean :math:`z_t / t`. DT-SNN
(arXiv 2305.17346) stops a sample once the normalised entropy

.. math:: H_t = -\frac{1}{\log K} \sum_k p_k \log p_k \in [0, 1], \qquad p = \mathrm{softmax}(z_t)

falls below a bound. The sum and the mean give the same answer but a different entropy (the sum is t
times as sharp), so a bound tuned for one is wrong for the other: each rule owns its accumulation.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewise.errors import DataError, ParameterError, ShapeError

Accumulate = Literal["sum", "mean"]


@runtime_checkable
class ExitRule(Protocol):
    """Decides which samples may stop."""

    def ready(self, score_sum: NDArray[np.floating], n_steps: int) -> NDArray[np.bool_]:
        """Tell for each sample (B,) whether it may stop, given its summed scores (B, K) after n_steps."""
        ...


def normalized_entropy(scores: ArrayLike) -> NDArray[np.float64]:
    """Entropy of softmax(scores) over the last axis, scaled to [0, 1].

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
    logits = np.asarray(scores, np.float64)
    if logits.ndim == 0 or logits.shape[-1] < 2:
        raise ShapeError(f"scores must cover at least 2 classes on the last axis; got shape {logits.shape}.")
    shifted = logits - logits.max(-1, keepdims=True)
    weight = np.exp(shifted)
    total = weight.sum(-1)
    # H = log(sum w) - sum(w * shifted) / sum(w): no logarithm of a vanishing probability.
    entropy = np.log(total) - (weight * shifted).sum(-1) / total
    return np.asarray(np.clip(entropy / np.log(logits.shape[-1]), 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class EntropyExit:
    """Stop a sample once its softmax entropy, scaled to [0, 1], falls below a bound.

    Parameters
    ----------
    max_entropy : float
        The bound. At most 0 never stops early; above 1 stops after the first step.
    accumulate : {"mean", "sum"}
        Whether the softmax reads the mean of the scores over the steps so far, or their sum.

    Examples
    --------
    >>> EntropyExit(0.5, accumulate="sum").ready(np.array([[4.0, 0.0], [0.1, 0.0]]), 2).tolist()
    [True, False]
    """

    max_entropy: float
    accumulate: Accumulate = "mean"

    def __post_init__(self) -> None:
        try:
            is_finite = not isinstance(self.max_entropy, str | bytes | bool) and math.isfinite(self.max_entropy)
        except (TypeError, OverflowError):
            is_finite = False
        if not is_finite:
            raise ParameterError(f"max_entropy must be a finite number; got {self.max_entropy!r}.")
        if self.accumulate not in ("sum", "mean"):
            raise ParameterError(f"accumulate must be 'sum' or 'mean'; got {self.accumulate!r}.")

    def measure(self, score_sum: NDArray[np.floating], n_steps: int) -> NDArray[np.float64]:
        """The entropy (B,) that is held against the bound."""
        return normalized_entropy(score_sum / n_steps if self.accumulate == "mean" else score_sum)

    def ready(self, score_sum: NDArray[np.floating], n_steps: int) -> NDArray[np.bool_]:
        """Tell for each sample (B,) whether its entropy lies below the bound."""
        return np.asarray(self.measure(score_sum, n_steps) < self.max_entropy)


@dataclass(frozen=True, slots=True)
class NeverExit:
    """Run every sample to the last step: the static network."""

    def ready(self, score_sum: NDArray[np.floating], n_steps: int) -> NDArray[np.bool_]:
        """False for every sample."""
        return np.zeros(len(score_sum), bool)


_RULES: dict[str, type[EntropyExit] | type[NeverExit]] = {"entropy": EntropyExit, "never": NeverExit}


def rule_to_dict(rule: EntropyExit | NeverExit) -> dict[str, Any]:
    """Rule as a plain dictionary, ready for JSON.

    Examples
    --------
    >>> rule_to_dict(EntropyExit(0.2))
    {'kind': 'entropy', 'max_entropy': 0.2, 'accumulate': 'mean'}
    """
    kind = next(name for name, cls in _RULES.items() if isinstance(rule, cls))
    return {"kind": kind, **asdict(rule)}


def rule_from_dict(raw: dict[str, Any]) -> EntropyExit | NeverExit:
    """Inverse of :func:`rule_to_dict`."""
    body = dict(raw)
    try:
        return _RULES[body.pop("kind")](**body)
    except (KeyError, TypeError) as error:
        raise DataError(f"an exit rule must be one of {', '.join(_RULES)} with its own settings; {error}.") from None
