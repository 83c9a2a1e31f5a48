import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.errors import DataError, ParameterError
from spikewise.workload import (
    LayerActivity,
    LayerShape,
    OperationCounts,
    Operations,
    Workload,
    read_workload,
    uniform_workload,
)

CONV = LayerShape("conv", "conv", 4, 6, (3, 3), (2, 2), groups=2, out_height=5, out_width=5)


def toy(histogram=(2, 1, 0, 1)):
    busy = LayerActivity.from_rates(CONV, 0.25, 0.5, n_steps=4)
    return Workload("toy", [CONV], [busy], exit_histogram=histogram, n_samples=int(sum(histogram)))


def test_the_counts_of_a_layer_equal_their_definitions():
    n_macs = n_unfolded = 0
    for _position in range(5 * 5):
        for _group in range(2):
            n_unfolded += 2 * 9
            n_macs += 3 * 2 * 9
    assert (CONV.n_macs, CONV.n_unfolded) == (n_macs, n_unfolded)
    assert (CONV.n_weights, CONV.n_neurons, CONV.n_inputs) == (6 * 2 * 9, 150, 4 * 10 * 10)


def test_a_linear_layer_is_a_convolution_on_one_pixel():
    linear = LayerShape("fc", "linear", 64, 10)
    conv = LayerShape("fc", "conv", 64, 10)
    assert [linear.n_macs, linear.n_weights, linear.n_unfolded] == [conv.n_macs, conv.n_weights, conv.n_unfolded]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=8).filter(sum))
def test_running_samples_follow_from_the_histogram(histogram):
    busy = LayerActivity.from_rates(CONV, 0.1, 0.1, n_steps=len(histogram))
    load = Workload("toy", [CONV], [busy], exit_histogram=histogram, n_samples=sum(histogram))
    assert load.n_alive == tuple(sum(histogram[step:]) for step in range(len(histogram)))
    mean = sum(count * (step + 1) for step, count in enumerate(histogram)) / sum(histogram)
    assert load.mean_steps == pytest.approx(mean)


def test_without_exit_every_sample_runs_to_the_end():
    full = toy().without_exit()
    assert full.exit_histogram == (0, 0, 0, 4)
    assert full.mean_steps == 4


def test_a_workload_survives_json(tmp_path):
    counts = OperationCounts(inference={"leak": Operations(additions=3.0)}, training={"leak": Operations(additions=4)})
    load = dataclasses.replace(toy(), counts=counts)
    load.write(tmp_path / "workload.json")
    assert Workload.read(tmp_path / "workload.json") == load
    assert load.counts.inference_total.additions == 3
    assert load.counts.training_total == Operations(additions=4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "pool"}, "kind must be conv or linear"),
        ({"out_channels": 0}, "out_channels must lie in 1..16777216, an integer"),
        ({"groups": 3}, "groups must divide"),
        ({"weight_bits": 0}, "weight_bits must lie in 1..32"),
        ({"weight_bits": 40}, "weight_bits must lie in 1..32"),
        ({"kernel": (0, 3)}, "kernel height"),
        ({"lateral": "some"}, "lateral"),
        ({"kernel": 3}, "kernel must hold a height and a width"),
        ({"stride": (1, 1.5)}, "stride width must lie in 1..16777216, an integer"),
        ({"in_height": -1}, "in_height must lie in 0..16777216, an integer"),
        ({"pool": (6, 1)}, "pool must fit into the 5 x 5 output"),
        ({"name": 3}, "the name of a layer must be text; got 3"),
        ({"name": " "}, "the name of a layer must be text"),
        ({"name": "chip"}, "no layer must be called 'chip'"),
        ({"has_neurons": "no"}, "has_neurons must be true or false; got 'no'"),
        ({"once_per_inference": 1}, "once_per_inference must be true or false; got 1"),
        ({"out_channels": 10**30}, "out_channels must lie in 1..16777216, an integer; got 10000"),
        ({"stride": (1, 10**400)}, "stride width must lie in 1..16777216"),
        ({"out_channels": 2**24, "kernel": (999, 9999)}, "must take at most 2.50 multiply-additions; got 8.4e.15"),
        ({"in_height": 2**24, "in_width": 2**24, "in_channels": 2**10}, "must read at most 2.50 inputs; got 2.9e.17"),
    ],
)
def test_impossible_layers_are_refused(changes, words):
    with pytest.raises(ParameterError, match=words):
        dataclasses.replace(CONV, **changes)


