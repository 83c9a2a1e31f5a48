from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from spikewise.errors import ParameterError  # noqa: E402
from spikewise.nonideal.device import quantize_weights  # noqa: E402
from spikewise.nonideal.layers import CrossbarConv2d, CrossbarLinear, Crossbars, InputCodes  # noqa: E402
from spikewise.nonideal.settings import Nonideal  # noqa: E402
from spikewise.price import CrossbarArray  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def spikes(*shape, rate=0.3, seed=0):
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < rate).float()


def conv_of(seed=0, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Conv2d(12, 6, 3, **{"padding": 1, "bias": True, **options})


SIGNS = st.sampled_from(["differential", "offset", "count", "twos_complement"])


@st.composite
def designs(draw, **settings):
    sign = draw(SIGNS)
    array = CrossbarArray(
        n_rows=draw(st.integers(1, 40)),
        n_cols=draw(st.integers(1, 40)),
        cell_bits=1 if sign == "twos_complement" else draw(st.integers(1, 8)),
        sign=sign,
        scheme=draw(st.sampled_from(["kernel_split", "im2col"])),
        tap_sum=draw(st.sampled_from(["analog", "digital"])),
    )
    return Nonideal(array=array, weight_bits=draw(st.integers(2, 8)), **settings)


CONVOLUTIONS = [{}, {"stride": 2}, {"groups": 3}, {"dilation": 2}, {"padding": "same"}, {"groups": 2, "stride": 2}]


@settings(max_examples=60)
@given(designs(), st.sampled_from([None, 16]), st.sampled_from(CONVOLUTIONS), st.integers(1, 3))
def test_without_fault_every_mapping_computes_the_integer_convolution(design, adc_bits, options, n_chips):
    conv = conv_of(**options)
    layer = CrossbarConv2d(conv, nonideal=replace(design, adc_bits=adc_bits), seeds=range(n_chips))
    x = spikes(2 * n_chips, 12, 7, 7)
    integers, step = quantize_weights(conv.weight, design.weight_bits)
    geometry = {key: getattr(conv, key) for key in ("stride", "padding", "dilation", "groups")}
    exact = functional.conv2d(x.double(), integers.double(), **geometry)
    assert torch.equal(layer.crossbars.whole_sums(x).double(), exact)
    floats = functional.conv2d(x, integers * step, conv.bias, **geometry).detach()
    assert float((layer(x).detach() - floats).abs().max()) <= 1e-5 * float(floats.abs().max())


@settings(max_examples=30)
@given(designs(), st.floats(1.5, 20), st.sampled_from(CONVOLUTIONS))
def test_every_read_out_cancels_the_pedestal_of_silent_digits(design, on_off, options):
    conv = conv_of(**options)
    layer = CrossbarConv2d(conv, nonideal=replace(design, on_off=on_off)).crossbars
    x = spikes(2, 12, 7, 7)
    exact = CrossbarConv2d(conv, nonideal=design).crossbars.whole_sums(x)
    scale = float(exact.abs().max()) + 12 * 9 * 2**design.weight_bits / (on_off - 1)
    torch.testing.assert_close(layer.whole_sums(x), exact, rtol=0, atol=2e-6 * scale)


@settings(max_examples=30)
@given(designs(), st.sampled_from([None, 16]), st.sampled_from(CONVOLUTIONS), st.integers(1, 8))
def test_inputs_that_are_not_spikes_go_in_as_whole_codes_and_exactly(design, adc_bits, options, input_bits):
    conv = conv_of(**options)
    codes = InputCodes(low=-7.5, step=0.5)
    nonideal = replace(design, adc_bits=adc_bits, input_bits=input_bits)
    layer = CrossbarConv2d(conv, nonideal=nonideal, codes=codes)
    whole = torch.randint(0, 2**input_bits, (2, 12, 5, 5), generator=torch.Generator().manual_seed(1))
    x = codes.low + codes.step * whole
    geometry = {key: getattr(conv, key) for key in ("stride", "padding", "dilation", "groups")}
    crossbars = layer.crossbars
    exact = functional.conv2d(x.double(), crossbars.integers.double(), **geometry) * crossbars.weight_step
    found = layer(x) - conv.bias[:, None, None]
    torch.testing.assert_close(found, exact.float(), rtol=1e-5, atol=1e-5 * float(exact.abs().max()) + 1e-6)


@settings(max_examples=20)
@given(designs())
def test_any_cutting_of_weights_into_cells_keeps_their_value(design):
    weights = torch.linspace(-1, 1, 2**design.weight_bits - 1).reshape(-1, 1, 1, 1)
    layer = Crossbars(weights, {"groups": 1}, design)
    assert torch.equal(layer.whole_sums(torch.ones(1, 1, 1, 1)).flatten(), layer.integers.flatten())
    assert replace(design, variation=0.1).nominal == design


def test_a_linear_layer_is_a_convolution_of_one_pixel():
    linear = nn.Linear(100, 7)
    layer = CrossbarLinear(linear, nonideal=Nonideal(weight_bits=8, adc_bits=16))
    x = spikes(3, 4, 100)
    exact = functional.linear(x.flatten(0, 1).double(), layer.crossbars.integers.double().flatten(1))
    assert torch.equal(layer.crossbars.whole_sums(x.reshape(12, 100, 1, 1)).flatten(1).double(), exact)
    assert layer(x).shape == (3, 4, 7)
    torch.testing.assert_close(layer(x), linear(x), rtol=0.05, atol=0.05)  # 8 bits


def test_5_bit_differential_weights_take_two_cells_in_price_and_simulation():
    design = Nonideal(weight_bits=5, adc_bits=12)
    assert design.array.cells_per_weight(5) == 2
    layer = CrossbarConv2d(conv_of(), nonideal=design).crossbars
    assert layer.blocks[0].n_columns == 2 * 6


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


def test_read_noise_has_the_spread_of_noise_on_every_cell():
    weights = torch.full((1, 16, 1, 1), 7.0)
    layer = Crossbars(weights, {"groups": 1}, Nonideal(read_noise=0.1))
    found = layer.whole_sums(torch.ones(20_000, 16, 1, 1)).flatten()
    # 16 cells of level 7, each with 10 %: 0.7 * 4; the minus columns carry nothing. Standard errors 0.02 and 0.014.
    assert float(found.mean()) == pytest.approx(112, abs=0.08)
    assert float(found.std()) == pytest.approx(2.8, abs=0.056)


def test_a_reference_column_is_shared_by_the_weights_of_a_crossbar():
    array = CrossbarArray(n_rows=64, n_cols=4, cell_bits=4, sign="offset")
    weights = torch.zeros(8, 5, 1, 1)
    weights[0, 0] = 1
    chip = Nonideal(array=array, read_noise=0.2)
    luck = Crossbars(weights, {"groups": 1}, chip).whole_sums(torch.ones(4000, 5, 1, 1))[:, 1:, 0, 0]
    found = torch.corrcoef(luck.T)
    # Own and reference cells both store 8: noise of two weights has correlation 1/2 on one crossbar, 0 on two.
    # The standard error of a correlation of 4,000 pairs is at most 0.016.
    assert float(found[0, 1]) == pytest.approx(0.5, abs=0.064)
    assert float(found[0, 5]) == pytest.approx(0.0, abs=0.064)


def test_padding_must_be_zeros():
    with pytest.raises(ParameterError, match="padding_mode must be 'zeros'"):
        CrossbarConv2d(nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), nonideal=Nonideal())
