import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.errors import ParameterError, ShapeError
from spikewise.learn.gradient.loss import LOSSES, accumulate_outputs, loss_named, prefix_distillation

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


@settings(deadline=None)  # the first call of torch takes long
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


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_regularised_per_step_loss_equals_its_formula(smoothing):
    loss = loss_named("per_step", regularization=0.3, label_smoothing=smoothing)
    got = loss(torch.from_numpy(OUTPUTS), torch.from_numpy(LABELS))
    expected = 0.7 * by_hand("per_step", "mean", smoothing) + 0.3 * np.mean((OUTPUTS - 1) ** 2)
    assert got.item() == pytest.approx(expected, rel=1e-12)


def softmax(scores):
    e = np.exp(scores)
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("accumulate", ["mean", "sum"])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_prefix_distillation_equals_its_formula(accumulate, temperature):
    outputs = np.random.default_rng(0).normal(size=(4, 3, 5))
    evidence = [outputs[:t].sum(0) / (t if accumulate == "mean" else 1) for t in (1, 2, 3, 4)]
    teacher = softmax(evidence[-1] / temperature)
    terms = [np.sum(teacher * np.log(teacher / softmax(z / temperature))) / 3 for z in evidence]
    got = prefix_distillation(torch.from_numpy(outputs), accumulate=accumulate, temperature=temperature)
    assert got.item() == pytest.approx(temperature**2 * np.mean(terms), rel=1e-12)
    options = {"accumulate": accumulate, "distill": 0.5, "temperature": temperature}
    args = torch.from_numpy(outputs), torch.tensor([0, 1, 4])
    both = loss_named("cumulative", **options)(*args).item()
    assert both == pytest.approx(loss_named("cumulative", accumulate=accumulate)(*args).item() + 0.5 * got.item())


def test_no_gradient_reaches_the_teacher():
    outputs = torch.randn(3, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    prefix_distillation(outputs).backward()
    # The last output is in the last evidence alone, which is the teacher and its own only pupil.
    assert outputs.grad[-1].abs().max() < 1e-15
    assert outputs.grad[0].abs().max() > 0


@pytest.mark.parametrize("accumulate", ["mean", "sum"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("static", {"label_smoothing": 0.1}),
        ("cumulative", {}),
        ("per_step", {"regularization": 0.2}),
    ],
)
@pytest.mark.parametrize("is_mixed", [False, True])
def test_gradients_are_the_slopes_of_the_losses(name, options, accumulate, is_mixed):
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(3, 2, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    labels = torch.rand(2, 4, dtype=torch.float64, generator=generator).softmax(1) if is_mixed else torch.tensor([3, 0])
    loss = loss_named(name, accumulate=accumulate, **options)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), outputs)


@pytest.mark.parametrize("name", LOSSES)
def test_certain_probabilities_are_labels(name):
    outputs, labels = torch.from_numpy(OUTPUTS), torch.from_numpy(LABELS)
    loss = loss_named(name, label_smoothing=0.1)
    certain = torch.nn.functional.one_hot(labels, 3).double()
    assert loss(outputs, certain).item() == pytest.approx(loss(outputs, labels).item(), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("static", {"regularization": 0.1}, "but with per_step"),
        ("per_step", {"regularization": 1.0}, "regularization must lie"),
        ("static", {"distill": -1.0}, "distill must be"),
        ("static", {"temperature": 0.0}, "temperature above 0"),
    ],
)
def test_options_that_make_no_loss_are_refused(name, options, words):
    with pytest.raises(ParameterError, match=words):
        loss_named(name, **options)
