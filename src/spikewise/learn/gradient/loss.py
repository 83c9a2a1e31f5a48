r"""Losses on outputs over time.

With the outputs :math:`o_t` of shape (B, K), the label y, and the evidence
:math:`z_t = \sum_{s \le t} o_s` or its mean :math:`z_t / t`:

* *static*: :math:`CE(z_T, y)`, only the last answer counts;
* *per step* (TET): :math:`\frac1T \sum_t CE(o_t, y)`, every single step must be right; with a regulariser,
  :math:`(1-\lambda) \frac1T \sum_t CE(o_t, y) + \lambda\, MSE(o, 1)`;
* *cumulative*: :math:`\frac1T \sum_t CE(z_t, y)`, every prefix must be right. It trains exactly the evidence that an
  exit rule reads, so both must accumulate in the same way. Step t sees the outputs 1..t, including its own.

*Prefix distillation* can be added to each of them. The evidence after the last step is the teacher of earlier steps:
:math:`\alpha \frac{\tau^2}{T} \sum_t KL(\mathrm{softmax}(z_T / \tau) \,\|\, \mathrm{softmax}(z_t / \tau))`,
where no gradient reaches the teacher. Labels are classes (B,), or probabilities (B, K) of mixed images.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from spikewise._arguments import checks_arguments
from spikewise._choices import Accumulate
from spikewise.errors import ParameterError, ShapeError, unknown_name

Loss = Callable[[Tensor, Tensor], Tensor]


def accumulate_outputs(outputs: Tensor, accumulate: Accumulate = "mean") -> Tensor:
    """Return the evidence after each step: running sum or mean of the outputs, shape (T, B, K).

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
    """Return the mean cross-entropy of (T, B, K), with the same labels (B,) or (B, K) at every step."""
    at_every_step = labels.repeat(len(evidence), *[1] * (labels.ndim - 1))
    return functional.cross_entropy(evidence.flatten(0, 1), at_every_step, label_smoothing=label_smoothing)


def static_loss(
    outputs: Tensor, labels: Tensor, *, accumulate: Accumulate = "mean", label_smoothing: float = 0.0
) -> Tensor:
    """Return the cross-entropy of the evidence after the last step.

    Parameters
    ----------
    outputs : Tensor of shape (T, B, K)
        Logits of each step, not accumulated.
    labels : int Tensor of shape (B,), or float Tensor of shape (B, K)
        True classes, or their probabilities.
    accumulate : {"mean", "sum"}
        How outputs become evidence.
    label_smoothing : float
        Share of the target spread evenly over all classes, in [0, 1].
    """
    return _cross_entropy(accumulate_outputs(outputs, accumulate)[-1:], labels, label_smoothing)


def per_step_loss(
    outputs: Tensor,
    labels: Tensor,
    *,
    accumulate: Accumulate = "mean",
    label_smoothing: float = 0.0,
    regularization: float = 0.0,
) -> Tensor:
    r"""Return the cross-entropy of each single output, mean over the steps (TET). ``accumulate`` is not used.

    Parameters are those of :func:`static_loss`, and ``regularization``, the share :math:`\lambda` in [0, 1) of the
    mean squared distance of all outputs from 1, which the official code of DT-SNN sets to 1e-3.

    References
    ----------
    .. [1] Deng et al., "Temporal efficient training of spiking neural network via gradient re-weighting", ICLR 2022.
    """
    loss = _cross_entropy(outputs, labels, label_smoothing)
    # lerp(a, b, lambda) is (1 - lambda) a + lambda b.
    return torch.lerp(loss, (outputs - 1).square().mean(), regularization) if regularization else loss


def cumulative_loss(
    outputs: Tensor, labels: Tensor, *, accumulate: Accumulate = "mean", label_smoothing: float = 0.0
) -> Tensor:
    """Return the cross-entropy of the evidence after each step, mean over the steps.

    Parameters are those of :func:`static_loss`.
    """
    return _cross_entropy(accumulate_outputs(outputs, accumulate), labels, label_smoothing)


def prefix_distillation(outputs: Tensor, *, accumulate: Accumulate = "mean", temperature: float = 2.0) -> Tensor:
    """Return the divergence of the evidence after each step from that after the last, which gets no gradient.

    Parameters
    ----------
    outputs : Tensor of shape (T, B, K)
        Logits of each step, not accumulated.
    accumulate : {"mean", "sum"}
        How outputs become evidence.
    temperature : float
        Divisor of both before the softmax; above 0.

    Examples
    --------
    >>> prefix_distillation(torch.ones(4, 1, 10)).item()
    0.0
    """
    log_p = functional.log_softmax(accumulate_outputs(outputs, accumulate) / temperature, -1)
    teacher = log_p[-1].detach()
    # A softer softmax has smaller gradients; the square keeps their size. The mean includes the last step, with 0.
    return temperature**2 * (teacher.exp() * (teacher - log_p)).sum(-1).mean()


LOSSES = {"static": static_loss, "per_step": per_step_loss, "cumulative": cumulative_loss}


@checks_arguments
def loss_named(
    name: str,
    *,
    accumulate: Accumulate = "mean",
    label_smoothing: float = 0.0,
    regularization: float = 0.0,
    distill: float = 0.0,
    temperature: float = 2.0,
) -> Loss:
    """Return the loss of this name as a function of (outputs, labels), with its options set.

    Parameters
    ----------
    name : {"static", "per_step", "cumulative"}
        Form of the loss.
    accumulate, label_smoothing, regularization
        As above.
    distill, temperature : float
        Weight of :func:`prefix_distillation`, and its temperature.

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
    if not 0 <= regularization < 1 or (regularization and name != "per_step"):
        raise ParameterError(
            f"regularization must lie in [0, 1), and be 0 but with per_step; got {regularization} with {name}."
        )
    if distill < 0 or temperature <= 0:
        raise ParameterError(f"distill must be at least 0 and temperature above 0; got {distill} and {temperature}.")
    # The only loss with this argument is per_step, as checked above.
    form = partial(LOSSES[name], regularization=regularization) if regularization else LOSSES[name]  # type: ignore[call-arg]
    plain: Loss = partial(form, accumulate=accumulate, label_smoothing=label_smoothing)
    if not distill:
        return plain

    def with_teacher(outputs: Tensor, labels: Tensor) -> Tensor:
        taught = prefix_distillation(outputs, accumulate=accumulate, temperature=temperature)
        return plain(outputs, labels) + distill * taught

    return with_teacher
