"""Convert what a user brings to arrays: tensors, lists and arrays of any kind, features of any shape.

The checks of each kind of thing come afterwards: of images, labels and events of a file in
:mod:`spikewise.data.formats.checks` and :mod:`~spikewise.data.formats.event_checks`, of the images and labels of a deep
network in :mod:`spikewise.network.inputs`, of networks in :mod:`spikewise.network.protocol`, of features in
scikit-learn.
"""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        pictures = [as_array(each, what) for each in found]
        if len(shapes := {each.shape for each in pictures}) > 1:
            raise ParameterError(
                f"{what} must hold samples of one shape; got {sorted(shapes)[:3]}. Scale or crop them."
            )
        found = np.stack(pictures)
    return found.reshape(len(found), -1) if isinstance(found, np.ndarray) and found.ndim > 2 else found


def as_array(values: Any, what: str) -> NDArray[Any]:
    """Return values as an array: of a tensor its numbers, wherever it lies and whether or not it has a gradient.

    Raises
    ------
    ParameterError
        If the values are no dense array.
    """
    try:
        if _is_tensor(values):
            values = values.detach().cpu()
            # NumPy has no bfloat16.
            is_short = values.is_floating_point() and values.element_size() < 4
            values = (values.float() if is_short else values).numpy()
        return np.asarray(values)
    # NotImplementedError is torch's word for a tensor without numbers, on the device "meta".
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        told = str(error).rstrip(".")
        raise ParameterError(f"{what} must be a dense array of numbers; {told}. Convert it.") from None


def _is_tensor(values: Any) -> bool:
    # Whoever brings a tensor has imported torch; nobody else need have it.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)
