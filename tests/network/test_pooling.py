"""Pooling before the sums instead of after them: the same numbers, and out of the way when somebody looks."""

import copy
import math

import pytest
import torch
from torch import nn

from spikewise.network import LIFParams, build_model
from spikewise.network.kernels.means import means_of_squares
from spikewise.network.layers import SpikingLayer, conv_layer
from spikewise.network.pooling import POOLINGS, pooled, pooled_sums
from spikewise.network.record import record_workload


def the_long_way(x, conv, pool):
    return pool(conv(x))


@pytest.mark.parametrize("shape", [(3, 5, 8, 8), (2, 16, 7, 9), (1, 1, 2, 2), (2, 21, 16, 16), (2, 32, 3, 32)])
@pytest.mark.parametrize("groups", [1, 0])
def test_sums_and_gradients_are_those_of_pooling_afterwards(shape, groups):
    torch.manual_seed(0)
    groups = groups or shape[1]
    conv = nn.Conv2d(shape[1], 2 * shape[1], 3, padding=1, groups=groups)
    exact, pool = copy.deepcopy(conv).double(), nn.AvgPool2d(2)
    x = (torch.rand(shape) < 0.3).float().requires_grad_()
    x64 = x.detach().double().requires_grad_()
    found, expected = pooled_sums(x, conv, pool), the_long_way(x64, exact, pool)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5
    weights = torch.randn(found.shape)
    (found * weights).sum().backward()
    (expected * weights.double()).sum().backward()
    for mine, theirs in ((x, x64), *zip(conv.parameters(), exact.parameters(), strict=True)):
        assert (mine.grad - theirs.grad).abs().max() <= 1e-5 * theirs.grad.abs().max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("border", [0, 1])
def test_means_of_spikes_are_exact_in_any_precision(dtype, border):
    x = (torch.rand(5, 6, 7, 16) < 0.4).to(dtype)
    expected = nn.functional.avg_pool2d(x.double().permute(0, 3, 1, 2), 2, 1, border).permute(0, 2, 3, 1)
    found = torch.zeros(expected.shape, dtype=dtype)
    arrays = [(t.view(torch.uint16) if dtype == torch.bfloat16 else t).flatten().numpy() for t in (x, found)]
    means_of_squares(*arrays, 6, 7, 16, border, 0, 5)
    assert torch.equal(found.double(), expected)


@pytest.mark.parametrize(
    ("conv", "pool"),
    [
        (nn.Conv2d(4, 4, 3, padding=1, stride=2), nn.AvgPool2d(2)),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"), nn.AvgPool2d(2)),
        (nn.Conv2d(4, 4, 5, padding=2), nn.AvgPool2d(2)),
        (nn.Conv2d(4, 4, 3, padding=1), nn.AvgPool2d(3)),
        (nn.Conv2d(4, 4, 3, padding=1), nn.AvgPool2d(2, divisor_override=1)),
        (nn.Conv2d(4, 4, 3, padding=1), nn.MaxPool2d(2)),
        (nn.Conv2d(4, 4, 3, padding=1), nn.Identity()),
        (nn.Sequential(nn.Conv2d(4, 4, 3, padding=1)), nn.AvgPool2d(2)),
    ],
)
def test_other_operations_go_the_long_way(conv, pool):
    x = torch.rand(2, 4, 12, 12)
    assert torch.equal(pooled_sums(x, conv, pool), pool(conv(x)))


def test_whoever_watches_the_convolution_sees_it_read_spikes_and_write_all_sums():
    layer = conv_layer(16, 32, LIFParams(), pool=2).eval()
    spikes, seen = (torch.rand(4, 2, 16, 8, 8) < 0.3).float(), []
    short, _ = layer(spikes)
    handle = layer.synapses.register_forward_hook(lambda module, args, out: seen.append((args[0], out)))
    layer(spikes)
    handle.remove()
    ((read, written),) = seen
    assert torch.equal(read, spikes.flatten(0, 1))
    assert written.shape == (8, 32, 8, 8)
    assert short.shape == (4, 2, 32, 4, 4)


@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (4, 2, 3, 16, 16)])
@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_network_gives_the_same_whether_or_not_somebody_watches_its_neurons(shape, is_training, pooling):
    network = build_model("vgg9", (3, 16, 16), 10, width=0.25, pooling=pooling).train(is_training)
    images, seen = torch.rand(shape), []
    expected = network(images, 4)
    for layer in network.layers.values():
        layer.neurons.register_forward_hook(lambda module, args, out: seen.append(out[0]))
    found = network(images, 4)
    assert all(set(spikes.unique().tolist()) <= {0.0, 1.0} for spikes in seen)
    assert len(seen) == len(network.layers)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("what", ["hook", "pre-hook", "backward hook", "backward pre-hook", "all", "forward"])
