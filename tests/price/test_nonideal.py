import copy
import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from spikewise.dynamic import EntropyExit, NeverExit, replay_exit  # noqa: E402
from spikewise.errors import ParameterError, ShapeError  # noqa: E402
from spikewise.network import SpikingClassifier, build_model  # noqa: E402
from spikewise.price.crossbar_layers import CrossbarConv2d, CrossbarLinear, Crossbars  # noqa: E402
from spikewise.price.crossbar_math import (  # noqa: E402
    convert,
    converter_step,
    full_scale,
    histogram,
    program,
    quantize_weights,
    wire_drop,
)
from spikewise.price.nonideal import Nonideal, clip_share, design_crossbars, on_crossbars, study  # noqa: E402

ORACLE = Path(__file__).parents[1] / "oracles" / "ladder.py"
spec = importlib.util.spec_from_file_location("ladder", ORACLE)
ladder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ladder)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (24, 1, 8, 8), dtype=np.uint8)


@pytest.fixture(scope="module")
def network(images):
    model = build_model("vgg5", (1, 8, 8), 5, width=0.25)
    model.normalize_by(torch.as_tensor(images))
    with torch.no_grad():
        for _ in range(30):
            model(torch.as_tensor(images), 4)  # settles the normalisation, so that neurons fire
        model.readout.weight.mul_(8)
    return model.eval()


def chip_of(network, images, seed=0, **settings):
    return on_crossbars(network, Nonideal(**settings), seed=seed, calibration_images=images)


def scores(network, images, n_steps=4):
    return SpikingClassifier(network, n_steps).trace(images).final_scores()


def spikes(*shape, rate=0.3, seed=0):
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < rate).float()


