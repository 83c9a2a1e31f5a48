from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from spikewise.errors import DataError
from spikewise.price import estimate
from spikewise.price.imc.components import Component, Event
from spikewise.price.imc.counts import demand_of
from spikewise.price.imc.mapping import CrossbarArray
from spikewise.workload import LayerActivity, LayerShape, Workload, uniform_workload

CONV = LayerShape("conv", "conv", 8, 100, kernel=(3, 3), out_height=4, out_width=4, weight_bits=4, state_bits=12)
HEAD = LayerShape("head", "linear", 100, 10, weight_bits=8, has_neurons=False)
ARRAY = CrossbarArray(n_rows=64, n_cols=64, cell_bits=4)
CELLS = ("active_cell", "idle_cell")
RATE = {"value": 1.0, "unit": "pJ", "source": "a paper", "tag": "run", "per": "pe_cycle"}


def demand():
    busy = (LayerActivity((50, 40), (9, 8), (3, 2)), LayerActivity((5, 4), (5, 4), (0, 0)))
    alive = (LayerActivity((60, 30), (7, 6), (1, 1)), LayerActivity((6, 3), (6, 3), (0, 0)))
    load = Workload("net", (CONV, HEAD), busy, alive, (1, 1), 2)
    return demand_of(load, ARRAY)


@pytest.mark.parametrize("event", [event for event in get_args(Event) if event != "stored_bit"])
def test_every_event_is_counted_per_layer_and_for_the_chip(event):
    count = demand().count(event)
    assert np.broadcast_shapes(count.shape, (2, 2, 3)) == (2, 2, 3)
    assert (count >= 0).all()
    assert count.sum() > 0 or event in ("partial_sum", "kept_sum", "idle_cell")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("pe_cycle", [32, 2, 0]),
        ("crossbar_read", [288, 2, 0]),
        ("crossbar", [18, 2, 0]),
        ("adc", [16, 16, 0]),
        ("cell", [18 * 4096, 2 * 4096, 0]),
        ("row", [18 * 64, 2 * 64, 0]),
        ("phase", [128, 8, 0]),
        ("conversion_bit", [4 * 16 * 100, 4 * 2 * 20, 0]),
        ("state_update_bit", [19200, 0, 0]),
        ("kept_sum", [0, 0, 0]),
        ("chip", [0, 0, 1]),
        ("decision", [0, 0, 10]),
        ("neuron_update", [1600, 0, 0]),
        ("weight_bit", [28800, 8000, 0]),
        ("state_bit", [19200, 160, 0]),
        ("input_bit", [128, 100, 0]),
    ],
)
def test_counts_follow_their_formula(event, expected):
    assert demand().count(event).tolist() == expected


def test_active_inputs_are_counted_once_for_each_column_block_and_apart_for_running_samples():
    assert demand().count("active_input").tolist() == [[[120, 6, 0], [60, 3, 0]], [[100, 5, 0], [80, 4, 0]]]


def test_every_bit_of_an_active_input_drives_its_row():
    load = uniform_workload("net", [replace(CONV, input_bits=8)], 1, [0.5])
    one = uniform_workload("net", [CONV], 1, [0.5])
    assert (demand_of(load, ARRAY).count("active_input") == 8 * demand_of(one, ARRAY).count("active_input")).all()


def test_sums_are_kept_of_layers_that_are_computed_once():
    load = uniform_workload("net", [replace(CONV, once_per_inference=True), HEAD], 1, [0.5, 0.5])
    assert demand_of(load, ARRAY).count("kept_sum").tolist() == [1600, 0, 0]


def test_partial_sums_travel_where_row_blocks_lie_on_several_tiles():
    load = uniform_workload("net", [LayerShape("tall", "linear", 64 * 20, 10, weight_bits=4)], 1, [0.0])
    array = ARRAY.model_copy(update={"pes_per_tile": 8})
    assert demand_of(load, array).count("noc_bit_hop")[0, 0].tolist() == [10 * 2 * 16, 0]  # 20 blocks on 3 tiles


def test_with_im2col_a_tile_holds_the_row_blocks_of_all_its_processing_elements():
    load = uniform_workload("tall", [LayerShape("tall", "conv", 512, 10, kernel=(3, 3), weight_bits=4)], 1, [0.0])
    array = ARRAY.model_copy(update={"scheme": "im2col", "pes_per_tile": 8, "crossbars_per_pe": 9})
    assert demand_of(load, array).count("noc_bit_hop")[0, 0].tolist() == [0, 0]  # 72 row blocks, one tile
    tighter = array.model_copy(update={"crossbars_per_pe": 8})
    assert demand_of(load, tighter).count("noc_bit_hop")[0, 0].tolist() == [10 * 1 * 16, 0]


def test_of_a_differential_pair_one_cell_is_programmed_and_a_reference_column_is_driven_too():
    load = uniform_workload("net", [LayerShape("fc", "linear", 640, 10, weight_bits=4)], 1, [1 / 64])
    counts = {
        sign: [demand_of(load, ARRAY.model_copy(update={"sign": sign})).count(event)[1, 0, 0] for event in CELLS]
        for sign in ("differential", "offset", "count")
    }
    assert counts == {"differential": [100, 100], "offset": [110, 0], "count": [100, 0]}


def test_a_converter_of_other_bits_is_charged_at_its_own_price():
    rate = Component(energy={**RATE, "per": "conversion", "at_adc_bits": 4}).energy[0]
    same, finer = (
        demand_of(uniform_workload("net", [CONV], 1, [0.5]), ARRAY.model_copy(update={"adc_bits": bits})).count_of(rate)
        for bits in (4, 8)
    )
    assert finer[0] / same[0] == pytest.approx(1.67 / 0.79)


def test_one_rate_stands_for_a_list_of_one():
    assert Component(energy=RATE) == Component(energy=[RATE])


@pytest.mark.parametrize("key", ["latency", "area", "memory"])
def test_a_rate_of_the_wrong_kind_is_refused(key):
    with pytest.raises(ValidationError, match="unit must be a"):
        Component(**{key: RATE})


def test_an_unknown_event_is_refused():
    with pytest.raises(ValidationError, match="pe_cycle"):
        Component(energy={**RATE, "per": "miracle"})


@pytest.mark.parametrize("event", get_args(Event))
@pytest.mark.parametrize(
    ("kind", "unit"),
    [("energy", "pJ"), ("once", "pJ"), ("latency", "ns"), ("leakage", "nW"), ("area", "um2"), ("memory", "bit")],
)
def test_every_kind_of_rate_is_charged_for_every_event_or_refused_by_name(kind, unit, event, tmp_path):
    (tmp_path / "mine.toml").write_text(
        f'extends = "rram-64-32nm"\nname = "mine"\n[components.adc.{kind}]\n'
        f'per = "{event}"\nvalue = 1.0\nunit = "{unit}"\nsource = "made up"\ntag = "unverified"\n'
    )
    load = uniform_workload("net", (CONV, HEAD), 2, (0.1, 0.1))
    of_activity = {"active_input", "active_cell", "idle_cell", "in_spike", "out_spike", "noc_bit_hop"}
    if (event == "stored_bit" and kind not in ("area", "leakage")) or (
        event in of_activity and kind not in ("energy", "latency")
    ):
        with pytest.raises(DataError, match=rf"components.adc.{kind}: per must not be '{event}' here, since"):
            estimate(load, tmp_path / "mine.toml")
    else:
        estimate(load, tmp_path / "mine.toml")
