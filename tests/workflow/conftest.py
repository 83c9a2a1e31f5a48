import pytest

from spikewise.data import load_splits


@pytest.fixture(scope="session")
def splits(few_digits):
    return load_splits(few_digits, validation_fraction=0.2)


@pytest.fixture(autouse=True)
def one_look(monkeypatch):
    """Answers the test images once, not for as long as a good measurement takes."""
    monkeypatch.setattr("spikewise.workflow.energy._LEAST_S", 0.0)
