"""Check the samples of an STDP estimator: scikit-learn's rules, in one sentence that names the argument."""

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from spikewise._gates import as_features
from spikewise.errors import ParameterError

_DTYPES = [np.float64, np.float32, np.uint8]


class _NotNumbersError(ParameterError, TypeError):
    """Objects that are no numbers; scikit-learn's rules ask for a TypeError."""


def check_features(estimator: Any, X: Any, *y: Any, reset: bool) -> Any:
    """Return samples as an array or CSR matrix (B, n_inputs), and their labels if given.

    With ``reset`` the number of features and their names are learned, otherwise compared.

    Raises
    ------
    ParameterError
        If they are no finite numbers, or do not fit one another or what was learned.
    """
    found = as_features(X)
    if isinstance(found, np.ndarray) and found.dtype.kind in "mM":
        raise ParameterError(f"X must be real numbers; got {found.dtype}. Convert them.")
    try:
        return validate_data(estimator, found, *y, reset=reset, dtype=_DTYPES, accept_sparse="csr")
    except (TypeError, ValueError) as error:
        first, *more = str(error).splitlines() or [type(error).__name__]
        if "feature names" in first:  # the lines below list them
            raise
        # The lines between show the values.
        told = " ".join([first[:200].rstrip(":."), *(line for line in more if line.startswith("Reshape"))])
        kind = _NotNumbersError if isinstance(error, TypeError) else ParameterError
        must = "X and y must hold a row of finite numbers and a label" if y else "X must hold a row of finite numbers"
        raise kind(f"{must} per sample; {told}.") from None
