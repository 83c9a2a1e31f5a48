import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.price import load_platform
from spikewise.price.analysis.ann_baseline import ann_baselines
from spikewise.price.analysis.ratio import FIGURES, Ratio, ratio_of
from spikewise.price.analysis.sensitivity import variants
from spikewise.report.tables.ann_baseline import AnnComparison
from spikewise.workload import LayerShape, uniform_workload

LAYERS = [LayerShape("one", "linear", 640, 320), LayerShape("two", "linear", 320, 10)]
CHIP = load_platform("digital-45nm")


def price(rate, n_steps=4):
    return CHIP.estimate(uniform_workload("net", LAYERS, n_steps, [rate, rate]))


@pytest.mark.parametrize("figure", FIGURES)
def test_a_price_against_itself_is_one_at_every_corner(figure):
    ratio = ratio_of(price(0.2), [price(0.2)], figure)
    assert (ratio.low, ratio.nominal, ratio.high) == (1, 1, 1)
    assert ratio.answer == "too close to say"


def test_constants_move_together_so_the_band_is_narrower_than_that_of_two_prices():
    one, other = price(0.05), price(0.5)
    ratio, (low, _, high) = ratio_of(one, [other]), one.band("energy_j")
    other_low, _, other_high = other.band("energy_j")
    assert low / other_high < ratio.low <= ratio.nominal <= ratio.high < high / other_low


def test_the_two_ratios_are_reciprocal():
    one, other = price(0.05), price(0.5)
    there, back = ratio_of(one, [other]), ratio_of(other, [one])
    assert there.nominal * back.nominal == pytest.approx(1)
    assert there.low * back.high == pytest.approx(1)


@given(st.tuples(*[st.floats(0.01, 100)] * 3))
def test_an_answer_is_given_only_where_all_corners_agree(values):
    low, nominal, high = sorted(values)
    answer = Ratio("energy_j", low, nominal, high).answer
    if low <= 1 <= high or abs(nominal - 1) < 0.05:
        assert answer == "too close to say"
    else:
        assert (answer == "yes") == (high < 1) or answer == "too close to say"


def test_what_costs_nothing_has_no_ratio():
    cpu = load_platform("embedded-cpu").estimate(uniform_workload("net", LAYERS, 4, [0.2, 0.2]))
    assert ratio_of(cpu, [cpu], "area_m2") is None


def test_a_baseline_that_may_be_built_in_two_ways_widens_the_band():
    one, other, cheaper = price(0.2), price(0.3), price(0.1)
    alone, both = ratio_of(one, [other]), ratio_of(one, [other, cheaper])
    assert (both.low, both.nominal) == (alone.low, alone.nominal)
    assert both.high == ratio_of(one, [cheaper]).high > alone.high


def test_no_constant_alone_reverses_a_verdict():
    layers = [
        LayerShape(f"conv{n}", "conv", n_in, n_out, kernel=(3, 3), out_height=8, out_width=8, weight_bits=4)
        for n, (n_in, n_out) in enumerate([(8, 64), (64, 64)])
    ]
    load, chip = uniform_workload("net", layers, 4, [0.2, 0.05]), load_platform("rram-64-32nm-physical")
    ratios = AnnComparison.of(load, chip, chip.estimate(load)).ratios()["static"]
    for _, _, varied in variants(chip):
        alone = ratio_of(varied.estimate(load), ann_baselines(load, varied)[:1])
        assert ratios["energy_j"].low <= alone.nominal <= ratios["energy_j"].high
