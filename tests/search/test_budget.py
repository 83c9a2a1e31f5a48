import pytest

from spikewise.errors import ParameterError
from spikewise.search.budget import Budget, quantity


@pytest.mark.parametrize(
    ("words", "unit", "expected"),
    [("200kB", "bit", 1.6e6), ("1 Mbit", "bit", 1e6), ("20uJ", "J", 2e-5), ("20 µJ", "J", 2e-5), ("5ms", "s", 5e-3),
     ("1.5e-3J", "J", 1.5e-3), ("40nJ", "J", 4e-8)],
)  # fmt: skip
def test_quantities_come_in_base_units(words, unit, expected):
    assert quantity(words, unit) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("words", "unit"),
    [("200", "bit"), ("20uJ", "bit"), ("kB", "bit"), ("0J", "J"), ("1.2.3J", "J"), ("-5J", "J"), ("5 parsecs", "s")],
)
def test_what_is_no_quantity_is_refused(words, unit):
    with pytest.raises(ParameterError, match="a limit must be"):
        quantity(words, unit)


def test_a_budget_names_what_is_missed():
    budget = Budget(memory_bits=100, energy_j=1.0, accuracy=0.9)
    assert budget.exceeded({"memory_bits": 100, "energy_j": 1.0, "accuracy": 0.9}) == []
    assert budget.exceeded({"memory_bits": 101, "accuracy": 0.89, "latency_s": 9}) == ["memory_bits", "accuracy"]
