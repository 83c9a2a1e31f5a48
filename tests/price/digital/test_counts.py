"""Laws that every processor obeys: digital, embedded, neuromorphic."""

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewise.errors import DataError
from spikewise.price import CostReport, Platform
from spikewise.price.analysis.sensitivity import constants_of, sensitivity
from spikewise.price.digital import DigitalAccelerator
from spikewise.price.digital.neuromorphic import NeuromorphicChip
from spikewise.price.digital.roofline import RooflineProcessor
from spikewise.price.quantity import read_settings, weakest
from spikewise.workload import LayerActivity, LayerShape, Workload, uniform_workload

PRESETS = files("spikewise.price") / "presets"
CLASSES = {
    "digital-45nm": DigitalAccelerator,
    "embedded-cpu": RooflineProcessor,
    "embedded-gpu": RooflineProcessor,
    "loihi": NeuromorphicChip,
}
PLATFORMS = {name: read_settings(cls, PRESETS / f"{name}.toml") for name, cls in CLASSES.items()}
few = settings(max_examples=15)
every = pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)


@st.composite
def workloads(draw, n_steps=None, once=True):
    n_steps = n_steps or draw(st.integers(1, 4))
    n_layers = draw(st.integers(1, 3))
    channels = draw(st.lists(st.integers(1, 40), min_size=n_layers + 1, max_size=n_layers + 1))
    height = draw(st.integers(1, 8))
    layers = [
        LayerShape(
            f"layer{n}", "conv", channels[n], channels[n + 1], kernel=(3, 3),
            out_height=height, out_width=4, weight_bits=draw(st.sampled_from([4, 8, 32])),
            lateral=draw(st.sampled_from(["none", "broadcast", "matrix"])), has_neurons=draw(st.booleans()),
            input_bits=draw(st.sampled_from([1, 8])), once_per_inference=once and n == 0 and draw(st.booleans()),
        )
        for n in range(n_layers)
    ]  # fmt: skip
    rates = draw(st.lists(st.floats(0, 1), min_size=n_layers, max_size=n_layers))
    histogram = draw(st.lists(st.integers(0, 9), min_size=n_steps, max_size=n_steps).filter(any))
    return uniform_workload("net", layers, n_steps, rates, histogram)


def scaled(load, factor):
    """The same network with all activity multiplied by a factor of at most 1."""

    def rows(activity):
        return [
            LayerActivity(*(np.multiply(factor, row) for row in (a.active_unfolded, a.in_spikes, a.out_spikes)))
            for a in activity
        ]

    return replace(load, activity=rows(load.activity), alive_activity=rows(load.alive_activity))


@every
def test_a_processor_is_a_platform_with_sources_and_tags(platform):
    report = platform.estimate(uniform_workload("net", [LayerShape("fc", "linear", 64, 10)], 2, [0.2]))
    assert isinstance(platform, Platform)
    assert report.platform == platform.name
    assert min(report.energy_j, report.latency_s, report.memory_bits) > 0
    assert platform.label in report.assumptions
    assert set(platform.notes) <= set(report.assumptions)
    tags = [quantity.tag for _, quantity in constants_of(platform)]
    assert report.weakest_tag == weakest(tags) == "unverified"
    assert {quantity.source for _, quantity in constants_of(platform)} <= set(report.sources)


@every
@few
@given(load=workloads())
def test_breakdowns_sum_to_the_total_and_the_report_is_read_back(platform, load):
    report = platform.estimate(load)
    for by in ("component", "layer", "timestep"):
        parts = report.breakdown(by).values()
        assert sum(part.energy_j for part in parts) == pytest.approx(report.energy_j, rel=1e-9)
        assert sum(part.latency_s for part in parts) == pytest.approx(report.latency_s, rel=1e-9)
        assert sum(part.memory_bits for part in parts) == report.memory_bits
    assert CostReport.from_dict(report.to_dict()).to_dict() == report.to_dict()


@every
@few
@given(load=workloads())
def test_the_static_view_is_the_report_of_the_workload_without_exit(platform, load):
    static = platform.estimate(load).static
    assert static.to_dict() == platform.estimate(load.without_exit()).to_dict()


@every
@few
@given(load=workloads(), data=st.data())
def test_exit_at_the_last_step_alone_changes_nothing(platform, load, data):
    late = replace(load, exit_histogram=(0,) * (load.n_steps - 1) + (load.n_samples,))
    report = platform.estimate(late)
    assert report.energy_j == report.static.energy_j
    assert report.edp_saving == 0


@every
@few
@given(load=workloads())
def test_every_constant_raises_the_price(platform, load):
    report = platform.estimate(load)
    for figure in ("energy_j", "latency_s", "edp_js", "area_m2"):
        low, nominal, high = report.band(figure)
        assert low <= nominal <= high
        assert getattr(report.at("low"), figure) <= nominal * (1 + 1e-12)
        assert getattr(report.at("high"), figure) >= nominal * (1 - 1e-12)


@every
@few
@given(load=workloads(), quiet=st.floats(0, 1))
def test_fewer_spikes_never_cost_more(platform, load, quiet):
    busy, calm = platform.estimate(load), platform.estimate(scaled(load, quiet))
    assert calm.energy_j <= busy.energy_j * (1 + 1e-9)
    assert calm.latency_s <= busy.latency_s * (1 + 1e-9)


