import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikewise.errors import DataError, ParameterError
from spikewise.network.surrogate import Dspike, Triangle, fire, spikes_at, surrogate_from_dict, surrogate_to_dict

SURROGATES = [Dspike(), Dspike(1.5), Triangle(), Triangle(2.0)]


@pytest.mark.parametrize("surrogate", SURROGATES, ids=str)
def test_slope_is_even_never_negative_and_highest_at_the_threshold(surrogate):
    x = torch.linspace(-5, 5, 1001, dtype=torch.float64)
    slope = surrogate.slope(x)
    assert (slope >= 0).all()
    torch.testing.assert_close(slope, slope.flip(0))
    assert slope.argmax() == 500


@pytest.mark.parametrize("surrogate", SURROGATES, ids=str)
def test_slope_has_unit_area_like_the_step_it_replaces(surrogate):
    x = torch.linspace(-5, 5, 20001, dtype=torch.float64)
    # Trapezoid rule, step 5e-4; Dspike's jump at the cut-off costs at most one step of its height there.
    assert torch.trapezoid(surrogate.slope(x), x).item() == pytest.approx(1.0, abs=1e-3)


def test_dspike_is_the_derivative_of_its_tanh():
    x = torch.linspace(-2.9, 2.9, 50, dtype=torch.float64, requires_grad=True)
    (torch.tanh(3 * x) / (2 * np.tanh(9.0)) + 0.5).sum().backward()
    torch.testing.assert_close(Dspike(3.0).slope(x.detach()), x.grad)


@pytest.mark.parametrize("surrogate", SURROGATES, ids=str)
def test_slope_leaves_its_argument_alone(surrogate):
    x = torch.tensor([-0.5, 0.5])
    surrogate.slope(x)
    assert x.tolist() == [-0.5, 0.5]


@given(st.floats(-4, 4, width=32), st.floats(0.125, 2, width=32))
def test_a_neuron_fires_exactly_at_or_above_its_threshold(v, v_threshold):
    assert spikes_at(torch.tensor(v), v_threshold).item() == (v >= v_threshold)
    assert fire(torch.tensor(v), v_threshold, Triangle()).item() == (v >= v_threshold)


@pytest.mark.parametrize("surrogate", SURROGATES, ids=str)
def test_gradient_of_a_spike_is_the_slope(surrogate):
    v = torch.linspace(-1, 3, 17, requires_grad=True)
    (fire(v, 1.0, surrogate) * 2).sum().backward()
    torch.testing.assert_close(v.grad, 2 * surrogate.slope(v.detach() - 1.0))


@pytest.mark.parametrize("surrogate", SURROGATES, ids=str)
def test_surrogates_survive_the_way_through_a_dictionary(surrogate):
    assert surrogate_from_dict(surrogate_to_dict(surrogate)) == surrogate


@pytest.mark.parametrize("raw", [{}, {"kind": "none"}, {"kind": "triangle", "gamma": -1}, {"kind": "dspike", "x": 1}])
def test_a_misshapen_surrogate_is_a_data_error(raw):
    with pytest.raises(DataError, match="surrogate must be"):
        surrogate_from_dict(raw)


@pytest.mark.parametrize("gamma", [0.0, -1.0, float("nan"), float("inf")])
def test_gamma_must_be_positive_and_finite(gamma):
    with pytest.raises(ParameterError, match="gamma"):
        Triangle(gamma)