@pytest.mark.parametrize(
    "size",
    [{"kernel": (3, 3)}, {"stride": (2, 1)}, {"out_height": 5}, {"in_width": 2}, {"out_height": 2, "pool": (2, 1)}],
)
def test_a_linear_layer_has_no_extent(size):
    with pytest.raises(ParameterError, match="of a linear layer must be 1"):
        LayerShape("fc", "linear", 64, 10, **size)


@given(st.sampled_from([int, np.int8, np.uint16, np.int64]))
def test_integers_of_any_kind_describe_the_same_workload(kind):
    layer = LayerShape(
        "conv", "conv", kind(4), kind(6), kernel=(kind(3), kind(3)), stride=np.array([2, 2], np.int64),
        groups=kind(2), out_height=kind(5), out_width=kind(5), weight_bits=kind(8), has_neurons=np.True_,
    )  # fmt: skip
    assert layer == CONV
    busy = LayerActivity.from_rates(layer, 0.25, 0.5, n_steps=kind(4))
    counts = OperationCounts(inference={"leak": Operations(additions=kind(3))})
    load = Workload("toy", [layer], [busy], exit_histogram=np.array([2, 1, 0, 1]), n_samples=kind(4), counts=counts)
    assert load == dataclasses.replace(toy(), counts=counts)
    assert json.loads(json.dumps(load.to_dict()))["exit_histogram"] == [2, 1, 0, 1]


@pytest.mark.parametrize(
    ("histogram", "words"),
    [
        ((1, 2), "4 counts"),
        ((-1, 1, 1, 1), "at least 0"),
        ((0, 0, 0, 0), "at least 1"),
        ((0.5, 0, 0, 0.5), "integer of at least 0; got 0.5"),
        ([], "count at least one sample|at least 1; got 0"),
    ],
)
def test_impossible_histograms_are_refused(histogram, words):
    with pytest.raises(ParameterError, match=words):
        toy(histogram)


def test_more_activity_than_inputs_is_refused():
    busy = LayerActivity((CONV.n_unfolded + 1,), (1,), (1,))
    with pytest.raises(ParameterError, match="unfolded inputs"):
        Workload("toy", [CONV], [busy])
    with pytest.raises(ParameterError, match=r"\[0, 1\]"):
        uniform_workload("toy", [CONV], 2, [1.5])
    with pytest.raises(ParameterError, match="finite counts"):
        LayerActivity((float("nan"),), (1,), (1,))


@pytest.mark.parametrize(
    ("counts", "words"),
    [((65, 1, 1), "64 unfolded"), ((1, 1e9, 1), "its 64 inputs; got 1e"), ((1, 1, 11), "its 10 neurons; got 11")],
)
def test_activity_is_bounded_by_what_the_layer_has(counts, words):
    layer = LayerShape("fc", "linear", 64, 10)
    with pytest.raises(ParameterError, match=words):
        Workload("toy", [layer], [LayerActivity(*((count,) for count in counts))])
    full = LayerActivity((64 * (1 + 1e-7),), (64,), (10,))  # means are rounded
    assert Workload("toy", [layer], [full]).activity == (full,)


@pytest.mark.parametrize("values", [("5",), "5", (None,), (True,), 3, ([1],), {1: 2}, (10**400,)])
def test_spikes_are_numbers(values):
    with pytest.raises(ParameterError, match="in_spikes must hold finite counts of at least 0; got"):
        LayerActivity((1,), values, (1,))


def test_every_way_in_shares_the_limits_of_a_layer(tmp_path):
    raw = json.loads(json.dumps(toy().to_dict()))
    raw["layers"][0]["out_channels"] = 10**400
    (tmp_path / "w.json").write_text(json.dumps(raw))
    with pytest.raises(DataError, match="entry 1 of layers: layer 'conv': out_channels must lie in"):
        Workload.read(tmp_path / "w.json")
    (tmp_path / "w.csv").write_text("kind,in,out,kernel,height,width,rate\nconv,8,16777216,999,16,16,0\n")
    with pytest.raises(DataError, match=r"line 2: layer 'conv1' must take at most 2\^50"):
        read_workload(tmp_path / "w.csv")