def conv_of(seed=0, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Conv2d(12, 6, 3, **{"padding": 1, "bias": True, **options})


# -- a chip without fault -----------------------------------------------------------------------------------

DESIGNS = [
    {"adc_bits": 16},
    {"differential": False},
    {"differential": False, "adc_bits": 16, "on_off": 8},
    {"weight_bits": 8, "cell_bits": 3, "adc_bits": 16},
    {"weight_bits": 6, "cell_bits": 1, "differential": False},
    {"scheme": "im2col"},
    {"scheme": "im2col", "adc_bits": 16, "differential": False, "on_off": 3},
    {"adc_bits": 16, "on_off": 8},
]


KINDS = [({}, {}), *(({}, o) for o in ({"stride": 2}, {"groups": 3}, {"dilation": 2}, {"padding": "same"}))]


@pytest.mark.parametrize(("design", "options"), [*KINDS, *((d, {"groups": 2, "stride": 2}) for d in DESIGNS)], ids=str)
def test_without_fault_a_chip_computes_the_integer_convolution(design, options):
    conv = conv_of(**options)
    layer = CrossbarConv2d(conv, nonideal=Nonideal(n_rows=3, n_cols=13, **design))
    x = spikes(2, 12, 7, 7)
    integers, step = quantize_weights(conv.weight, layer.crossbars.nonideal.weight_bits)
    geometry = {key: getattr(conv, key) for key in ("stride", "padding", "dilation", "groups")}
    exact = functional.conv2d(x.double(), integers.double(), **geometry)
    found = layer.crossbars.whole_sums(x)
    if "on_off" in design and "adc_bits" not in design:
        found = found.round()
    assert torch.equal(found.double(), exact)
    floats = functional.conv2d(x, integers * step, conv.bias, **geometry).detach()
    assert float((layer(x).detach() - floats).abs().max()) <= 1e-5 * float(floats.abs().max())


@pytest.mark.parametrize("design", [{}, {"adc_bits": 16}], ids=str)
def test_inputs_that_are_not_spikes_go_in_bit_by_bit_and_exactly(design):
    conv = conv_of()
    layer = CrossbarConv2d(conv, nonideal=Nonideal(n_rows=5, **design), input_step=0.5)
    x = torch.randint(-255, 256, (2, 12, 5, 5), generator=torch.Generator().manual_seed(1)) * 0.5
    exact = functional.conv2d(x.double(), layer.crossbars.integers.double(), padding=1)
    step = layer.crossbars.weight_step
    found = layer(x) - conv.bias[:, None, None]
    torch.testing.assert_close(found, (exact * step).float(), rtol=1e-5, atol=1e-4)


def test_a_linear_layer_is_a_convolution_of_one_pixel():
    linear = nn.Linear(100, 7)
    layer = CrossbarLinear(linear, nonideal=Nonideal(weight_bits=8, adc_bits=16))
    x = spikes(3, 4, 100)
    exact = functional.linear(x.flatten(0, 1).double(), layer.crossbars.integers.double().flatten(1))
    assert torch.equal(layer.crossbars.whole_sums(x.reshape(12, 100, 1, 1)).flatten(1).double(), exact)
    assert layer(x).shape == (3, 4, 7)
    torch.testing.assert_close(layer(x), linear(x), rtol=0.05, atol=0.05)  # 8 bits


def test_a_network_on_a_faultless_chip_answers_like_the_network_with_rounded_weights(network, images):
    rounded = copy.deepcopy(network)
    for module in rounded.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            integers, step = quantize_weights(module.weight, 8)
            module.weight.data = integers * step
    clean = scores(rounded, images)
    # Only the image itself is rounded to 8 bits and a sign; a spike may move now and then.
    close = np.isclose(scores(chip_of(network, images, weight_bits=8), images), clean, atol=0.02 * np.abs(clean).max())
    assert close.mean() > 0.95


def test_the_network_itself_is_left_as_it_is_and_so_is_the_random_state_of_torch(network, images):
    before = {key: value.clone() for key, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    chip_of(network, images, variation=0.2, adc_bits=4)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert type(network.layers["conv1"].synapses) is nn.Conv2d


# -- cells --------------------------------------------------------------------------------------------------


def test_cells_span_the_on_off_ratio():
    cells = program(torch.arange(16.0), 15, torch.Generator(), on_off=5)
    assert float(cells[-1] / cells[0]) == pytest.approx(5)
    torch.testing.assert_close(cells.diff(), torch.ones(15))


def test_spread_is_relative_to_the_conductance():
    levels = torch.tensor([[2.0], [6.0]]).expand(2, 20_000)
    cells = program(levels, 7, torch.Generator().manual_seed(0), on_off=math.inf, variation=0.1)
    # Standard error of a mean 0.1 / sqrt(20000) = 0.0007, of a standard deviation 0.0005: four of them.
    torch.testing.assert_close(cells.mean(1), levels[:, 0], rtol=0.003, atol=0)
    torch.testing.assert_close(cells.std(1) / cells.mean(1), torch.full((2,), 0.1), rtol=0, atol=0.002)
    assert float(program(levels, 7, torch.Generator(), on_off=9, variation=1.0).min()) >= 0


def test_the_share_of_stuck_cells_is_as_asked():
    levels = torch.full((100_000,), 3.0)
    cells = program(levels, 7, torch.Generator().manual_seed(0), on_off=8, stuck_on=0.09, stuck_off=0.02)
    # Binomial: sqrt(0.09 * 0.91 / 1e5) = 0.0009; four of them.
    assert float((cells == 8).float().mean()) == pytest.approx(0.09, abs=0.0036)
    assert float((cells == 1).float().mean()) == pytest.approx(0.02, abs=0.0018)
    assert float((cells == 4).float().mean()) == pytest.approx(0.89, abs=0.004)


# -- converters ---------------------------------------------------------------------------------------------


def test_a_converter_of_4_bits_rounds():
    conv = conv_of()
    x = spikes(4, 12, 7, 7)
    exact = CrossbarConv2d(conv, nonideal=Nonideal()).crossbars.whole_sums(x)
    coarse = CrossbarConv2d(conv, nonideal=Nonideal(adc_bits=4)).crossbars
    coarse.blocks[0].step.fill_(16.0)
    found = coarse.whole_sums(x)
    assert not torch.equal(found, exact)
    assert torch.equal(found % 16, torch.zeros_like(found))
    assert coarse.blocks[0].n_clipped == 0
    assert float((found - exact).abs().max()) <= 16  # half a step of each of two columns


@given(st.floats(0, 500), st.floats(1, 40), st.integers(1, 10))
def test_a_converter_is_off_by_half_a_step_or_at_its_end(current, step, n_bits):
    found = float(convert(torch.tensor([current]), torch.tensor(step), n_bits))
    end = step * (2**n_bits - 1)
    assert abs(found - current) <= step * 0.501 or (current > end and found == pytest.approx(end))


def test_a_range_leaves_out_the_share_that_may_clip():
    currents = torch.arange(0, 1001.0)  # a silent column does not count
    counts = histogram(currents, 1000.0)
    assert full_scale(counts, 1000.0, 0.0) == pytest.approx(1000)
    assert full_scale(counts, 1000.0, 0.1) == pytest.approx(900, abs=1)
    assert full_scale(torch.zeros(10), 64.0, 0.1) == 64.0


def test_a_step_is_never_finer_than_a_cell_level():
    assert float(converter_step(torch.tensor(10.0), 8)) == 1


def test_ranges_are_calibrated_for_each_partial_sum(network, images):
    design = design_crossbars(network, Nonideal(adc_bits=4, n_rows=4), images)
    chip = design.chip(0)
    steps = [block.step.flatten().tolist() for block in chip.layers["conv2"].synapses.crossbars.blocks]
    assert [len(row) for row in steps] == [2, 2]  # 8 channels on blocks of 4 rows, plus and minus columns
    assert len({round(step, 6) for row in steps for step in row}) > 1
    assert clip_share(chip) == 0  # nothing was converted yet
    scores(chip, images)
    assert 0 < clip_share(chip) < 0.01


# -- wires --------------------------------------------------------------------------------------------------


def array(n_rows=16, n_cols=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 9, (n_rows, n_cols)) / 8 / 20e3, (rng.random(n_rows) < 0.7).astype(float)


def test_without_resistance_the_ladder_is_a_weighted_sum():
    conductances, volts = array()
    np.testing.assert_array_equal(ladder.ladder_currents(conductances, volts, 0.0), volts @ conductances)
    np.testing.assert_allclose(ladder.ladder_currents(conductances, volts, 1e-4), volts @ conductances, rtol=1e-4)
    cells = torch.as_tensor(conductances)
    assert wire_drop(cells, 0.0) is cells


def test_one_cell_between_two_wires_is_three_resistors_in_series():
    found = ladder.ladder_currents(np.array([[1 / 100.0]]), np.array([1.0]), 5.0)
    np.testing.assert_allclose(found, [1 / 110])


@pytest.mark.parametrize("shape", [(4, 4), (16, 12), (5, 30)])
def test_the_error_of_the_first_order_is_of_second_order(shape):
    conductances, volts = array(*shape)
    errors = []
    for ohm in (0.5, 1.0, 2.0):
        exact = ladder.ladder_currents(conductances, volts, ohm)
        errors.append(np.abs(volts @ wire_drop(torch.as_tensor(conductances), ohm).numpy() - exact).max())
        assert errors[-1] < 0.02 * np.abs(exact - volts @ conductances).max()
    assert np.all(np.array(errors[1:]) / errors[:-1] > 3.5)  # twice the wire, four times the error


def test_the_first_order_holds_on_a_full_crossbar_where_it_says_so():
    conductances, volts = array(64, 64)
    exact = ladder.ladder_currents(conductances, volts, 5.0)
    ideal = volts @ conductances
    found = volts @ wire_drop(torch.as_tensor(conductances), 5.0).numpy()
    assert np.abs(exact - ideal).max() > 0.2 * ideal.max()  # no small drop
    assert np.abs(found - exact).max() < 0.04 * np.abs(exact - ideal).max()


def test_a_layer_with_wires_is_the_ladder_of_its_cells():
    weights = torch.randn(5, 9, 1, 1, generator=torch.Generator().manual_seed(0))
    layer = Crossbars(weights, {"groups": 1}, Nonideal(wire_ohm=2.0, on_off=10))
    x = spikes(1, 9, 1, 1, rate=0.5)
    integers = layer.integers[:, :, 0, 0].numpy()
    pairs = np.stack([integers.clip(0), (-integers).clip(0)], 1).reshape(10, 9).T  # plus and minus side by side
    siemens = (0.1 + 0.9 * pairs / 7) / 20e3
    currents = ladder.ladder_currents(siemens, x.flatten().numpy().astype(float), 2.0) / (0.9 / 7 / 20e3)
    np.testing.assert_allclose(layer.whole_sums(x).flatten(), currents[::2] - currents[1::2], atol=2e-4)


# -- chance -------------------------------------------------------------------------------------------------


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
    x = spikes(4, 8, 4, 4)
    with torch.no_grad():
        assert not torch.equal(hidden(x), hidden(x))
        handle.remove()
        assert torch.equal(chip(drive, 4), chip(drive, 4))
        assert torch.equal(chip(drive, 4), chip_of(network, images, read_noise=0.3)(drive, 4))
        assert not torch.equal(chip(drive, 4), chip_of(network, images, 1, read_noise=0.3)(drive, 4))


def test_read_noise_has_the_spread_of_noise_on_every_cell():
    weights = torch.full((1, 16, 1, 1), 7.0)
    layer = Crossbars(weights, {"groups": 1}, Nonideal(read_noise=0.1))
    found = layer.whole_sums(torch.ones(20_000, 16, 1, 1)).flatten()
    # 16 cells of level 7, each with 10 %: 0.7 * 4; the minus columns carry nothing. Standard errors 0.02 and 0.014.
    assert float(found.mean()) == pytest.approx(112, abs=0.08)
    assert float(found.std()) == pytest.approx(2.8, abs=0.056)


def test_copies_of_a_chip_make_the_same_noise(network, images):
    chip = chip_of(network, images, read_noise=0.3)
    np.testing.assert_array_equal(scores(copy.deepcopy(chip), images), scores(chip, images))


# -- accuracy -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["variation", "read_noise", "stuck_off", "stuck_on"])
def test_more_of_a_fault_moves_the_scores_further_on_average(network, images, key):
    clean = scores(chip_of(network, images), images)
    distances = [
        np.mean([np.abs(scores(chip_of(network, images, seed, **{key: v}), images) - clean).mean() for seed in (0, 1)])
        for v in (0.02, 0.1, 0.4)
    ]
    assert 0 < distances[0] < distances[1] < distances[2]


def test_fewer_bits_of_a_converter_move_the_scores_further(network, images):
    clean = scores(chip_of(network, images), images)
    distances = [np.abs(scores(chip_of(network, images, adc_bits=n), images) - clean).mean() for n in (12, 5, 2)]
    assert distances[0] < distances[1] < distances[2]


def test_a_chip_runs_as_any_classifier(network, images):
    classifier = SpikingClassifier(chip_of(network, images, variation=0.1, adc_bits=5, on_off=10), 4)
    trace = classifier.trace(images)
    bound = float(np.median(EntropyExit(0.5).measure(trace.final_scores(), 4)))
    result = classifier.predict_with_exit(images, EntropyExit(bound))
    np.testing.assert_array_equal(result.steps, replay_exit(trace, EntropyExit(bound))[0])
    np.testing.assert_array_equal(classifier.predict_with_exit(images, NeverExit()).scores, trace.final_scores())
    layers = classifier.workload(images).layers
    assert [layer.name for layer in layers] == ["conv1", "conv2", "conv3", "linear4", "readout"]


def test_a_study_tells_mean_and_spread_and_is_reproducible(network, images):
    labels = scores(network, images).argmax(1)
    pair = images, labels
    settings = {"seeds": (0, 1, 2), "max_drop": 0.1}
    noisy = study(network, Nonideal(variation=0.5), pair, pair, EntropyExit(0.5), **settings)
    again = study(network, Nonideal(variation=0.5), pair, pair, EntropyExit(0.5), **settings)
    clean = study(network, Nonideal(weight_bits=8), pair, pair, EntropyExit(0.5), seeds=(0,))
    assert noisy.to_dict() == again.to_dict()
    assert noisy.mean()["accuracy_static"] < clean.mean()["accuracy_static"]
    assert noisy.spread()["accuracy_static"] > 0 == clean.spread()["accuracy_static"]
    assert len(noisy.bound_chip) == 3
    assert ((noisy.steps_clean >= 1) & (noisy.steps_clean <= 4)).all()
    assert noisy.to_dict()["nonideal"]["on_off"] is None


# -- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        {"variation": -0.1}, {"variation": math.nan}, {"variation": 2}, {"variation": "much"}, {"read_noise": -1},
        {"adc_bits": 0}, {"adc_bits": 40}, {"adc_bits": 4.5}, {"on_off": 1}, {"on_off": 0.5}, {"on_off": math.nan},
        {"on_off": "10"}, {"on_off": None}, {"stuck_on": 1.5}, {"stuck_on": 0.6, "stuck_off": 0.6}, {"wire_ohm": -1},
        {"wire_ohm": math.inf}, {"r_on_ohm": 0}, {"weight_bits": 1}, {"weight_bits": 40}, {"cell_bits": 0},
        {"input_bits": 0}, {"n_rows": 0}, {"n_cols": 1}, {"clip": 0.9}, {"scheme": "diagonal"},
    ],
    ids=str,
)  # fmt: skip
def test_a_design_that_cannot_be_is_refused(bad):
    with pytest.raises(ParameterError, match=f"{next(iter(bad))}.* must .*; got"):
        Nonideal(**bad)


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
    with pytest.raises(ParameterError, match="n_steps must"):
        design_crossbars(network, Nonideal(), images, 0)
    broken = copy.deepcopy(network)
    with torch.no_grad():
        broken.readout.weight[0, 0] = math.nan
    with pytest.raises(ParameterError, match=r"finite; got NaN or infinity in readout\.weight"):
        chip_of(broken, images)
    with pytest.raises(ParameterError, match="padding_mode must be 'zeros'"):
        CrossbarConv2d(nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), nonideal=Nonideal())
    with pytest.raises(ParameterError, match="rule must be an EntropyExit"):
        study(network, Nonideal(), (images, [0] * 24), (images, [0] * 24), NeverExit())
    with pytest.raises(ParameterError, match="seeds must name"):
        study(network, Nonideal(), (images, [0] * 24), (images, [0] * 24), EntropyExit(0.1), seeds=())


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 8), st.integers(1, 8), st.booleans())
def test_any_cutting_of_weights_into_cells_keeps_their_value(weight_bits, cell_bits, differential):
    weights = torch.linspace(-1, 1, 2**weight_bits - 1).reshape(-1, 1, 1, 1)
    chip = Nonideal(weight_bits=weight_bits, cell_bits=cell_bits, differential=differential)
    layer = Crossbars(weights, {"groups": 1}, chip)
    assert torch.equal(layer.whole_sums(torch.ones(1, 1, 1, 1)).flatten(), layer.integers.flatten())
    assert replace(chip, variation=0.1).nominal == chip
