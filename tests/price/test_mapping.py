import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.errors import CapacityError
from spikewise.price.mapping import CrossbarArray, place
from spikewise.workload import LayerShape

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "vgg9_mapping.json").read_text())
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
    assert CrossbarArray(n_rows=64, n_cols=64, cell_bits=4, differential=True).cells_per_weight(5) == 4


def test_inputs_of_several_bits_take_as_many_cycles():
    image = replace(VGG9[0], input_bits=8)
    assert place([image], ARRAY).n_pe_cycles[0] == 8 * place(VGG9[:1], ARRAY).n_pe_cycles[0]


def test_a_network_that_needs_more_tiles_than_the_chip_has_is_refused():
    tight = ARRAY.model_copy(update={"n_tiles": 8})
    with pytest.raises(
        CapacityError, match=r"needs 9 tiles, 2 of them for layer 'conv6'; the chip has 8. Raise mapping.n_tiles"
    ):
        place(VGG9, tight)
    assert place(VGG9, ARRAY.model_copy(update={"n_tiles": 9})).n_tiles.sum() == 9
