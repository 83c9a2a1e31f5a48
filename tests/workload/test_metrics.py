import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.errors import ParameterError
from spikewise.workload import LayerActivity, LayerShape, Workload, uniform_workload
from spikewise.workload.metrics import count_metrics, in_spike_share

# A 2 x 2 image with 8 bits, computed once; a grouped convolution of spikes; a read-out. All by hand.
STEM = LayerShape(
    "stem", "conv", 1, 4, out_height=2, out_width=2, weight_bits=4, state_bits=8, input_bits=8, once_per_inference=True
)
DEEP = LayerShape("deep", "conv", 4, 6, kernel=(1, 2), groups=2, out_height=2, out_width=1, weight_bits=4, in_width=2)
HEAD = LayerShape("head", "linear", 12, 3, has_neurons=False)
LAYERS = (STEM, DEEP, HEAD)
SILENT = (0.0, 0.0)
ALL = (
    LayerActivity((3, 3), (3, 3), (8, 4)),
    LayerActivity((8, 4), (8, 4), (6, 3)),
    LayerActivity((6, 3), (6, 3), SILENT),
)
ALIVE = (ALL[0], LayerActivity((8, 6), (8, 6), (6, 2)), LayerActivity((6, 2), (6, 2), SILENT))


@pytest.fixture
def load():
    """Four samples, three of which leave after the first of two steps."""
    return Workload("toy", LAYERS, ALL, ALIVE, (3, 1), 4)


def test_a_small_network_counted_by_hand(load):
    found = count_metrics(load)
    # Weights: 4, 6 outputs x 2 channels of a group x 2 taps = 24, 36. Potentials: 16 of 8 bits and 12 of 16 bits.
    assert found.n_weights == 4 + 24 + 36
    assert found.weight_bytes == (4 * 4 + 24 * 4 + 36 * 8) / 8
    assert found.state_bytes == (16 * 8 + 12 * 16) / 8
    assert found.footprint_bytes == found.weight_bytes + found.state_bytes
    # A quarter of the samples computes step 2: 1.25 steps. The stem runs once.
    assert (found.mean_steps, found.n_steps) == (1.25, 2)
    assert found.n_dense_macs == 16 + 1.25 * (6 * 2 * 4 + 36)
    assert found.n_macs == 4 * 3
    # An input of the grouped layer drives the three outputs of its group.
    assert found.n_acs == 3 * (8 + 6 / 4) + 3 * (6 + 2 / 4)
    assert found.n_membrane_updates == 1.25 * (16 + 12)
    assert found.activation_sparsity == pytest.approx(1 - (8 + 4 / 4 + 6 + 2 / 4) / (1.25 * 28), rel=1e-12)
    assert found.connection_sparsity is None


def test_without_exit_all_steps_count(load):
    found = count_metrics(load.without_exit())
    assert (found.mean_steps, found.n_membrane_updates) == (2, 56)
    assert found.n_acs == 3 * (8 + 4) + 3 * (6 + 3)
    assert found.n_dense_macs == 16 + 2 * (48 + 36)


def test_the_dictionary_is_json_and_says_the_footprint(load):
    found = count_metrics(load)
    raw = json.loads(json.dumps(found.to_dict()))
    assert raw["footprint_bytes"] == found.footprint_bytes
    assert raw["n_acs"] == found.n_acs
    assert set(raw) == {"footprint_bytes", *type(found).__dataclass_fields__}


def test_connection_sparsity_is_the_share_of_zeros(load):
    assert count_metrics(load, {"deep": 8, "stem": 0}).connection_sparsity == 8 / 64
    with pytest.raises(ParameterError, match=r"zero_weights must be one of .* got 'dep'. Did you mean 'deep'"):
        count_metrics(load, {"dep": 8})
    with pytest.raises(ParameterError, match="at most its 24 weights; got 25"):
        count_metrics(load, {"deep": 25})
    with pytest.raises(ParameterError, match="must be an integer of at least 0; got -1"):
        count_metrics(load, {"deep": -1})


def test_a_stored_lateral_matrix_takes_memory():
    layer = LayerShape("fc", "linear", 64, 10, weight_bits=8, lateral="matrix")
    stored, broadcast = (
        count_metrics(uniform_workload("toy", [replace(layer, lateral=kind)], 1, [0.5])).weight_bytes
        for kind in ("matrix", "broadcast")
    )
    assert (stored, broadcast) == (740, 640)


def test_a_network_without_neurons_has_no_activation_sparsity():
    found = count_metrics(uniform_workload("toy", [HEAD], 2, [0.5]))
    assert (found.activation_sparsity, found.n_membrane_updates, found.state_bytes) == (None, 0, 0)


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.lists(st.integers(0, 20), min_size=1, max_size=5).filter(sum),
    st.integers(1, 4),
)
def test_laws_that_hold_for_every_network(rate, other, histogram, groups):
    layers = [
        LayerShape("a", "conv", 2 * groups, 4 * groups, kernel=(3, 3), out_height=5, out_width=4, groups=groups),
        LayerShape("b", "linear", 80 * groups, 7),
    ]
    load = uniform_workload("toy", layers, len(histogram), [rate, other], histogram)
    found = count_metrics(load)
    dense = sum(layer.n_macs for layer in layers) * load.mean_steps
    assert found.n_dense_macs == pytest.approx(dense)
    assert found.n_acs <= found.n_dense_macs * (1 + 1e-9)
    assert found.n_acs == pytest.approx((layers[0].n_macs * rate + layers[1].n_macs * other) * load.mean_steps)
    assert 0 <= found.activation_sparsity <= 1
    full = count_metrics(load.without_exit())
    for key in ("n_acs", "n_dense_macs", "n_membrane_updates", "mean_steps"):
        assert getattr(found, key) <= getattr(full, key) * (1 + 1e-9)
    assert (found.footprint_bytes, found.n_weights) == (full.footprint_bytes, full.n_weights)
    busy = count_metrics(uniform_workload("toy", layers, len(histogram), [1, 1], histogram))
    assert busy.n_acs == pytest.approx(busy.n_dense_macs)
    images = [replace(layer, input_bits=8) for layer in layers]
    of_images = count_metrics(replace(load, layers=images))
    assert (of_images.n_macs, of_images.n_acs) == (found.n_acs, 0)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8).filter(any))
def test_with_even_activity_the_share_of_spikes_is_that_of_steps(histogram):
    load = uniform_workload("toy", [HEAD], len(histogram), [0.25], histogram)
    assert in_spike_share(load) == pytest.approx(load.mean_steps / load.n_steps)
    assert in_spike_share(load.without_exit()) == 1


def test_a_network_without_input_has_nothing_to_save():
    assert in_spike_share(uniform_workload("toy", [HEAD], 2, [0.0], [1, 1])) == 1
