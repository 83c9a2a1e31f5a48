import pytest

from spikewise.data import load_splits


@pytest.fixture(scope="session")
def splits(few_digits):
    return load_splits(few_digits, validation_fraction=0.2)
