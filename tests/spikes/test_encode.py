import numpy as np
import pytest

from spikewise.errors import ParameterError
from spikewise.spikes import direct_encode, poisson_encode


def test_direct_coding_copies_nothing():
    image = np.ones((2, 3))
    train = direct_encode(image, 5)
    assert train.shape == (5, 2, 3)
    assert np.shares_memory(train, image)


def test_poisson_rates_equal_the_intensity():
    intensity = np.array([0.0, 0.25, 1.0])
    rate = poisson_encode(intensity, 40_000, np.random.default_rng(0)).mean(0)
    assert rate[[0, 2]].tolist() == [0.0, 1.0]
    assert rate[1] == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 40_000))


def test_equal_generators_give_equal_trains():
    trains = [poisson_encode(np.full((2, 3), 0.5), 9, np.random.default_rng(1)) for _ in range(2)]
    np.testing.assert_array_equal(*trains)


def test_bad_input_is_refused():
    with pytest.raises(ParameterError, match="n_steps must lie in 1"):
        direct_encode(np.ones(2), 0)
    with pytest.raises(ParameterError, match="intensity must be finite"):
        poisson_encode([0.5, np.nan], 2, np.random.default_rng(0))