@every
@few
@given(load=workloads(n_steps=2), n_steps=st.integers(3, 6))
def test_more_steps_cost_more(platform, load, n_steps):
    longer = uniform_workload("net", load.layers, n_steps, [0.2] * len(load.layers))
    shorter = uniform_workload("net", load.layers, 2, [0.2] * len(load.layers))
    assert platform.estimate(longer).energy_j > platform.estimate(shorter).energy_j
    assert platform.estimate(longer).latency_s > platform.estimate(shorter).latency_s


@every
@few
@given(load=workloads(), weight_bits=st.integers(1, 31), state_bits=st.integers(1, 31))
def test_more_bits_never_cost_less(platform, load, weight_bits, state_bits):
    def energy(more_weight, more_state):
        bits = {"weight_bits": weight_bits + more_weight, "state_bits": state_bits + more_state}
        return platform.estimate(replace(load, layers=[replace(layer, **bits) for layer in load.layers])).energy_j

    assert energy(1, 0) >= energy(0, 0) * (1 - 1e-9)
    assert energy(0, 1) >= energy(0, 0) * (1 - 1e-9)


@every
@few
@given(load=workloads(once=False))
def test_silence_leaves_the_update_of_neurons(platform, load):
    layers = [replace(layer, input_bits=1, has_neurons=True) for layer in load.layers]
    report = platform.estimate(scaled(replace(load, layers=layers), 0.0))
    assert report.energy_j > 0
    parts = report.breakdown()
    for name in ("compute", "weight memory", "synapses", "messages", "spikes", "lateral"):
        if name in parts and platform.kind != "roofline":
            assert parts[name].energy_j == 0
    if "neuron update" in parts:
        assert parts["neuron update"].energy_j > 0


@every
def test_work_done_once_is_charged_once(platform):
    image = LayerShape("image", "conv", 3, 16, kernel=(3, 3), out_height=8, out_width=8, input_bits=8)
    each, once = (
        platform.estimate(uniform_workload("net", [replace(image, once_per_inference=value)], 4, [1.0]))
        for value in (False, True)
    )
    assert not each.ledger.once_energy_j.any()
    assert once.ledger.once_energy_j.any()
    assert once.energy_j < each.energy_j


@every
def test_running_samples_and_all_samples_are_kept_apart(platform):
    layer = LayerShape("fc", "linear", 64, 64)
    activity = [LayerActivity((32, 16), (32, 16), (8, 8))]
    alive = [LayerActivity((32, 64), (32, 64), (8, 8))]
    report = platform.estimate(Workload("net", [layer], activity, alive, (1, 1), 2))
    if platform.kind != "roofline":
        assert report.energy_at(2) > report.static.energy_at(2)
    assert report.energy_j < report.energy_at(2)


SPEEDS = ("peak", "bandwidth", "n_units", "units_per_buffer")


@every
def test_the_strongest_constants_are_named(platform):
    load = uniform_workload("net", [LayerShape("fc", "linear", 256, 256)], 4, [0.2])
    swings = sensitivity(platform, load)
    assert swings
    # A larger constant costs more, except for one that says how fast something is.
    assert all((swing.low > swing.high) == (swing.constant in SPEEDS) for swing in swings)
    assert {swing.constant for swing in swings} <= {key for key, _ in constants_of(platform)}


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("digital-45nm", 'unit = "ns"', 'unit = "pJ"', "cycle: unit must be a time; got 'pJ'"),
        ("digital-45nm", "node_nm = 45", "node_nm = 7", "memory.node_nm: node_nm must be one of 22, 32, 45, 65; got 7"),
        ("digital-45nm", "bits = 16, value = 0.05", "bits = 8, value = 0.05", "integer.add: bits must be unique"),
        ("digital-45nm", "value = 0.03,", "value = 0,", "integer.add: low must be above 0 at 8 bits; got 0"),
        (
            "digital-45nm",
            "bits = 8, value = 0.03",
            "bits = 0, value = 0.03",
            "integer.add.0.bits must be at least 1; got 0",
        ),
        ("digital-45nm", "value = 25.6", "value = -1", "memory.dram_bandwidth.value must be at least 0; got -1"),
        ("digital-45nm", "value = 1024\nlow = 256", "value = 1024\nlow = 0", "n_units: low must be above 0; got 0"),
        ("embedded-cpu", "value_bits = 32", "value_bits = 12", "value_bits must be a multiple of 8; got 12"),
        ("embedded-gpu", "low = 47.2", "low = 0", "peak: low must be above 0; got 0"),
        ("embedded-gpu", 'unit = "W"', 'unit = "GB/s"', "power: unit must be a power; got 'GB/s'"),
        ("embedded-gpu", 'unit = "Gop/s"', 'unit = "GHz"', "peak: unit must be a known one"),
        ("loihi", "[hop]\n", "[hopp]\n", "every key must be one of .*; got 'hopp'. Did you mean 'hop'"),
        ("loihi", 'tag = "verified"', 'tag = "sure"', "synapse.tag must be one of .*; got 'sure'"),
        ("loihi", "value = 0.46875", "value = nan", "core_area.value must be a finite number; got nan"),
    ],
)
def test_a_wrong_constant_is_named(tmp_path, name, old, new, message):
    text = (PRESETS / f"{name}.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=f"mine.toml: {message}"):
        read_settings(CLASSES[name], tmp_path / "mine.toml")
