import numpy as np
import pytest
import torch
from torch import nn

from spikewise.network import LIF, LIFParams, build_model, record_workload
from spikewise.network.resnet import ResidualBlock, Shortcut
from spikewise.price import load_platform

N_STEPS, N_IMAGES = 3, 4


def n_unit(n_in, n_out, area=9):
    """Weights of a convolution without bias, and the two parameters per channel of its normalisation."""
    return n_in * n_out * area + 2 * n_out


def n_by_hand(stem, stages, n_classes):
    """Parameters, from stem, (channels, blocks) of each stage, and a linear read-out."""
    total, n_in = n_unit(3, stem), stem
    for n_out, n_blocks in stages:
        total += n_unit(n_in, n_out, 1) if n_in != n_out else 0  # shortcut
        total += n_unit(n_in, n_out) + (2 * n_blocks - 1) * n_unit(n_out, n_out)
        n_in = n_out
    return total + (n_in + 1) * n_classes


@pytest.mark.parametrize(
    ("name", "stem", "stages"),
    [
        ("resnet19", 128, [(128, 3), (256, 3), (512, 2)]),
        ("resnet18", 64, [(64, 2), (128, 2), (256, 2), (512, 2)]),
    ],
)
@pytest.mark.parametrize("n_classes", [10, 100])
def test_parameters_are_those_counted_by_hand(name, stem, stages, n_classes):
    network = build_model(name, (3, 32, 32), n_classes)
    assert sum(p.numel() for p in network.parameters()) == n_by_hand(stem, stages, n_classes)


@torch.no_grad()
def test_maps_shrink_as_in_the_reference():
    network, sides = build_model("resnet19", (3, 32, 32), 10, width=0.05), []
    for block in network.layers.values():
        block.register_forward_hook(lambda module, args, out: sides.append(out[0].shape[-1]))
    network.layers["conv1"].neurons.register_forward_hook(lambda module, args, out: sides.append(out[0].shape[-1]))
    network(torch.rand(2, 3, 32, 32), 1)
    assert sides == [32] * 4 + [16] * 3 + [8] * 2


@torch.no_grad()
@pytest.mark.parametrize("size", [8, 7])
def test_the_shortcut_is_a_mean_and_then_a_convolution(size):
    shortcut = Shortcut(3, 5, 2).eval()
    spikes = (torch.rand(4, 3, size, size) < 0.4).float()
    want = shortcut.norm(shortcut.synapses(nn.functional.avg_pool2d(spikes, 2, ceil_mode=True)))
    torch.testing.assert_close(shortcut(spikes), want)
    assert want.shape == nn.Conv2d(3, 5, 3, stride=2, padding=1)(spikes).shape


@torch.no_grad()
@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_a_block_without_weights_hands_its_input_on(reset):
    block = ResidualBlock(4, 4, LIFParams(reset=reset)).eval()
    block.conv2.norm.weight.zero_()
    spikes = (torch.rand(5, 2, 4, 6, 6) < 0.5).float()
    out, (v1, v2) = block(spikes)
    assert torch.equal(out, spikes)
    assert v1.shape == v2.shape == spikes.shape[1:]


@torch.no_grad()
def test_a_block_is_its_equation():
    block = ResidualBlock(3, 6, LIFParams(), stride=2).eval()
    for norm in (block.conv1.norm, block.conv2.norm, block.shortcut.norm):
        norm.weight.fill_(3.0)  # so that neurons fire
    spikes = (torch.rand(4, 2, 3, 8, 8) < 0.5).float()
    found, _ = block(spikes)
    lif = LIF()
    v1 = v2 = None
    for step, x in enumerate(spikes):
        inner, v1 = lif(block.conv1.norm(block.conv1.synapses(x))[None], v1)
        current = block.conv2.norm(block.conv2.synapses(inner[0])) + block.shortcut(x)
        out, v2 = lif(current[None], v2)
        torch.testing.assert_close(found[step], out[0])
    assert 0 < found.mean() < 1


@pytest.fixture(scope="module")
def images():
    shape = (N_IMAGES, 3, 8, 8)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model(images):
    network = build_model("resnet18", (3, 8, 8), 10, width=0.125)
    network.normalize_by(images)
    with torch.no_grad():
        for _ in range(30):
            network(images, N_STEPS)  # settles the normalisation, so that neurons fire
    return network.eval()


