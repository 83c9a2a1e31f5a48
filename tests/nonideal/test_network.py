import copy
import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from spikewise.dynamic import EntropyExit, NeverExit, replay_exit  # noqa: E402
from spikewise.errors import ParameterError, ShapeError  # noqa: E402
from spikewise.network import SpikingClassifier  # noqa: E402
from spikewise.network.models import SpikingNetwork  # noqa: E402
from spikewise.network.protocol import run_steps  # noqa: E402
from spikewise.nonideal.device import quantize_weights  # noqa: E402
from spikewise.nonideal.network import Nonideal, clip_share, design_crossbars, on_crossbars  # noqa: E402
from spikewise.price import CrossbarArray  # noqa: E402
from spikewise.price.imc.mapping import place  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def array_of(**settings):
    return CrossbarArray(**{"n_rows": 64, "n_cols": 64, "cell_bits": 4, "sign": "differential", **settings})


def chip_of(network, images, seed=0, **settings):
    return on_crossbars(network, Nonideal(**settings), seed=seed, calibration_images=images)


def scores(network, images, n_steps=4):
    return SpikingClassifier(network, n_steps).trace(images).final_scores()


def test_a_normalised_image_takes_as_many_planes_as_it_has_bits_and_loses_nothing(network, images):
    seen = torch.as_tensor(images)[:8].clone()
    seen[0, 0, 0, :2] = torch.tensor([0, 255])  # the whole range
    chip = on_crossbars(network, Nonideal(weight_bits=8, adc_bits=12), seed=0, calibration_images=seen)
    first = chip.layers["conv1"].synapses.crossbars
    assert first.codes.low < 0
    drive = (seen.float() / 255 - network.mean[:, None, None]) / network.std[:, None, None]
    codes = (drive - first.codes.low) / first.codes.step
    torch.testing.assert_close(codes, seen.float(), rtol=0, atol=1e-3)
    planes = []
    first.whole_sums = lambda x, f=first.whole_sums: planes.append(x) or f(x)
    chip(seen, 1)
    assert len(planes) == 8
    assert all(((plane == 0) | (plane == 1)).all() for plane in planes)


@pytest.mark.parametrize("sign", ["differential", "offset", "count", "twos_complement"])
@pytest.mark.parametrize(
    ("scheme", "tap_sum"), [("kernel_split", "analog"), ("kernel_split", "digital"), ("im2col", "analog")]
)
def test_conversions_of_the_simulation_are_those_that_are_priced(network, images, sign, scheme, tap_sum):
    array = CrossbarArray(n_rows=7, n_cols=13, cell_bits=1, sign=sign, scheme=scheme, tap_sum=tap_sum)
    few = images[:2]
    chip = chip_of(network, few, array=array, weight_bits=5, adc_bits=12)
    load = SpikingClassifier(network, 1).workload(few)
    placed = place([replace(layer, weight_bits=5) for layer in load.layers], array)
    SpikingClassifier(chip, 1).trace(few)
    modules = {"readout": chip.readout, **{name: layer.synapses for name, layer in chip.layers.items()}}
    counted = [sum(block.n_converted for block in modules[each.name].crossbars.blocks) for each in load.layers]
    assert counted == (placed.n_conversions * len(few)).tolist()


def test_a_network_on_a_faultless_chip_answers_like_the_network_with_rounded_weights(network, images):
    rounded = copy.deepcopy(network)
    for module in rounded.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            integers, step = quantize_weights(module.weight, 8)
            module.weight.data = integers * step
    clean = scores(rounded, images)
    # Only the image itself is rounded to 8 bits; a spike may move now and then.
    close = np.isclose(scores(chip_of(network, images, weight_bits=8), images), clean, atol=0.02 * np.abs(clean).max())
    assert close.mean() > 0.95