def test_a_uniform_workload_is_a_chain():
    layers = [LayerShape("a", "linear", 3, 64), LayerShape("b", "linear", 7, 64)]
    with pytest.raises(ParameterError, match=r"'b': input channels must equal the 64 channels of .*'a'; got 7\. Mend"):
        uniform_workload("toy", layers, 2, [0.1, 0.2])
    conv = LayerShape("c", "conv", 64, 8, out_height=4, out_width=4)
    assert uniform_workload("toy", [layers[0], conv, LayerShape("d", "linear", 32, 5)], 2, [0, 0, 0]).n_steps == 2
    with pytest.raises(ParameterError, match="layer 'd': inputs must be the 8 channels"):
        uniform_workload("toy", [conv, LayerShape("d", "linear", 33, 5)], 2, [0, 0])
    with pytest.raises(ParameterError, match="layer 'e': height must be at most 4"):
        uniform_workload("toy", [conv, LayerShape("e", "conv", 8, 5, out_height=9, out_width=4)], 2, [0, 0])


@pytest.mark.parametrize(
    ("layers", "rates", "words"),
    [
        ([], [], r"one entry per layer \(at least 1\); got 0"),
        ([CONV], ["a"], r"in_rate of layer 'conv' must be a number in \[0, 1\]; got 'a'"),
        ([CONV], 0.1, r"rates must be a list; got 0\.1"),
        (CONV, [0.1], "layers must be a list; got LayerShape"),
        (["conv"], [0.1], "every entry of layers must be a LayerShape; got 'conv'"),
    ],
)
def test_a_uniform_workload_of_other_things_is_refused(layers, rates, words):
    with pytest.raises(ParameterError, match=words):
        uniform_workload("t", layers, 4, rates)


def test_precision_is_told_in_words():
    shapes = [
        LayerShape("a", "linear", 8, 8, weight_bits=4, input_bits=8),
        LayerShape("b", "linear", 8, 8, state_bits=12, input_bits=4),
        LayerShape("c", "linear", 8, 8, has_neurons=False, state_bits=32),
    ]

    def told(*layers):
        return uniform_workload("toy", layers, 1, [0.5] * len(layers)).precision_note()

    assert told(*shapes) == "weights 4 to 8 bits, states 12 to 16 bits, network input 8 bits, input of b 4 bits"
    assert told(shapes[2]) == "weights 8 bits, network input 1 bit"
    many = [dataclasses.replace(shapes[0], name=str(n)) for n in range(6)]
    assert told(*many).endswith("network input 8 bits, input of 5 further layers 8 bits")


def test_a_uniform_workload_names_what_does_not_fit():
    with pytest.raises(ParameterError, match=r"rates must have one entry per layer \(1\); got 2"):
        uniform_workload("toy", [CONV], 2, [0.1, 0.2])
    with pytest.raises(ParameterError, match="exit_histogram must count at least one sample"):
        uniform_workload("toy", [CONV], 2, [0.1], [])
    with pytest.raises(ParameterError, match="n_steps must lie in 1"):
        uniform_workload("toy", [CONV], 0, [0.1])
    with pytest.raises(ParameterError, match=r"got 0\.5"):
        uniform_workload("toy", [CONV], 2, [0.1], [0.5, 0.5])


def test_operations_are_counted():
    with pytest.raises(ParameterError, match=r"additions must be a number in \[0, inf\); got -1"):
        Operations(additions=-1)


