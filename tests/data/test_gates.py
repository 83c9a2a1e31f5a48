"""Features of any shape and kind become rows; what is none is told in one sentence."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from spikewise.data.gates import as_array, as_features
from spikewise.errors import ParameterError

ROWS = np.arange(24.0).reshape(2, 12)


@pytest.mark.parametrize(
    "same", [ROWS, ROWS.reshape(2, 3, 4), list(ROWS.reshape(2, 3, 4)), tuple(ROWS.reshape(2, 12, 1))]
)
def test_a_sample_of_any_shape_is_a_row(same):
    np.testing.assert_array_equal(as_features(same), ROWS)


def test_what_has_names_or_no_zeros_stays_what_it_is():
    pandas = pytest.importorskip("pandas")
    for kept in (csr_array(ROWS), pandas.DataFrame(ROWS), ROWS.tolist(), [1, 2], "text", None):
        assert as_features(kept) is kept


def test_tensors_give_their_numbers():
    torch = pytest.importorskip("torch")
    for kind in (torch.float64, torch.bfloat16):
        tensor = torch.tensor(ROWS, dtype=kind, requires_grad=True).reshape(2, 3, 4)
        np.testing.assert_array_equal(as_features(tensor), ROWS)
        np.testing.assert_array_equal(as_features(list(tensor)), ROWS)
    with pytest.raises(ParameterError, match="samples must be a dense array of numbers"):
        as_array(torch.tensor(ROWS).to_sparse(), "samples")
    with pytest.raises(ParameterError, match="samples must be a dense array of numbers"):
        as_array(torch.zeros(3, device="meta"), "samples")
    with pytest.raises(ParameterError, match="X must hold samples of one shape"):
        as_features([torch.zeros(2, 2), torch.zeros(1, 4)])