def test_the_network_itself_is_left_as_it_is_and_so_is_the_random_state_of_torch(network, images):
    before = {key: value.clone() for key, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    chip_of(network, images, variation=0.2, adc_bits=4)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert type(network.layers["conv1"].synapses) is nn.Conv2d


def test_ranges_are_calibrated_for_each_partial_sum(network, images):
    design = design_crossbars(network, Nonideal(adc_bits=4, array=array_of(n_rows=4)), images)
    chip = design.chip(0)
    steps = [block.step.flatten().tolist() for block in chip.layers["conv2"].synapses.crossbars.blocks]
    assert [len(row) for row in steps] == [2, 2]  # 8 channels on blocks of 4 rows, plus and minus columns
    assert len({round(step, 6) for row in steps for step in row}) > 1
    assert clip_share(chip) == 0  # nothing was converted yet
    scores(chip, images)
    assert 0 < clip_share(chip) < 0.01


class Stepwise(SpikingNetwork):
    """A network that calls its layers once per step."""

    def forward(self, images, n_steps):
        return run_steps(self, images, n_steps)


@pytest.mark.parametrize("order", [1, -1], ids=["last", "first"])
@pytest.mark.parametrize("grey", [0, 2], ids=["silent", "brightest"])
def test_the_range_of_an_input_is_that_of_all_steps(network, images, grey, order):
    # Divided by a deviation of 1/2, frames of 0 or 1/2 look like spikes.
    frames = np.stack([images / 1024, np.full(images.shape, grey / 4)])[::order]
    designs = []
    for kind in (SpikingNetwork, Stepwise):
        model = kind(network.spec).eval()
        model.load_state_dict(network.state_dict())
        model.mean.zero_()
        model.std.fill_(0.5)
        designs.append(design_crossbars(model, Nonideal(adc_bits=6), frames, 2))
    at_once, by_step = designs
    assert by_step.input_codes == at_once.input_codes
    assert list(by_step.input_codes) == list(at_once.input_codes)
    assert by_step.input_codes["layers.conv1.synapses"] is not None


def test_a_chip_is_drawn_once(network, images):
    first, again, other = (chip_of(network, images, seed, variation=0.2) for seed in (3, 3, 4))
    np.testing.assert_array_equal(scores(first, images), scores(first, images))
    np.testing.assert_array_equal(scores(first, images), scores(again, images))
    assert (scores(first, images) != scores(other, images)).any()


def test_read_noise_differs_between_steps_but_not_between_runs(network, images):
    drive = torch.as_tensor(images)
    chip = chip_of(network, images, read_noise=0.3)
    hidden = chip.layers["conv2"].synapses
    seen = []
    handle = hidden.register_forward_hook(lambda module, args, out: seen.append((args[0].clone(), out.clone())))
    hidden.crossbars.noise.begin(drive)
    x = (torch.rand(4, 8, 4, 4, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    with torch.no_grad():
        assert not torch.equal(hidden(x), hidden(x))
        handle.remove()
        assert torch.equal(chip(drive, 4), chip(drive, 4))
        assert torch.equal(chip(drive, 4), chip_of(network, images, read_noise=0.3)(drive, 4))
        assert not torch.equal(chip(drive, 4), chip_of(network, images, 1, read_noise=0.3)(drive, 4))


def test_copies_of_a_chip_make_the_same_noise(network, images):
    chip = chip_of(network, images, read_noise=0.3)
    np.testing.assert_array_equal(scores(copy.deepcopy(chip), images), scores(chip, images))


@pytest.mark.parametrize("key", ["variation", "read_noise", "stuck_off", "stuck_on"])
def test_more_of_a_fault_moves_the_scores_further_on_average(network, images, key):
    clean = scores(chip_of(network, images), images)
    distances = [
        np.mean([np.abs(scores(chip_of(network, images, seed, **{key: v}), images) - clean).mean() for seed in (0, 1)])
        for v in (0.001, 0.005, 0.02)  # with many more the network falls silent, and no score moves further
    ]
    assert 0 < distances[0] < distances[1] < distances[2]


def test_fewer_bits_of_a_converter_move_the_scores_further(network, images):
    clean = scores(chip_of(network, images), images)
    distances = [np.abs(scores(chip_of(network, images, adc_bits=n), images) - clean).mean() for n in (12, 5, 2)]
    assert distances[0] < distances[1] < distances[2]


def test_a_chip_runs_as_any_classifier(network, images):
    classifier = SpikingClassifier(chip_of(network, images, variation=0.1, adc_bits=5, on_off=10), 4)
    trace = classifier.trace(images)
    bound = float(np.median(EntropyExit(0.5).uncertainty(trace.final_scores(), 4)))
    result = classifier.predict_with_exit(images, EntropyExit(bound))
    np.testing.assert_array_equal(result.steps, replay_exit(trace, EntropyExit(bound))[0])
    np.testing.assert_array_equal(classifier.predict_with_exit(images, NeverExit()).scores, trace.final_scores())
    layers = classifier.workload(images).layers
    assert [layer.name for layer in layers] == ["conv1", "conv2", "conv3", "linear4", "readout"]


def test_what_does_not_fit_on_crossbars_is_refused(network, images):
    chip = chip_of(network, images)
    with pytest.raises(ParameterError, match="got one on crossbars"):
        chip_of(chip, images)
    with pytest.raises(ParameterError, match="got Linear"):
        chip_of(nn.Linear(2, 2), images)
    with pytest.raises(ParameterError, match="seed must"):
        chip_of(network, images, -1)
    with pytest.raises(ShapeError, match="calibration_images"):
        chip_of(network, images[:, :, :4])
    for bad in (None, {}, 0.1):
        with pytest.raises(ParameterError, match="nonideal must be a Nonideal; got"):
            design_crossbars(network, bad, images)
    with pytest.raises(ParameterError, match="n_steps must"):
        design_crossbars(network, Nonideal(), images, 0)
    broken = copy.deepcopy(network)
    with torch.no_grad():
        broken.readout.weight[0, 0] = math.nan
    with pytest.raises(ParameterError, match=r"finite; got NaN or infinity in readout\.weight"):
        chip_of(broken, images)
