import numpy as np
import pytest

from spikewise.errors import DataError
from spikewise.price import load_platform
from spikewise.price.cost import ONCE_MODES, CostReport
from spikewise.price.imc.fixed_cost import FixedCost
from spikewise.price.quantity import checked
from spikewise.workload import LayerShape, uniform_workload

CHIP = load_platform("rram-64-32nm")
HISTOGRAM = (75, 12, 5, 8)


def network(kind="conv", is_direct=True):
    """Two layers: few crossbars read at many positions, or many crossbars read once per step."""
    sizes = {"kernel": (3, 3), "out_height": 16, "out_width": 16} if kind == "conv" else {}
    layers = [
        LayerShape("first", kind, 32, 64, **sizes, weight_bits=4, input_bits=8, once_per_inference=is_direct),
        LayerShape("second", kind, 64, 256, **sizes, weight_bits=4),
    ]
    return uniform_workload(kind, layers, 4, [0.9, 0.2], HISTOGRAM)


def in_mode(mode, chip=CHIP):
    """The chip with another mode, as a file that extends it would say."""
    return chip.model_copy(update={"fixed": chip.fixed.model_copy(update={"mode": mode})})


@pytest.mark.parametrize("kind", ["conv", "linear"])
@pytest.mark.parametrize("figure", ["energy_j", "edp_saving"])
def test_the_band_spans_all_four_modes(kind, figure):
    load = network(kind)
    low, _, high = CHIP.estimate(load).band(figure)
    for mode in ONCE_MODES:
        assert low <= getattr(in_mode(mode).estimate(load), figure) <= high, mode


def test_the_report_states_energy_and_saving_of_each_mode():
    report = CHIP.estimate(network())
    assert {found.mode for found in report.once_modes} == set(ONCE_MODES)
    for found in report.once_modes:
        alone = in_mode(found.mode).estimate(network())
        assert found.energy_j == pytest.approx(alone.energy_j, rel=1e-12)
        assert found.edp_saving == pytest.approx(alone.edp_saving, rel=1e-12)
    again = CostReport.from_dict(report.to_dict())
    assert again.once_modes == report.once_modes


def test_the_first_layer_once_is_its_bits_once_and_the_rest_at_every_step():
    none, once = (in_mode(mode).estimate(network()) for mode in ("none", "first_layer"))
    first = none.ledger.step_energy_j[:, 0].sum(-1)
    saved = none.energy_at(4) - once.energy_at(4)
    assert saved == pytest.approx(first[1:].sum(), rel=1e-9)  # every share of this chip belongs to the weighted sum
    assert once.latency_at(4) < none.latency_at(4)


def test_both_fitted_modes_agree_on_the_network_that_they_were_fitted_on():
    sides = [(3, 64, 32), (64, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8), (256, 256, 8), (256, 256, 8),
             (256, 512, 4), (512, 512, 4), (512, 512, 4), (512, 512, 2), (512, 512, 2), (512, 512, 2)]  # fmt: skip
    layers = [
        LayerShape(f"conv{n}", "conv", n_in, n_out, kernel=(3, 3), out_height=side, out_width=side, weight_bits=4)
        for n, (n_in, n_out, side) in enumerate(sides)
    ]
    load = uniform_workload("vgg16", layers, 4, [1.0] * len(layers))
    one, other = (in_mode(mode).estimate(load).energy_j for mode in ("fit_proportional", "fit_per_crossbar"))
    assert one == pytest.approx(other, rel=1e-9)


def test_without_a_fitted_constant_there_is_one_mode():
    assert load_platform("rram-64-32nm-physical").fixed.modes(has_once_layers=True) == ("first_layer",)
    assert set(CHIP.fixed.modes(has_once_layers=True)) == set(ONCE_MODES)
    assert "first_layer" not in CHIP.fixed.modes(has_once_layers=False)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"mode": "fit_proportional"}, "ratio must be given if mode is fit_proportional"),
        ({"mode": "fit_per_crossbar"}, "per_crossbar must be given if mode is fit_per_crossbar"),
    ],
)
def test_a_fitted_mode_needs_its_constant(raw, message):
    with pytest.raises(DataError, match=message):
        checked(FixedCost, raw, "own.toml")


def test_the_static_view_has_the_corners_of_a_report_without_exit():
    load = network("linear")
    static, without = CHIP.estimate(load).static, CHIP.estimate(load.without_exit())
    np.testing.assert_allclose(static.band("energy_j"), without.band("energy_j"), rtol=1e-12)
