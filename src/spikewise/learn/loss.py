r"""Losses on outputs over time.

With the outputs :math:`o_t` of shape (B, K), the label y, and the evidence
:math:`z_t = \sum_{s \le t} o_s` or its mean :math:`z_t / t`:

* *static*: :math:`CE(z_T, y)`, only the last answer counts;
* *per step* (TET): :math:`\frac1T \sum_t CE(o_t, y)`, every step alone must be right;
* *cumulative*: :math:`\frac1T \sum_t CE(z_t, y)`, every prefix must be right. It trains exactly what an
  exit rule reads, so its accumulation must be the rule's. Step t sees the outputs 1..t, itself included.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from spikewise.errors import ParameterError, ShapeError, unknown_name

Accumulate = Literal["mean", "sum"]
Loss = Callable[[Tensor, Tensor], Tensor]


def accumulate_outputs(outputs: Tensor, accumulate: Accumulate = "mean") -> Tensor:
    """Evidence after each step: running sum or running mean of the outputs, shape (T, B, K).

    Examples
    --------
    >>> accumulate_outputs(torch.tensor([[[1.0, 0.0]], [[3.0, 0.0]]])).tolist()
    [[[1.0, 0.0]], [[2.0, 0.0]]]
    """
    if accumulate not in ("mean", "sum"):
        raise ParameterError(f"accumulate must be 'mean' or 'sum'; got {accumulate!r}.")
    if outputs.ndim != 3:
        raise ShapeError(f"outputs must have shape (T, B, K); got {tuple(outputs.shape)}.")
    total = outputs.cumsum(0)
    if accumulate == "sum":
        return total
    counts = torch.arange(1, len(outputs) + 1, device=outputs.device, dtype=outputs.dtype)
    return total / counts[:, None, None]


def _cross_entropy(evidence: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    """Mean cross-entropy of (T, B, K) against labels (B,) that hold at every step."""
    return functional.cross_entropy(
        evidence.flatten(0, 1), labels.repeat(len(evidence)), label_smoothing=label_smoothing
    )


def static_loss(
    outputs: Tensor, labels: Tensor, *, accumulate: Accumulate = "mean", label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of the evidence after the last step.

    Parameters
    ----------
    outputs : Tensor of shape (T, B, K)
        Logits of each step, not accumulated.
    labels : int Tensor of shape (B,)
        True classes.
    accumulate : {"mean", "sum"}
        How outputs become evidence.
    label_smoothing : float
        Share of the target spread evenly over all classes, in [0, 1].
    """
    return _cross_entropy(accumulate_outputs(outputs, accumulate)[-1:], labels, label_smoothing)


def per_step_loss(
    outputs: Tensor, labels: Tensor, *, accumulate: Accumulate = "mean", label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of each step's own output, mean over the steps (TET). ``accumulate`` plays no part.

    Parameters are those of :func:`static_loss`.

    References
    ----------
    .. [1] Deng et al., "Temporal efficient training of spiking neural network via gradient re-weighting", ICLR 2022.
    """
    return _cross_entropy(outputs, labels, label_smoothing)


def cumulative_loss(
    outputs: Tensor, labels: Tensor, *, accumulate: Accumulate = "mean", label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of the evidence after each step, mean over the steps.

    Parameters are those of :func:`static_loss`.
    """
    return _cross_entropy(accumulate_outputs(outputs, accumulate), labels, label_smoothing)


LOSSES = {"static": static_loss, "per_step": per_step_loss, "cumulative": cumulative_loss}


def loss_named(name: str, *, accumulate: Accumulate = "mean", label_smoothing: float = 0.0) -> Loss:
    """Loss of (outputs, labels) with its options set.

    Examples
    --------
    >>> loss = loss_named("cumulative")
    >>> round(loss(torch.zeros(4, 1, 10), torch.tensor([3])).item(), 4)
    2.3026
    """
    if name not in LOSSES:
        raise unknown_name("loss", name, LOSSES)
    if not 0 <= label_smoothing <= 1:
        raise ParameterError(f"label_smoothing must lie in [0, 1]; got {label_smoothing}.")
    return partial(LOSSES[name], accumulate=accumulate, label_smoothing=label_smoothing)
