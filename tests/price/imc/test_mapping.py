import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from spikewise.errors import CapacityError
from spikewise.price.imc.mapping import CrossbarArray, hops, place
from spikewise.workload import LayerShape

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "vgg9_mapping.json").read_text())
ARRAY = CrossbarArray(n_rows=64, n_cols=64, cell_bits=4)
VGG9 = [
    LayerShape(f"conv{n}", "conv", n_in, n_out, kernel=(3, 3), out_height=side, out_width=side, weight_bits=4)
    for n, (n_in, n_out, side) in enumerate(GOLDEN["network"], start=1)
]

layers = st.builds(
    lambda groups, n_in, n_out, kernel, stride, side, bits: LayerShape(
        "layer", "conv", groups * n_in, groups * n_out, kernel=kernel, stride=(stride, stride), groups=groups,
        out_height=side, out_width=side, weight_bits=bits,
    ),
    st.integers(1, 4), st.integers(1, 200), st.integers(1, 200), st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.integers(1, 3), st.integers(1, 32), st.integers(1, 16),
)  # fmt: skip


@pytest.mark.parametrize("key", GOLDEN["entries"])
def test_vgg9_takes_the_counts_of_the_golden_file(key):
    expected = GOLDEN["entries"][key]["value"]
    placed = place(VGG9, ARRAY)
    if key == "n_pes":
        assert placed.n_pes.tolist() == expected
    elif key == "utilisation":
        used = (placed.utilisation * placed.n_crossbars).sum() / placed.n_crossbars.sum()
        assert used == pytest.approx(expected, rel=1e-12)
    else:
        found = getattr(placed, key) if hasattr(placed, key) else [getattr(layer, key) for layer in VGG9]
        assert sum(found) == expected


def test_vgg9_counts_are_those_that_the_literature_gives():
    value = {key: entry["value"] for key, entry in GOLDEN["entries"].items()}
    assert value["n_pes"] == [1, 1, 2, 4, 8, 16, 16]
    assert (value["n_pe_cycles"], value["n_crossbars"], value["n_serial_cycles"]) == (6144, 432, 2752)
    assert (value["n_weights"], value["n_macs"], value["n_neurons"]) == (1_734_336, 190_513_152, 245_760)
    assert (value["n_unfolded"], value["n_conversions"], value["n_partial_sums"]) == (1_428_480, 393_216, 147_456)
    assert value["utilisation"] == pytest.approx(0.9801, abs=5e-5)


@given(layers)
def test_every_weight_has_its_cells(layer):
    placed = place([layer], ARRAY)
    cells = placed.n_crossbars[0] * ARRAY.n_rows * ARRAY.n_cols
    assert layer.n_weights * placed.cells_per_weight[0] == pytest.approx(placed.utilisation[0] * cells)
    assert 0 < placed.utilisation[0] <= 1


@given(layers)
def test_groups_are_placed_like_as_many_layers_of_one_group(layer):
    single = replace(
        layer, groups=1, in_channels=layer.in_channels // layer.groups, out_channels=layer.out_channels // layer.groups
    )
    assert place([layer], ARRAY).n_pe_cycles[0] == layer.groups * place([single], ARRAY).n_pe_cycles[0]


@given(st.integers(1, 2000), st.integers(1, 2000))
def test_a_linear_layer_is_a_one_by_one_convolution(n_in, n_out):
    linear, conv = (place([LayerShape("x", kind, n_in, n_out)], ARRAY) for kind in ("linear", "conv"))
    for key in linear.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(linear, key), getattr(conv, key))


@given(layers)
def test_a_cycle_reads_the_crossbars_of_its_pe(layer):
    placed = place([layer], ARRAY)
    assert placed.n_crossbar_reads[0] * placed.n_pes[0] == placed.n_pe_cycles[0] * placed.n_crossbars[0]


def test_weights_of_more_bits_than_a_cell_take_neighbouring_cells():
    wide = [replace(layer, weight_bits=8) for layer in VGG9]
    assert place(wide, ARRAY).cells_per_weight.tolist() == [2] * 7
    assert place(wide, ARRAY).n_pes.tolist() == [2, 2, 4, 8, 16, 32, 32]


