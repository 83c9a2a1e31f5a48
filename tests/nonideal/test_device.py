import importlib.util
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from spikewise.nonideal.device import convert, converter_step, full_scale, histogram, program, wire_drop  # noqa: E402
from spikewise.nonideal.layers import Crossbars  # noqa: E402
from spikewise.nonideal.settings import Nonideal  # noqa: E402

ORACLE = Path(__file__).parents[1] / "oracles" / "ladder.py"
spec = importlib.util.spec_from_file_location("ladder", ORACLE)
ladder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ladder)


def test_cells_span_the_on_off_ratio():
    cells = program(torch.arange(16.0), 15, Nonideal(on_off=5), torch.Generator())
    assert float(cells[-1] / cells[0]) == pytest.approx(5)
    torch.testing.assert_close(cells.diff(), torch.ones(15))


def test_spread_is_relative_to_the_conductance():
    levels = torch.tensor([[2.0], [6.0]]).expand(2, 20_000)
    cells = program(levels, 7, Nonideal(variation=0.1), torch.Generator().manual_seed(0))
    # Standard error of a mean 0.1 / sqrt(20000) = 0.0007, of a standard deviation 0.0005: four of them.
    torch.testing.assert_close(cells.mean(1), levels[:, 0], rtol=0.003, atol=0)
    torch.testing.assert_close(cells.std(1) / cells.mean(1), torch.full((2,), 0.1), rtol=0, atol=0.002)
    assert float(program(levels, 7, Nonideal(on_off=9, variation=1.0), torch.Generator()).min()) >= 0


def test_the_share_of_stuck_cells_is_as_asked():
    levels = torch.full((100_000,), 3.0)
    cells = program(levels, 7, Nonideal(on_off=8, stuck_on=0.09, stuck_off=0.02), torch.Generator().manual_seed(0))
    # Binomial: sqrt(0.09 * 0.91 / 1e5) = 0.0009; four of them.
    assert float((cells == 8).float().mean()) == pytest.approx(0.09, abs=0.0036)
    assert float((cells == 1).float().mean()) == pytest.approx(0.02, abs=0.0018)
    assert float((cells == 4).float().mean()) == pytest.approx(0.89, abs=0.004)


@given(st.floats(0, 500), st.floats(1, 40), st.integers(1, 10))
def test_a_converter_is_off_by_half_a_step_or_at_its_end(current, step, n_bits):
    found = float(convert(torch.tensor([current]), torch.tensor(step), n_bits))
    end = step * (2**n_bits - 1)
    assert abs(found - current) <= step * 0.501 or (current > end and found == pytest.approx(end))


def test_a_range_leaves_out_the_share_that_may_clip():
    currents = torch.arange(0, 1001.0)  # a silent column does not count
    counts = histogram(currents, 1000.0)
    assert full_scale(counts, 1000.0, 0.0) == pytest.approx(1000)
    assert full_scale(counts, 1000.0, 0.1) == pytest.approx(900, abs=1)
    assert full_scale(torch.zeros(10), 64.0, 0.1) == 64.0


def test_a_step_is_never_finer_than_a_cell_level():
    assert float(converter_step(torch.tensor(10.0), 8)) == 1


def array(n_rows=16, n_cols=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 9, (n_rows, n_cols)) / 8 / 20e3, (rng.random(n_rows) < 0.7).astype(float)


def test_without_resistance_the_ladder_is_a_weighted_sum():
    conductances, volts = array()
    np.testing.assert_array_equal(ladder.ladder_currents(conductances, volts, 0.0), volts @ conductances)
    np.testing.assert_allclose(ladder.ladder_currents(conductances, volts, 1e-4), volts @ conductances, rtol=1e-4)
    cells = torch.as_tensor(conductances)
    assert wire_drop(cells, 0.0) is cells


def test_one_cell_between_two_wires_is_three_resistors_in_series():
    found = ladder.ladder_currents(np.array([[1 / 100.0]]), np.array([1.0]), 5.0)
    np.testing.assert_allclose(found, [1 / 110])


@pytest.mark.parametrize("shape", [(4, 4), (16, 12), (5, 30)])
def test_the_error_of_the_first_order_is_of_second_order(shape):
    conductances, volts = array(*shape)
    errors = []
    for ohm in (0.5, 1.0, 2.0):
        exact = ladder.ladder_currents(conductances, volts, ohm)
        errors.append(np.abs(volts @ wire_drop(torch.as_tensor(conductances), ohm).numpy() - exact).max())
        assert errors[-1] < 0.02 * np.abs(exact - volts @ conductances).max()
    assert np.all(np.array(errors[1:]) / errors[:-1] > 3.5)  # twice the wire, four times the error


def test_the_first_order_holds_on_a_full_crossbar_where_it_says_so():
    conductances, volts = array(64, 64)
    exact = ladder.ladder_currents(conductances, volts, 5.0)
    ideal = volts @ conductances
    found = volts @ wire_drop(torch.as_tensor(conductances), 5.0).numpy()
    assert np.abs(exact - ideal).max() > 0.2 * ideal.max()  # no small drop
    assert np.abs(found - exact).max() < 0.04 * np.abs(exact - ideal).max()


def test_a_layer_with_wires_is_the_ladder_of_its_cells():
    weights = torch.randn(5, 9, 1, 1, generator=torch.Generator().manual_seed(0))
    layer = Crossbars(weights, {"groups": 1}, Nonideal(wire_ohm=2.0, on_off=10))
    x = (torch.rand(1, 9, 1, 1, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    integers = layer.integers[:, :, 0, 0].numpy()
    pairs = np.stack([integers.clip(0), (-integers).clip(0)], 1).reshape(10, 9).T  # plus and minus side by side
    siemens = (0.1 + 0.9 * pairs / 7) / 20e3
    currents = ladder.ladder_currents(siemens, x.flatten().numpy().astype(float), 2.0) / (0.9 / 7 / 20e3)
    np.testing.assert_allclose(layer.whole_sums(x).flatten(), currents[::2] - currents[1::2], atol=2e-4)
