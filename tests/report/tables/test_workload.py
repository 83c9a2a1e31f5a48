import pytest

from spikewise.price import load_platform
from spikewise.report.cells import as_markdown
from spikewise.report.tables.workload import layer_figures, layer_table, workload_table
from spikewise.workload import LayerActivity, LayerShape, Workload

LAYER = LayerShape("conv", "conv", 64, 64, kernel=(3, 3), out_height=8, out_width=8)
BUSY = LayerActivity((9000, 3000), (1000, 500), (10, 10))
LOAD = Workload("net", [LAYER], [BUSY], exit_histogram=[1, 1], n_samples=2)


def test_the_rate_is_that_of_the_steps_that_are_computed():
    (row,) = layer_figures(LOAD, load_platform("digital-45nm"))
    assert row.input_rate == pytest.approx((1000 + 0.5 * 500) / (1.5 * LAYER.n_inputs))
    assert row.n_crossbars is None


@pytest.mark.parametrize("name", ["rram-64-32nm", "sram-22nm"])
def test_a_layer_on_crossbars_tells_where_it_lies(name):
    chip = load_platform(name)
    (row,), placed = layer_figures(LOAD, chip), chip.place(LOAD)
    assert (row.n_pes, row.n_crossbars, row.n_tiles) == (placed.n_pes[0], placed.n_crossbars[0], placed.n_tiles[0])
    assert row.utilisation == placed.utilisation[0]
    shown = as_markdown(layer_table(chip.estimate(LOAD), LOAD, chip))
    assert "| layer | PEs | crossbars | used | rate | energy | share | latency | area | memory |" in shown


def test_processors_have_no_crossbars():
    chip = load_platform("digital-45nm")
    shown = as_markdown(layer_table(chip.estimate(LOAD), LOAD, chip))
    assert "| layer | rate | energy | share | latency | area | memory |" in shown


def test_the_network_itself_is_told_apart_from_hardware():
    shown = as_markdown(workload_table(LOAD))
    assert f"| weights | {LAYER.n_weights:,} | {LAYER.n_weights:,} |" in shown
    assert "| additions, effective | 672,000 | 768,000 |" in shown