NAMES = [
    "conv1", "block2.conv1", "block2.conv2", "block3.conv1", "block3.conv2",
    "block4.shortcut", "block4.conv1", "block4.conv2", "block5.conv1", "block5.conv2",
    "block6.shortcut", "block6.conv1", "block6.conv2", "block7.conv1", "block7.conv2",
    "block8.shortcut", "block8.conv1", "block8.conv2", "block9.conv1", "block9.conv2", "readout",
]  # fmt: skip


def test_shortcuts_are_layers_of_their_own(model, images):
    layers = record_workload(model, images, N_STEPS).layers
    assert [layer.name for layer in layers] == NAMES
    for layer in layers:
        is_shortcut, is_readout = layer.name.endswith("shortcut"), layer.name == "readout"
        assert layer.has_neurons is not (is_shortcut or is_readout)
        assert layer.kernel == ((1, 1) if is_shortcut or is_readout else (3, 3))
        assert layer.pool == ((2, 2) if is_shortcut else (1, 1))  # the last map has a single pixel
        assert layer.input_bits == (8 if layer.name == "conv1" else 1)
        assert layer.once_per_inference is (layer.name == "conv1")
    by_name = {layer.name: layer for layer in layers}
    # Shortcut and second convolution feed the same neurons: 8 -> 16 channels, 8x8 -> 4x4 pixels.
    assert by_name["block4.shortcut"].n_neurons == by_name["block4.conv2"].n_neurons == 16 * 4 * 4
    assert by_name["block4.shortcut"].n_macs == 8 * 16 * 8 * 8
    assert by_name["block4.conv1"].n_macs == 8 * 16 * 9 * 4 * 4


def test_the_mean_over_the_last_map_comes_after_the_read_out(model, images):
    wide = build_model("resnet18", (3, 32, 32), 10, width=0.02).eval()
    readout = record_workload(wide, torch.rand(2, 3, 32, 32), 2).layers[-1]
    assert (readout.out_height, readout.pool, readout.n_neurons, readout.input_bits) == (4, (4, 4), 10, 1)


@torch.no_grad()
def test_counts_of_a_resnet_are_those_of_unfolding_every_map(model, images):
    inputs, spikes = {}, {}
    hooks = []
    for path, module in model.named_modules():
        name = path.removeprefix("layers.").removesuffix(".synapses").removesuffix(".neurons")
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(lambda m, args, out, name=name: inputs.update({name: args[0]})))
        elif isinstance(module, LIF):
            hooks.append(module.register_forward_hook(lambda m, args, out, name=name: spikes.update({name: out[0]})))
    model(images, N_STEPS)
    for hook in hooks:
        hook.remove()
    load = record_workload(model, images, N_STEPS, batch_size=3)
    for layer, busy in zip(load.layers, load.activity, strict=True):
        active = (inputs[layer.name] != 0).float()
        steps = 1 if layer.once_per_inference else N_STEPS
        unfolded = nn.functional.unfold(active, layer.kernel, padding=layer.kernel[0] // 2, stride=layer.stride)
        for found, counts in ((busy.active_unfolded, unfolded), (busy.in_spikes, active)):
            want = counts.flatten(1).sum(1).reshape(steps, N_IMAGES).mean(1).expand(N_STEPS)
            np.testing.assert_allclose(found, want, rtol=1e-5)
        want = spikes[layer.name].flatten(2).sum(2).mean(1) if layer.has_neurons else torch.zeros(N_STEPS)
        np.testing.assert_allclose(busy.out_spikes, want, rtol=1e-5)
    assert len(spikes) == sum(layer.has_neurons for layer in load.layers)
    assert max(load.activity[-2].out_spikes) > 0


def test_a_shortcut_and_its_block_read_the_same_spikes(model, images):
    load = record_workload(model, images, N_STEPS)
    busy = dict(zip(NAMES, load.activity, strict=True))
    for block, before in ((4, 3), (6, 5), (8, 7)):
        spikes = busy[f"block{before}.conv2"].out_spikes
        assert busy[f"block{block}.shortcut"].in_spikes == busy[f"block{block}.conv1"].in_spikes == spikes


def test_a_resnet_has_a_price_on_every_kind_of_platform(model, images):
    load = record_workload(model, images, N_STEPS)
    for platform in ("rram-64-32nm", "digital-45nm"):
        report = load_platform(platform).estimate(load)
        assert report.breakdown("layer")["block4.shortcut"].energy_j > 0