def test_every_way_of_watching_is_respected(what):
    conv, pool, x, seen = nn.Conv2d(4, 4, 3, padding=1), nn.AvgPool2d(2), torch.rand(2, 4, 8, 8), []

    def see(*_):
        seen.append(1)

    registers = {
        "hook": conv.register_forward_hook,
        "pre-hook": conv.register_forward_pre_hook,
        "backward hook": conv.register_full_backward_hook,
        "backward pre-hook": conv.register_full_backward_pre_hook,
        "all": nn.modules.module.register_module_forward_hook,
        "forward": lambda _: setattr(conv, "forward", lambda x: see() or nn.Conv2d.forward(conv, x)),
    }
    handle = registers[what](see)
    pooled_sums(x.requires_grad_(), conv, pool).sum().backward()
    if handle is not None:
        handle.remove()
    assert seen


def test_layers_of_another_kind_get_spikes():
    class Silent(SpikingLayer):
        def sums(self, x):
            return super().sums(x) * 0

    plain, own = conv_layer(3, 16, LIFParams()), conv_layer(16, 16, LIFParams(), pool=2)
    assert own.takes_means(plain)
    own.__class__ = Silent
    assert not own.takes_means(plain)
    assert not conv_layer(16, 16, LIFParams(), pool=2).takes_means(own)


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # torch's own, when its compiler meets any function with a gradient
def test_compilers_and_vectors_of_parameters_take_a_network():
    network = build_model("vgg5", (3, 16, 16), 10, width=0.25, pooling="average").eval()
    images = torch.rand(2, 3, 16, 16)
    assert nn.utils.parameters_to_vector(network.parameters()).numel() == sum(p.numel() for p in network.parameters())
    with torch.no_grad():
        compiled = torch.compile(network, backend="eager")
        assert torch.allclose(compiled(images, 4), network(images, 4), atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 16, 8, 8), (2, 21, 7, 9), (1, 40, 2, 3), (5, 5, 6, 6), (2, 16, 1, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_largest_and_its_gradient_are_those_of_torch(shape, dtype):
    pool = nn.MaxPool2d(2) if min(shape[2:]) > 1 else nn.MaxPool2d(2, padding=1)
    x = torch.randint(-2, 3, shape).to(dtype)  # many equals
    x[0, 0, 0, 0], x[-1, -1, -1, -1], x[0, -1, 0, -1] = math.nan, math.inf, -math.inf
    mine, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    found, expected = pooled(mine, pool), pool(theirs)
    assert torch.equal(found.nan_to_num(7.0), expected.nan_to_num(7.0))
    assert torch.equal(pooled(x, pool).nan_to_num(7.0), expected.nan_to_num(7.0))
    weights = torch.randn(found.shape).to(dtype)
    found.backward(weights)
    expected.backward(weights)
    assert torch.equal(mine.grad, theirs.grad)


def test_training_remembers_two_bytes_for_four_sums():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda saved: kept.append(saved.nbytes) or saved, lambda saved: saved
    ):
        found = pooled(torch.rand(2, 16, 8, 8, requires_grad=True), nn.MaxPool2d(2))
    assert kept == [2 * found.numel()]
    found.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        found.sum().backward()


def test_transforms_of_functions_go_the_long_way():
    x = torch.rand(3, 16, 4, 4)
    each = torch.func.vmap(lambda one: pooled(one[None], nn.MaxPool2d(2))[0])(x)
    assert torch.equal(each, nn.MaxPool2d(2)(x))


@pytest.mark.parametrize("settings", [{"stride": 1}, {"padding": 1}, {"dilation": 2}, {"ceil_mode": True}])
def test_other_pooling_goes_the_long_way(settings):
    pool, x = nn.MaxPool2d(2, **settings), torch.rand(2, 16, 7, 7)
    assert torch.equal(pooled(x, pool), pool(x))


def test_whoever_watches_the_pooling_is_asked():
    pool, seen = nn.MaxPool2d(2), []
    pool.register_forward_hook(lambda *_: seen.append(1))
    pooled(torch.rand(2, 16, 4, 4), pool)
    assert seen


def test_the_largest_sum_of_a_square_drives_its_neuron():
    layer = conv_layer(1, 1, LIFParams(decay=0.0), pool=2, pooling="max").eval()
    nn.init.dirac_(layer.synapses.weight)
    alone = torch.zeros(1, 1, 1, 4, 4)
    alone[..., 1, 2] = 2.0
    spikes, _ = layer(alone)
    assert spikes.flatten().tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_network_is_priced_as_it_is_written(pooling):
    network = build_model("vgg5", (1, 16, 16), 10, width=0.5, pooling=pooling).eval()
    workload = record_workload(network, torch.rand(3, 1, 16, 16), 4)
    pooled = [layer for layer in workload.layers if layer.pool != (1, 1)]
    assert [(shape.stride, shape.out_height, shape.pool) for shape in pooled] == [
        ((1, 1), 16, (2, 2)),
        ((1, 1), 8, (2, 2)),
    ]
