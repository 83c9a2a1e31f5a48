import pytest
import torch

from spikewise.errors import ParameterError
from spikewise.network import LIFParams, SpikingClassifier, build_model, lif_sequence
from spikewise.network.decay import TrainableLIF
from spikewise.network.surrogate import fire


def loop(currents, decay, params, v):
    """The equation, step by step, with a decay that autograd sees."""
    spikes = []
    for current in currents:
        v = decay * v + current
        fired = fire(v, params.v_threshold, params.surrogate)
        v = v - fired * params.v_threshold if params.reset == "soft" else v * (1 - fired) + fired * params.v_reset
        spikes.append(fired)
    return torch.stack(spikes), v


@pytest.mark.parametrize("params", [LIFParams(), LIFParams(reset="soft"), LIFParams(decay=0.8, v_reset=-0.25)])
@pytest.mark.parametrize("begins", [False, True])
def test_the_gradient_of_the_decay_is_that_of_a_plain_loop(params, begins):
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(5, 3, 4, generator=generator)
    v0 = torch.randn(3, 4, generator=generator) if begins else torch.zeros(3, 4)
    neurons, logit = TrainableLIF(params), torch.tensor(params.decay).logit().requires_grad_()
    found = []
    for run in (lambda x: neurons(x, v0 if begins else None), lambda x: loop(x, logit.sigmoid(), params, v0)):
        currents = data.clone().requires_grad_()
        spikes, v = run(currents)
        (spikes * torch.arange(1.0, 61).reshape(5, 3, 4)).sum().add(v.square().sum()).backward()
        found.append((spikes, v, currents.grad))
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(neurons.logit.grad, logit.grad)
    assert neurons.logit.grad.abs() > 0


@torch.no_grad()
def test_an_untrained_one_is_an_ordinary_population():
    data = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    for ours, plain in zip(TrainableLIF(LIFParams())(data), lif_sequence(data, LIFParams()), strict=True):
        assert torch.equal(ours, plain)


@pytest.mark.parametrize("name", ["vgg5", "resnet19"])
def test_every_layer_of_a_network_has_a_decay_of_its_own(name, tmp_path):
    network = build_model(name, (1, 8, 8), 3, width=0.1, trains_decay=True)
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    populations = [module for module in network.modules() if isinstance(module, TrainableLIF)]
    assert len(populations) == {"vgg5": 4, "resnet19": 17}[name]
    network(images, 3).square().sum().backward()
    assert all(each.logit.grad is not None for each in populations)
    with torch.no_grad():
        populations[0].logit += 1.0
    classifier = SpikingClassifier(network, 3)
    classifier.save(tmp_path / "model.safetensors")
    again = SpikingClassifier.load(tmp_path / "model.safetensors")
    assert (again.trace(images).scores == classifier.trace(images).scores).all()
    assert classifier.workload(images).layers[0].has_neurons


def test_a_decay_at_the_edge_cannot_be_trained():
    with pytest.raises(ParameterError, match=r"begin inside \(0, 1\); got 1"):
        build_model("vgg5", (1, 8, 8), 3, width=0.1, neurons=LIFParams(decay=1), trains_decay=True)
