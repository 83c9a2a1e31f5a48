import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewise.dynamic import EntropyExit, NeverExit, ScoreTrace, cost_at_accuracy, saving_interval
from spikewise.errors import ParameterError, ShapeError

COSTS = [1.0, 2.0, 3.0, 4.0]


def trace_of(seed, n_samples=2000, n_steps=4):
    """Evidence that becomes surer with every step."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n_samples)
    margins = rng.normal(0.8, 1.0, (n_steps, n_samples)).cumsum(0) * (2 * labels - 1)
    return ScoreTrace.dense(np.stack([-margins, margins], 2), labels)


class Cut:
    """All leave after the same step."""

    def __init__(self, step):
        self.step = step

    def ready(self, score_sum, n_steps):
        return np.full(len(score_sum), n_steps >= self.step)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0, 1), st.data())
def test_more_accuracy_never_costs_less_and_every_cut_costs_itself(accuracies, asked, data):
    costs = np.cumsum(data.draw(st.lists(st.floats(0.1, 10), min_size=len(accuracies), max_size=len(accuracies))))
    found = cost_at_accuracy(accuracies, costs, asked)
    assert costs[0] <= found <= costs[-1]
    assert found <= cost_at_accuracy(accuracies, costs, min(asked + 0.1, 1))
    for place, accuracy in enumerate(accuracies):
        if all(accuracy > before for before in accuracies[:place]):
            assert cost_at_accuracy(accuracies, costs, accuracy) == pytest.approx(costs[place])


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_cut_costs_what_it_costs_and_gains_nothing_over_chance(step):
    found = saving_interval(trace_of(0), Cut(step), COSTS, COSTS, n_draws=50)
    assert found.cost_ratio[0] == pytest.approx(1)
    assert found.above_random == pytest.approx((0, 0, 0), abs=1e-12)
    full = trace_of(0).accuracy_by_step()
    assert found.drop[0] == pytest.approx(full[-1] - full[step - 1])


def test_the_interval_holds_the_figure_of_a_large_population():
    truth = saving_interval(trace_of(1, n_samples=200_000), EntropyExit(0.3), COSTS, COSTS, n_draws=1)
    inside = 0
    for seed in range(40):
        found = saving_interval(trace_of(seed + 2, 1000), EntropyExit(0.3), COSTS, COSTS, n_draws=200, seed=seed)
        inside += found.above_random[1] <= truth.above_random[0] <= found.above_random[2]
        assert found.cost_ratio[1] <= found.cost_ratio[0] <= found.cost_ratio[2]
    assert 33 <= inside <= 40  # 38 expected; both ends lie beyond three standard deviations


def test_impossible_requests_are_refused():
    with pytest.raises(ShapeError, match="one value per step"):
        cost_at_accuracy([0.5], [1.0, 2.0], 0.5)
    with pytest.raises(ShapeError, match="costs must have 4 values"):
        saving_interval(trace_of(0), NeverExit(), [1.0], COSTS)
    with pytest.raises(ParameterError, match="confidence"):
        saving_interval(trace_of(0), NeverExit(), COSTS, COSTS, confidence=1)
