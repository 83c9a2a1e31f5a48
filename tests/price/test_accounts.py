import numpy as np
import pytest

from spikewise.price import load_platform
from spikewise.price.accounts import Accounts, Option, report_of
from spikewise.workload import LayerShape, uniform_workload

LOAD = uniform_workload(
    "net", [LayerShape("a", "linear", 8, 4), LayerShape("b", "linear", 4, 2)], 2, [0.5, 0.5], [3, 1]
)
CHIP = load_platform("digital-45nm")


def test_accounts_enter_what_is_done_once_at_the_first_step_of_all_samples():
    accounts = Accounts(["a", "b"], ["part"], 2, is_once=[True, False])
    counts = np.arange(8.0).reshape(2, 2, 2)  # running and all, steps, layers
    accounts.energy("part", np.array([1.0, 2.0, 3.0]), counts, once=True)
    accounts.leak("part", np.ones(3))
    step, once = accounts.step_j[1, ..., 0], accounts.once_j[1, :, 0]
    assert once.tolist() == [8, 0, 0]
    assert step.tolist() == [[[0, 2, 0], [0, 6, 0]], [[0, 10, 0], [0, 14, 0]]]


@pytest.mark.parametrize("n_layers", [2, 3])  # as many layers as corners must not be taken for corners
def test_unit_costs_of_each_corner_layer_and_step_are_charged_alike(n_layers):
    names, units = "abc"[:n_layers], np.array([1.0, 2.0, 4.0])
    counts = np.arange(4.0 * n_layers).reshape(2, 2, n_layers)
    by_corner, by_layer, by_step = (Accounts(names, ["part"], 2) for _ in range(3))
    by_corner.energy("part", units, counts)
    by_layer.energy("part", np.repeat(units[:, None], n_layers, axis=1), counts)
    by_step.energy("part", np.multiply.outer(units, counts))
    assert by_corner.step_j.any()
    assert np.array_equal(by_corner.step_j, by_layer.step_j)
    assert np.array_equal(by_corner.step_j, by_step.step_j)


def test_leakage_goes_to_the_layer_at_work_or_to_the_one_that_leaks():
    def leaked(watts):
        accounts = Accounts(["a", "b"], ["part", "leakage"], 1)
        accounts.latency("part", np.ones(3), np.array([2.0, 3.0]))
        accounts.leak("leakage", watts)
        return accounts.step_j[1, 1, 0, :, 1].tolist()

    assert leaked(np.full(3, 10.0)) == [20, 30, 0]
    assert leaked(np.tile([0.0, 10.0, 1.0], (3, 1))) == [0, 50, 5]


def test_the_cheapest_and_the_dearest_option_are_the_low_and_the_high_corner():
    accounts = Accounts.of(LOAD, ["part", "fixed"])
    accounts.energy("part", np.ones(3), np.ones(2))
    accounts.latency("part", np.ones(3), np.ones(2))
    accounts.leave("part", np.ones((3, 2, 2)))
    options = [Option(mode, accounts, np.full(3, fixed)) for mode, fixed in (("none", 5.0), ("first_layer", 0.0))]
    report = report_of(options, CHIP, LOAD, LOAD.exit_histogram, ["a note."])
    # A step costs 2 J, and so does what was begun in vain; three samples of four leave after the first.
    assert report.energy_j == 5 + 2 + 0.75 * 2 + 0.25 * 4
    assert report.band("energy_j") == (report.energy_j - 5, report.energy_j, report.energy_j)
    assert [(each.mode, each.energy_j) for each in report.once_modes] == [("none", 9.5), ("first_layer", 4.5)]
    assert report.assumptions[-1] == "a note."
