import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spikewise.errors import DataError, ParameterError, ShapeError
from spikewise.network.neurons import LIF, LIFParams, lif_sequence, lif_step
from spikewise.network.surrogate import Dspike, Triangle

_SPEC = importlib.util.spec_from_file_location("lif_oracle", Path(__file__).parents[1] / "oracles" / "lif.py")
_ORACLE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_ORACLE)

PARAMS = [
    LIFParams(),
    LIFParams(reset="soft"),
    LIFParams(decay=1.0, v_threshold=0.5, v_reset=-0.25),
    LIFParams(decay=0.9, reset="soft", v_threshold=0.7, surrogate=Dspike()),
    LIFParams(decay=0.0, surrogate=Triangle(0.5)),
]
currents_of_any_size = arrays(
    np.float32, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=st.floats(-2, 2, width=32)
)


def loop(currents, params, v):
    """The many-step form as a loop of the one-step form."""
    spikes = []
    for current in currents:
        s, v = lif_step(current, v, params)
        spikes.append(s)
    return torch.stack(spikes), v


@pytest.mark.parametrize("params", PARAMS, ids=str)
@settings(max_examples=25, deadline=None)
@given(currents=currents_of_any_size)
def test_a_sequence_equals_the_loop_of_steps_exactly(params, currents):
    x = torch.from_numpy(currents)
    expected = loop(x, params, torch.zeros_like(x[0]))
    for got, want in zip(lif_sequence(x, params), expected, strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize("params", PARAMS, ids=str)
@settings(max_examples=25, deadline=None)
@given(currents=currents_of_any_size)
def test_a_sequence_equals_neurons_computed_by_hand(params, currents):
    spikes, v = lif_sequence(torch.from_numpy(currents), params)
    want_spikes, want_v = _ORACLE.lif_by_hand(currents, params.decay, params.v_threshold, params.v_reset, params.reset)
    np.testing.assert_array_equal(spikes.numpy(), want_spikes)
    np.testing.assert_array_equal(v.numpy(), want_v)


@pytest.mark.parametrize("params", PARAMS, ids=str)
@settings(max_examples=25, deadline=None)
@given(currents=currents_of_any_size, cut=st.integers(0, 6))
def test_a_run_may_be_cut_anywhere(params, currents, cut):
    x = torch.from_numpy(currents)
    whole, v_whole = lif_sequence(x, params)
    cut = min(max(cut, 1), len(x))
    first, v = lif_sequence(x[:cut], params)
    if cut < len(x):
        second, v = lif_sequence(x[cut:], params, v)
        first = torch.cat([first, second])
    assert torch.equal(first, whole)
    assert torch.equal(v, v_whole)


@pytest.mark.parametrize("params", PARAMS, ids=str)
@pytest.mark.parametrize("use", ["spikes", "v", "both"])
def test_the_gradient_by_hand_is_that_of_the_loop(params, use):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(5, 3, 4, dtype=torch.float64, generator=generator)
    v0 = torch.randn(3, 4, dtype=torch.float64, generator=generator)
    weights = torch.randn(5, 3, 4, dtype=torch.float64, generator=generator)
    grads = []
    for form in (lambda a, b: lif_sequence(a, params, b), lambda a, b: loop(a, params, b)):
        a, b = x.clone().requires_grad_(), v0.clone().requires_grad_()
        spikes, v = form(a, b)
        value = {"spikes": (spikes * weights).sum(), "v": (v * weights[0]).sum()}
        (sum(value.values()) if use == "both" else value[use]).backward()
        grads.append((a.grad, b.grad))
    for by_hand, by_autograd in zip(*grads, strict=True):
        torch.testing.assert_close(by_hand, by_autograd, rtol=1e-12, atol=1e-14)
    assert grads[0][0].abs().sum() > 0


def test_a_current_that_is_broadcast_over_time_gathers_the_gradient_of_all_steps():
    drive = torch.rand(3, requires_grad=True)
    lif_sequence(drive.expand(4, 3), LIFParams())[0].sum().backward()
    copied = drive.detach().expand(4, 3).clone().requires_grad_()
    lif_sequence(copied, LIFParams())[0].sum().backward()
    torch.testing.assert_close(drive.grad, copied.grad.sum(0))


@given(st.floats(-3, 0.875, width=32))
def test_a_silent_neuron_is_not_reset(v):
    spikes, after = lif_step(torch.zeros(1), torch.tensor([v]), LIFParams(decay=1.0))
    assert spikes.item() == 0
    assert after.item() == v


@pytest.mark.parametrize("params", PARAMS, ids=str)
def test_the_module_is_the_function(params):
    x = torch.rand(4, 2, 3)
    for got, want in zip(LIF(params)(x), lif_sequence(x, params), strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize("params", PARAMS, ids=str)
def test_parameters_survive_the_way_through_a_dictionary(params):
    assert LIFParams.from_dict(params.to_dict()) == params


@pytest.mark.parametrize(
    "bad", [{"decay": 1.5}, {"v_threshold": 0.0}, {"v_reset": 1.0}, {"reset": "none"}, {"decay": float("nan")}]
)
def test_impossible_parameters_are_refused(bad):
    with pytest.raises(ParameterError, match=next(iter(bad))):
        LIFParams(**bad)
    with pytest.raises(DataError, match="LIF parameters"):
        LIFParams.from_dict({**LIFParams().to_dict(), **bad})


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="T at least 1"):
        lif_sequence(torch.zeros(0, 3), LIFParams())
    with pytest.raises(ShapeError, match="v0"):
        lif_sequence(torch.zeros(2, 3), LIFParams(), torch.zeros(4))
