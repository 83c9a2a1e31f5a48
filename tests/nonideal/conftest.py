import numpy as np
import pytest


@pytest.fixture(scope="module")
def one_thread():
    """Torch on one thread, as results of sums may depend on it."""
    torch = pytest.importorskip("torch")
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def images():
    """Small images of noise."""
    return np.random.default_rng(0).integers(0, 256, (24, 1, 8, 8), dtype=np.uint8)


@pytest.fixture(scope="module")
def network(images):
    """A small network whose neurons fire."""
    torch = pytest.importorskip("torch")
    from spikewise.network import build_model

    model = build_model("vgg5", (1, 8, 8), 5, width=0.25)
    model.normalize_by(torch.as_tensor(images))
    with torch.no_grad():
        for _ in range(30):
            model(torch.as_tensor(images), 4)  # settles the normalisation, so that neurons fire
        model.readout.weight.mul_(8)
    return model.eval()
