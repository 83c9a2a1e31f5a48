import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikewise.errors import ParameterError, ShapeError
from spikewise.learn.loss import LOSSES, accumulate_outputs, loss_named

OUTPUTS = np.array([[[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]], [[-1.0, 3.0, 0.5], [0.0, 0.0, 2.0]]])  # (T, B, K) = (2, 2, 3)
LABELS = np.array([1, 2])


def cross_entropy(scores, smoothing=0.0):
    """Mean over the batch, written out."""
    log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    target = (1 - smoothing) * np.eye(3)[LABELS] + smoothing / 3
    return -(target * log_p).sum(1).mean()


def by_hand(name, accumulate, smoothing):
    first, second = OUTPUTS
    both = first + second if accumulate == "sum" else (first + second) / 2
    return {
        "static": cross_entropy(both, smoothing),
        "per_step": (cross_entropy(first, smoothing) + cross_entropy(second, smoothing)) / 2,
        "cumulative": (cross_entropy(first, smoothing) + cross_entropy(both, smoothing)) / 2,
    }[name]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("accumulate", ["mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_losses_equal_their_formulas(name, accumulate, smoothing):
    loss = loss_named(name, accumulate=accumulate, label_smoothing=smoothing)
    got = loss(torch.from_numpy(OUTPUTS), torch.from_numpy(LABELS))
    assert got.item() == pytest.approx(by_hand(name, accumulate, smoothing), rel=1e-12)


@pytest.mark.parametrize("accumulate", ["mean", "sum"])
def test_a_single_step_makes_all_losses_equal(accumulate):
    outputs, labels = torch.from_numpy(OUTPUTS[:1]), torch.from_numpy(LABELS)
    values = {loss_named(name, accumulate=accumulate)(outputs, labels).item() for name in LOSSES}
    assert max(values) - min(values) < 1e-12


@given(st.integers(1, 6))
def test_evidence_after_a_step_includes_that_steps_output(n_steps):
    outputs = torch.randn(n_steps, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(n_steps))
    total, mean = accumulate_outputs(outputs, "sum"), accumulate_outputs(outputs, "mean")
    for step in range(1, n_steps + 1):
        torch.testing.assert_close(total[step - 1], outputs[:step].sum(0))
        torch.testing.assert_close(mean[step - 1], outputs[:step].mean(0))


def test_the_first_output_counts_in_every_step_of_the_cumulative_loss_and_once_per_step():
    outputs = torch.zeros(3, 1, 2, dtype=torch.float64, requires_grad=True)
    loss_named("cumulative", accumulate="sum")(outputs, torch.tensor([0])).backward()
    # At zero logits each cross-entropy has slope -1/2 on the true class; output t is in T - t + 1 of the T terms.
    torch.testing.assert_close(outputs.grad[:, 0, 0], torch.tensor([-3.0, -2.0, -1.0], dtype=torch.float64) / 6)


def test_unknown_names_and_impossible_options_are_refused():
    with pytest.raises(ParameterError, match="Did you mean 'cumulative'"):
        loss_named("cumulativ")
    with pytest.raises(ParameterError, match="label_smoothing"):
        loss_named("static", label_smoothing=1.5)
    with pytest.raises(ParameterError, match="accumulate"):
        accumulate_outputs(torch.zeros(1, 1, 2), "max")
    with pytest.raises(ShapeError, match="T, B, K"):
        accumulate_outputs(torch.zeros(1, 2))