@pytest.mark.parametrize(
    ("sign", "cell_bits", "expected"),
    [
        ("differential", 4, {1: 2, 2: 2, 4: 2, 5: 2, 6: 4, 8: 4}),
        ("offset", 4, {1: 1, 4: 1, 5: 2, 8: 2}),
        ("count", 2, {2: 1, 4: 2, 5: 3}),
        ("twos_complement", 1, {1: 1, 4: 4, 8: 8}),
    ],
)
def test_cells_of_a_weight_follow_from_how_its_sign_is_stored(sign, cell_bits, expected):
    array = CrossbarArray(n_rows=64, n_cols=64, cell_bits=cell_bits, sign=sign)
    assert {bits: array.cells_per_weight(bits) for bits in expected} == expected


def test_only_bits_can_be_a_twos_complement():
    with pytest.raises(ValidationError, match="twos_complement needs cells of 1 bit; got cell_bits = 4"):
        CrossbarArray(n_rows=64, n_cols=64, cell_bits=4, sign="twos_complement")


def test_a_reference_column_is_converted_once_for_each_read_of_its_block():
    plain, offset = place(VGG9, ARRAY), place(VGG9, ARRAY.model_copy(update={"sign": "offset"}))
    cycles = plain.n_serial_cycles
    assert (offset.n_conversions - plain.n_conversions).tolist() == (cycles * plain.n_pes).tolist()
    assert (offset.n_adcs - plain.n_adcs).tolist() == plain.n_pes.tolist()
    assert offset.n_crossbars.tolist() == plain.n_crossbars.tolist()


def test_taps_that_are_summed_behind_the_converter_need_one_for_each_crossbar():
    analog, digital = place(VGG9, ARRAY), place(VGG9, ARRAY.model_copy(update={"tap_sum": "digital"}))
    assert digital.n_adcs.tolist() == (9 * analog.n_adcs).tolist()
    assert digital.n_conversions.tolist() == (9 * analog.n_conversions).tolist()


def test_im2col_builds_processing_elements_of_as_many_crossbars():
    placed = place(VGG9, ARRAY.model_copy(update={"scheme": "im2col"}))
    assert placed.n_pes.tolist() == (-(-placed.n_crossbars // 9)).tolist()
    assert placed.n_adcs.tolist() == (8 * placed.n_crossbars).tolist()


def test_columns_that_share_a_converter_take_a_phase_each():
    halved = place(VGG9, ARRAY.model_copy(update={"cols_per_adc": 4}))
    assert (2 * halved.n_phases).tolist() == place(VGG9, ARRAY).n_phases.tolist()
    assert halved.n_adcs.tolist() == (2 * place(VGG9, ARRAY).n_adcs).tolist()


def hops_by_pairs(n_tiles):
    """The slow way: every tile of a layer with every tile of the next."""
    side = int(np.ceil(np.sqrt(sum(n_tiles))))
    mesh = [(n // side, n % side if n // side % 2 == 0 else side - 1 - n % side) for n in range(side * side)]
    stops = np.cumsum(n_tiles)
    means = []
    for layer in range(len(n_tiles) - 1):
        here, there = (mesh[max(stops[n] - n_tiles[n], 0) : stops[n]] for n in (layer, layer + 1))
        means.append(np.mean([abs(a - c) + abs(b - d) for a, b in here for c, d in there]))
    return [*means, 0.0]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_hops_are_the_mean_over_all_pairs_of_tiles(n_tiles):
    assert hops(np.array(n_tiles)) == pytest.approx(hops_by_pairs(n_tiles), rel=1e-12)


def test_a_chip_that_is_too_small_says_which_weights_would_fit():
    tight = CrossbarArray(n_rows=64, n_cols=64, cell_bits=1, n_tiles=20)
    with pytest.raises(
        CapacityError, match=r"needs 25, 8 .* Weights of at most 3 bits would need 20; or raise mapping"
    ):
        place(VGG9, tight)
    three = [replace(layer, weight_bits=3) for layer in VGG9]
    assert place(three, tight).n_tiles.sum() == 20