def test_structure_is_checked():
    busy = LayerActivity.from_rates(CONV, 0.1, 0.1, n_steps=2)
    with pytest.raises(ParameterError, match="name of a workload must be text; got 3"):
        Workload(3, [CONV], [busy])
    with pytest.raises(ParameterError, match="layers must be a list; got 3"):
        Workload("toy", 3, [busy])
    with pytest.raises(ParameterError, match="every entry of activity must be a LayerActivity; got 3"):
        Workload("toy", [CONV], [3])
    with pytest.raises(ParameterError, match="at least one layer"):
        Workload("toy", [], [])
    with pytest.raises(ParameterError, match="unique"):
        Workload("toy", [CONV, CONV], [busy, busy])
    with pytest.raises(ParameterError, match="one entry per layer"):
        Workload("toy", [CONV], [busy, busy])
    with pytest.raises(ParameterError, match="2 timesteps; got 1"):
        Workload("toy", [CONV], [busy], [LayerActivity((1,), (1,), (1,))])
    with pytest.raises(ParameterError, match="one value per timestep"):
        LayerActivity((1, 2), (1,), (1,))
    with pytest.raises(ParameterError, match="at least one timestep"):
        Workload("toy", [CONV], [LayerActivity((), (), ())])


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw.pop("format"),
        lambda raw: raw.pop("layers"),
        lambda raw: raw["layers"][0].pop("kind"),
        lambda raw: raw["layers"][0].update(weight_bits=0),
        lambda raw: raw.update(activity=3),
        lambda raw: raw.update(surprise=1),
        lambda raw: raw.update(counts={"inference": {"leak": {"jumps": 1}}}),
        lambda raw: raw.update(counts={"inference": {"leak": {"additions": "5"}}}),
        lambda raw: raw.update(counts={"inference": 3}),
        lambda raw: raw.update(counts={"dreams": {}}),
        lambda raw: raw.update(layers={}),
        lambda raw: raw.update(layers=["conv"]),
        lambda raw: raw.update(exit_histogram=[]),
        lambda raw: raw.update(exit_histogram=[0, 0, 0, 0]),
        lambda raw: raw.update(exit_histogram="31"),
        lambda raw: raw.update(exit_histogram=3),
        lambda raw: raw.update(name=3),
        lambda raw: raw.update(n_samples="4"),
        lambda raw: raw["layers"][0].update(has_neurons="no"),
        lambda raw: raw["layers"][0].update(name=3),
        lambda raw: raw["activity"][0].update(in_spikes=["5"] * 4),
        lambda raw: raw["activity"][0].update(out_spikes=[{}] * 4),
    ],
)
def test_damaged_files_give_one_clear_error(damage, tmp_path):
    raw = json.loads(json.dumps(toy().to_dict()))
    damage(raw)
    path = tmp_path / "workload.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(DataError, match=r"workload\.json") as caught:
        Workload.read(path)
    assert str(caught.value).count(str(path)) == 1


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            lambda raw: raw.update(layrs=1),
            "every key of the workload must be one of .*; got 'layrs'. Did you mean 'layers'",
        ),
        (lambda raw: raw["layers"][0].update(foo=1), "every key of entry 1 of layers must be one of .*; got 'foo'"),
        (lambda raw: raw["layers"][0].pop("kind"), "entry 1 of layers must have a key 'kind'; it is missing"),
        (lambda raw: raw["activity"][0].update(in_spike=1), "got 'in_spike'. Did you mean 'in_spikes'"),
        (
            lambda raw: raw["activity"][0].update(in_spikes=[-1]),
            "entry 1 of activity: in_spikes must hold finite counts",
        ),
        (
            lambda raw: raw.update(counts={"inference": {"leak": {"additon": 1}}}),
            "every key of inference.leak must be one of .* Did you mean 'additions'",
        ),
    ],
)
def test_a_slip_of_the_pen_is_answered_with_the_nearest_key(damage, words):
    raw = json.loads(json.dumps(toy().to_dict()))
    damage(raw)
    with pytest.raises(DataError, match=words):
        Workload.from_dict(raw)


@pytest.mark.parametrize("content", ["", "[1, 2", "[]", "null", "[" * 100_000])
def test_files_that_are_no_workload_are_named(content, tmp_path):
    path = tmp_path / "workload.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"workload") as caught:
        Workload.read(path)
    assert str(caught.value).count(str(path)) == 1


def test_a_huge_file_is_not_even_parsed(tmp_path):
    path = tmp_path / "workload.json"
    with path.open("wb") as file:
        file.truncate(2 * 2**30)  # sparse: it takes no space
    with pytest.raises(DataError, match="at most"):
        Workload.read(path)
