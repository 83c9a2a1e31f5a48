"""Laws of Muon: what a step is, whom it moves, and that AdamW moves the others as ever."""

import copy

import pytest
import torch

from spikewise.learn.gradient.muon import Muon, orthogonalized
from spikewise.learn.gradient.optimize import build_optimizer
from spikewise.learn.gradient.settings import FitSettings
from spikewise.network import build_model


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (8, 8)])
def test_a_step_keeps_the_singular_vectors_and_levels_the_values(shape):
    generator = torch.Generator().manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape, generator=generator, dtype=torch.float64), full_matrices=False)
    values = torch.linspace(1.0, 0.3, len(v), dtype=torch.float64)
    found = u.T @ orthogonalized(7 * (u * values) @ v) @ v.T
    assert torch.allclose(found, torch.diag(found.diagonal()), atol=1e-12)
    assert found.diagonal().min() > 0.6
    assert found.diagonal().max() < 1.3


def test_nothing_comes_of_no_gradient():
    assert torch.equal(orthogonalized(torch.zeros(3, 4)), torch.zeros(3, 4))


def test_a_kernel_moves_as_far_as_adamw_moves_it_whatever_the_gradient_measures():
    generator = torch.Generator().manual_seed(0)
    gradient = torch.randn(24, 16, 3, 3, generator=generator)
    for scale in (1e-4, 1e4):
        weight = torch.nn.Parameter(torch.zeros_like(gradient))
        optimizer = Muon([{"params": [weight], "orthogonal": True, "weight_decay": 0.0}], lr=0.01)
        weight.grad = scale * gradient
        optimizer.step()
        assert weight.detach().square().mean().sqrt() == pytest.approx(0.2 * 0.01, rel=0.3)


def test_the_first_layer_the_readout_and_the_normalisation_are_adamws():
    torch.manual_seed(0)
    ours = build_model("vgg7", (1, 8, 8), 3, width=0.1, seed=0)
    theirs = copy.deepcopy(ours)
    one = build_optimizer(ours, FitSettings(optimizer="muon", weight_decay=0.01, lr=1e-3))
    other = build_optimizer(theirs, FitSettings(optimizer="adamw", weight_decay=0.01, lr=1e-3))
    for _ in range(3):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            a.grad = torch.randn(a.shape)
            b.grad = a.grad.clone()
        one.step()
        other.step()
    differ = [
        name for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True) if not torch.equal(a, b)
    ]
    assert differ == [f"layers.conv{k}.synapses.weight" for k in range(2, 7)]


def test_decay_shrinks_what_has_no_gradient_to_speak_of():
    weight = torch.nn.Parameter(torch.ones(4, 4))
    optimizer = Muon([{"params": [weight], "orthogonal": True, "weight_decay": 0.5}], lr=0.1)
    weight.grad = torch.zeros(4, 4)
    optimizer.step()
    assert torch.allclose(weight, torch.full((4, 4), 0.95))
    weight.grad = None
    optimizer.step()
    assert torch.allclose(weight, torch.full((4, 4), 0.95))
