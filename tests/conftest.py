import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory):
    """A small .npz of real digits, for runs of seconds."""
    path = tmp_path_factory.mktemp("data") / "few.npz"
    images, labels = load_digits(return_X_y=True)
    np.savez(path, images=(images[:300] * 15.9).astype(np.uint8).reshape(-1, 8, 8), labels=labels[:300])
    return path
