"""One gate per kind of thing that a user brings: checked and converted once, with one sentence where it cannot be.

Images, labels and events have theirs in :mod:`spikewise.data.formats.checks` and
:mod:`~spikewise.data.formats.event_checks`, images of a deep network in :mod:`spikewise.network.inputs`, networks in
:mod:`spikewise.network.protocol`; features have theirs here.
"""

import sys
from typing import Any

import numpy as np

from spikewise.errors import ParameterError


def as_features(values: Any, what: str = "X") -> Any:
    """Return samples as scikit-learn's checks take them: one row each, whatever shape a sample has.

    Tensors become arrays, lists of pictures too; tables and sparse matrices stay what they are, since the names of
    their columns matter.

    Parameters
    ----------
    values : array, Tensor, table, sparse matrix or list of shape (B, ...)
        Samples.
    what : str
        Name of the samples in an error message.

    Examples
    --------
    >>> as_features(np.zeros((5, 1, 8, 8))).shape, as_features([np.zeros((8, 8))] * 5).shape
    ((5, 64), (5, 64))
    """
    found = as_array(values, what) if _is_tensor(values) else values
    if isinstance(found, list | tuple) and len(found) and np.ndim(found[0]) > 1:
        try:
            found = np.stack([as_array(each, what) for each in found])
        except ValueError:
            shapes = sorted({np.shape(each) for each in found})[:3]
            raise ParameterError(f"{what} must hold samples of one shape; got {shapes}. Scale or crop them.") from None
    return found.reshape(len(found), -1) if isinstance(found, np.ndarray) and found.ndim > 2 else found


def as_array(values: Any, what: str) -> Any:
    """Return values as an array: of a tensor its numbers, wherever it lies and whether or not it has a gradient."""
    if not _is_tensor(values):
        return np.asarray(values)
    values = values.detach().cpu()
    if values.is_sparse or values.layout != sys.modules["torch"].strided:
        raise ParameterError(f"{what} must be a dense tensor; got {values.layout}. Call to_dense().")
    # NumPy has no bfloat16.
    is_short = values.is_floating_point() and values.element_size() < 4
    return (values.float() if is_short else values).numpy()


def _is_tensor(values: Any) -> bool:
    # Whoever brings a tensor has imported torch; nobody else need have it.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)
