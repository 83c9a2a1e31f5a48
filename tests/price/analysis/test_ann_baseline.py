from importlib.resources import files

import pytest

from spikewise.errors import ParameterError
from spikewise.price import load_platform
from spikewise.price.analysis.ann_baseline import (
    ann_baseline,
    ann_workload,
    image_density,
    matched_bits,
    why_no_ann_baseline,
)
from spikewise.price.digital import DigitalAccelerator
from spikewise.price.digital.neuromorphic import NeuromorphicChip
from spikewise.price.quantity import read_settings
from spikewise.workload import LayerShape, uniform_workload

PRESETS = files("spikewise.price") / "presets"
CHIP = read_settings(DigitalAccelerator, PRESETS / "digital-45nm.toml")
MAP = {"kernel": (3, 3), "out_height": 8, "out_width": 8}
LOAD = uniform_workload(
    "net",
    [
        LayerShape("image", "conv", 3, 32, **MAP, input_bits=8, once_per_inference=True),
        LayerShape("conv", "conv", 32, 32, **MAP),
        LayerShape("head", "linear", 2048, 10, has_neurons=False),
    ],
    4,
    [1.0, 0.2, 0.1],
    (3, 0, 0, 1),
)  # fmt: skip


def test_the_baseline_has_the_same_shapes_and_one_step_half_as_busy_as_it_can_be():
    ann = ann_workload(LOAD)
    assert [layer.n_macs for layer in ann.layers] == [layer.n_macs for layer in LOAD.layers]
    assert [layer.input_bits for layer in ann.layers] == [8, 3, 3]
    assert (ann.n_steps, ann.n_samples, ann.counts) == (1, 4, None)
    rates = [row.active_unfolded[0] / layer.n_unfolded for layer, row in zip(ann.layers, ann.activity, strict=True)]
    assert rates == [1.0, 0.5, 0.5]  # the image as it was measured
    assert not any(layer.once_per_inference or layer.has_neurons for layer in ann.layers)
    assert [row.out_spikes[0] / layer.n_neurons for layer, row in zip(ann.layers, ann.activity, strict=True)] == [
        0.5, 0.5, 1.0,
    ]  # fmt: skip


def test_an_image_told_by_spikes_is_at_most_as_dense_as_all_of_them():
    layer = LayerShape("fc", "linear", 100, 10)
    rates = [(0.1, 3, 0.3), (0.4, 4, 1.0)]
    assert [image_density(uniform_workload("net", [layer], steps, [rate])) for rate, steps, _ in rates] == [0.3, 1.0]


@pytest.mark.parametrize(("n_steps", "bits"), [(1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (350, 9)])
def test_a_count_of_spikes_has_one_more_value_than_steps(n_steps, bits):
    assert matched_bits(n_steps) == bits
    assert 2 ** (bits - 1) < n_steps + 1 <= 2**bits


def test_the_baseline_multiplies_every_weight_once_and_keeps_no_state():
    fixed = CHIP.model_copy(update={"sum_bits": 32})
    report = ann_baseline(LOAD, fixed, activation_bits=8)
    n_macs = sum(layer.n_macs for layer in LOAD.layers)
    assert report.breakdown()["compute"].energy_j == pytest.approx(n_macs * 0.3e-12, rel=1e-12)
    assert report.breakdown()["state memory"].energy_j == 0
    assert report.n_steps == 1


def test_what_is_assumed_of_the_baseline_is_said_and_can_be_changed():
    report = ann_baseline(LOAD, CHIP, activation_bits=8, activation_rate=0.25)
    text = " ".join(report.assumptions)
    assert "activations of 8 bits" in text
    assert "not zero: 25% of its activations" in text
    assert "100% of the image (as measured)" in text
    with pytest.raises(ParameterError, match=r"activation_rate must be a number in \(0, 1\]; got 1.5"):
        ann_baseline(LOAD, CHIP, activation_rate=1.5)


def test_zeros_spare_the_crossbars_and_not_the_multipliers():
    chip = load_platform("rram-64-32nm-physical")
    dense, sparse = (ann_baseline(LOAD, chip, activation_rate=rate) for rate in (1.0, 0.25))
    for part in ("crossbar", "row_driver"):
        assert sparse.breakdown()[part].energy_j < dense.breakdown()[part].energy_j
    assert sparse.breakdown()["adc"].energy_j == dense.breakdown()["adc"].energy_j
    dense, sparse = (ann_baseline(LOAD, CHIP, activation_rate=rate) for rate in (1.0, 0.25))
    assert sparse.energy_j == dense.energy_j


def test_its_values_travel_too_each_with_all_of_its_bits():
    chip = load_platform("rram-64-32nm-physical")
    one, two, three = (ann_baseline(LOAD, chip, bits, 1.0).breakdown()["noc"].energy_j for bits in (1, 2, 3))
    assert three - two == pytest.approx(two - one, rel=1e-9)
    assert 0 < one < two


def test_the_baseline_has_no_state_to_leak_or_to_read():
    chip = load_platform("rram-64-32nm-physical")
    spiking, dense = (report.breakdown()["lif"] for report in (chip.estimate(LOAD), ann_baseline(LOAD, chip)))
    assert dense.energy_j == 0 < spiking.energy_j
    assert dense.memory_bits < spiking.memory_bits / 8


def test_where_no_ann_baseline_is_fair_the_reason_is_said():
    single = uniform_workload("net", LOAD.layers[2:], 1, [0.2])
    stdp = uniform_workload("net", [LayerShape("excitatory", "linear", 784, 100, lateral="matrix")], 350, [0.1])
    loihi = load_platform("loihi")
    assert "one step tells" in why_no_ann_baseline(single, CHIP)
    assert "without labels" in why_no_ann_baseline(stdp, CHIP)
    assert "event-driven" in why_no_ann_baseline(LOAD, loihi)
    deep = uniform_workload("net", LOAD.layers[2:], 4, [0.2])
    assert why_no_ann_baseline(deep, CHIP) == ""


def test_an_event_driven_chip_has_no_baseline():
    loihi = read_settings(NeuromorphicChip, PRESETS / "loihi.toml")
    with pytest.raises(ParameterError, match="platform must compute dense layers; got 'loihi'"):
        ann_baseline(LOAD, loihi)


@pytest.mark.parametrize("bits", [0, 40, 2.5])
def test_bits_must_be_possible(bits):
    with pytest.raises(ParameterError, match=r"activation_bits must (lie in 1\.\.32|be an integer)"):
        ann_workload(LOAD, bits)
