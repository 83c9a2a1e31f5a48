import math

import pytest
import torch

from spikewise.network import LIFParams, build_model
from spikewise.network.layers import SpikingLayer


@pytest.mark.parametrize("v_threshold", [0.5, 2.0])
def test_currents_begin_as_wide_as_the_threshold_and_share_it_where_they_are_added(v_threshold):
    network = build_model(
        "resnet18", (1, 8, 8), 4, width=0.2, neurons=LIFParams(v_threshold=v_threshold), norm="threshold"
    )
    weights = {path: module.weight for path, module in network.named_modules() if path.endswith("norm")}
    for path, weight in weights.items():
        added = "shortcut" in path or ".conv2" in path
        want = v_threshold / math.sqrt(2) if added else v_threshold
        torch.testing.assert_close(weight, torch.full_like(weight, want))


def test_the_spread_of_a_current_is_the_threshold():
    """Of layers that see many sums; a batch normalisation of constant channels has no spread to fit."""
    network = build_model("vgg5", (1, 8, 8), 4, neurons=LIFParams(v_threshold=0.5), norm="threshold")
    layer = network.layers["conv1"]
    assert isinstance(layer, SpikingLayer)
    currents = layer.norm(layer.sums(torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))))
    spread = currents.std((0, 2, 3), correction=0)
    torch.testing.assert_close(spread, torch.full_like(spread, 0.5), rtol=1e-2, atol=0)


@torch.no_grad()
def test_scaling_the_threshold_changes_no_spike():
    """Currents of a plain network follow the threshold; a factor of two rounds nothing."""
    images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    outputs = [
        build_model("vgg5", (1, 8, 8), 4, width=0.25, neurons=LIFParams(v_threshold=v), norm="threshold")(images, 4)
        for v in (1.0, 0.5)
    ]
    assert torch.equal(*outputs)
    assert outputs[0].abs().sum() > 0
