from importlib.resources import files

import pytest

from spikewise.errors import ParameterError
from spikewise.price import load_platform
from spikewise.price.baseline import ann_baseline, ann_workload, matched_bits
from spikewise.price.digital import DigitalAccelerator
from spikewise.price.neuromorphic import NeuromorphicChip
from spikewise.price.technology import read_settings
from spikewise.workload import LayerShape, uniform_workload

PRESETS = files("spikewise.price") / "presets"
CHIP = read_settings(DigitalAccelerator, PRESETS / "digital-45nm.toml")
MAP = {"kernel": (3, 3), "out_height": 8, "out_width": 8}
LOAD = uniform_workload(
    "net",
    [
        LayerShape("image", "conv", 3, 32, **MAP, input_bits=8, once_per_inference=True),
        LayerShape("conv", "conv", 32, 32, **MAP, lateral="broadcast"),
        LayerShape("head", "linear", 2048, 10, has_neurons=False),
    ],
    4,
    [1.0, 0.2, 0.1],
    (3, 0, 0, 1),
)  # fmt: skip


def test_the_baseline_has_the_same_shapes_and_one_dense_step():
    ann = ann_workload(LOAD)
    assert [layer.n_macs for layer in ann.layers] == [layer.n_macs for layer in LOAD.layers]
    assert [layer.input_bits for layer in ann.layers] == [8, 3, 3]
    assert (ann.n_steps, ann.n_samples, ann.counts) == (1, 4, None)
    assert all(row.active_unfolded == (layer.n_unfolded,) for layer, row in zip(ann.layers, ann.activity, strict=True))
    assert not any(layer.once_per_inference or layer.has_neurons for layer in ann.layers)


@pytest.mark.parametrize(("n_steps", "bits"), [(1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (350, 9)])
def test_a_count_of_spikes_has_one_more_value_than_steps(n_steps, bits):
    assert matched_bits(n_steps) == bits
    assert 2 ** (bits - 1) < n_steps + 1 <= 2**bits


def test_the_baseline_multiplies_every_weight_once_and_keeps_no_state():
    report = ann_baseline(LOAD, CHIP, activation_bits=8)
    n_macs = sum(layer.n_macs for layer in LOAD.layers)
    assert report.breakdown()["compute"].energy_j == pytest.approx(n_macs * 0.3e-12, rel=1e-12)
    assert report.breakdown()["state memory"].energy_j == 0
    assert report.n_steps == 1
    assert any("activations of 8 bits" in line for line in report.assumptions)


def test_the_baseline_can_be_priced_on_crossbars_too():
    assert ann_baseline(LOAD, load_platform("rram-64-32nm")).energy_j > 0


def test_an_event_driven_chip_has_no_baseline():
    loihi = read_settings(NeuromorphicChip, PRESETS / "loihi.toml")
    with pytest.raises(ParameterError, match="platform must compute dense layers; got 'loihi'"):
        ann_baseline(LOAD, loihi)


@pytest.mark.parametrize("bits", [0, 40, 2.5])
def test_bits_must_be_possible(bits):
    with pytest.raises(ParameterError, match=r"activation_bits must lie in 1\.\.32"):
        ann_workload(LOAD, bits)
