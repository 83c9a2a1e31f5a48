"""Convert what a user brings to arrays: tensors, lists, tables and arrays of any kind, features of any shape.

Every public function that takes images, features, labels, scores, counts or events calls a gate. The gates of arrays
are here; they know nothing of what the numbers mean. Those of images and events follow in
:mod:`spikewise.data.formats.checks` and :mod:`~spikewise.data.formats.event_checks`, of the images and labels of a deep
network in :mod:`spikewise.network.inputs`, of networks in :mod:`spikewise.network.protocol`.
"""

import math
import sys
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise.errors import ParameterError, ShapeError, whole_number


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
    """Return values as an array in native byte order: of a tensor its numbers, wherever it lies, gradient or not.

    Raises
    ------
    ParameterError
        If the values are no dense array, or some are masked.
    """
    if type(values) is np.ndarray and values.dtype.isnative:
        return values
    try:
        if _is_tensor(values):
            values = values.detach().cpu()
            # NumPy has no bfloat16.
            is_short = values.is_floating_point() and values.element_size() < 4
            values = (values.float() if is_short else values).numpy()
        if isinstance(values, np.ma.MaskedArray) and values.mask.any():
            raise ValueError("some values are masked")
        found = np.asarray(values)
    # NotImplementedError is torch's word for a tensor without numbers, on the device "meta".
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        told = str(error).rstrip(".")
        raise ParameterError(f"{what} must be a dense array of numbers; {told}. Convert it.") from None
    return found if found.dtype.isnative else found.astype(found.dtype.newbyteorder("="))


def as_numbers(
    values: Any, what: str, least: float = -math.inf, *, ndim: int | None = None, finite: bool = True
) -> NDArray[Any]:
    """Return values as an array of real numbers, of the type they have; truth values count as 0 and 1.

    Parameters
    ----------
    values : array, Tensor, table or list
        Numbers.
    what : str
        Name of the numbers in an error message.
    least : float
        Smallest number that is allowed.
    ndim : int, optional
        Number of dimensions; any if absent.
    finite : bool
        Whether to refuse NaN and infinity.

    Raises
    ------
    ParameterError, ShapeError
        If they are something else.

    Examples
    --------
    >>> as_numbers([True, 2], "counts"), as_numbers(np.array([1, 2.5], object), "counts")
    (array([1, 2]), array([1. , 2.5]))
    """
    found = as_array(values, what)
    if found.dtype.kind == "O" and values is not None:  # a column of a table may hold numbers as Python objects
        with suppress(TypeError, ValueError, OverflowError):
            found = found.astype(np.float64)
    if found.dtype.kind not in "biuf":
        raise ParameterError(f"{what} must be real numbers; got {_kind_of(values, found)}. Convert them.")
    if ndim is not None and found.ndim != ndim:
        raise ShapeError(f"{what} must have {ndim} dimensions; got shape {found.shape}.")
    if finite and found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ParameterError(f"{what} must be finite; got NaN or infinity.")
    if least > -math.inf and found.size and found.min() < least:
        raise ParameterError(f"{what} must be at least {least:g}; got {found.min():g}.")
    return found


def as_whole(values: Any, what: str) -> NDArray[np.int64]:
    """Return whole numbers as ``int64``; truth values and floats without a fraction count.

    Examples
    --------
    >>> as_whole([2.0, 1.0], "labels")
    array([2, 1])
    """
    found = as_numbers(values, what)
    if found.dtype.kind == "f" and (wrong := found != np.rint(found)).any():
        raise ParameterError(f"{what} must hold whole numbers; got {found[wrong][0]:g}. Round them, if they mean that.")
    # Shorter integers and those of 64 bits with a sign fit.
    if found.dtype.kind != "i" and found.size and not -_MOST <= found.min() <= found.max() <= _MOST:
        raise ParameterError(f"{what} must hold whole numbers of at most 2^62; got {found.min()}..{found.max()}.")
    return found.astype(np.int64, copy=False)


def as_rows(index: Any, n_samples: int) -> slice | NDArray[Any]:
    """Return the rows of a choice among samples: a slice, a mask, or indices, negative ones from the end.

    Examples
    --------
    >>> as_rows([True, False, True], 3), as_rows([-1], 3)
    (array([0, 2]), array([-1]))
    """
    if isinstance(index, slice):
        return index
    found = as_array(index, "index")
    if found.shape == (n_samples,) and found.dtype == bool:
        return np.flatnonzero(found)
    if found.ndim != 1 or found.dtype == bool:
        raise ShapeError(f"index must be a slice, a mask or a list of indices of {n_samples} samples; got {index!r}.")
    found = as_whole(found, "index")
    if found.size and not -n_samples <= found.min() <= found.max() < n_samples:
        raise ParameterError(f"index must lie in 0..{n_samples - 1}; got {found.min()}..{found.max()}.")
    return found


MOST_STEPS = 30_000  # catches mistakes: scores of all steps are kept


def step_count(n_steps: Any, least: int = 1) -> int:
    """Return a number of timesteps as an int; raise ParameterError outside ``least..MOST_STEPS``.

    Examples
    --------
    >>> step_count(np.int8(4))
    4
    """
    return whole_number("n_steps", n_steps, least, MOST_STEPS)


def class_numbers(
    values: Any, n_samples: int, n_classes: int, what: str = "y", *, allow_unknown: bool = False
) -> NDArray[np.int64]:
    """Return labels (B,) as class numbers in 0..K-1, or -1 for an unknown class where that is allowed.

    Raises
    ------
    ParameterError, ShapeError
        If they are something else, such as names, or not one per sample.

    Examples
    --------
    >>> class_numbers([1.0, 0.0], 2, n_classes=2).tolist()
    [1, 0]
    """
    found = as_array(values, what)
    if found.dtype.kind in "SU" and found.size:
        example = str(found.flat[0])
        raise ParameterError(f"{what} must hold class numbers; got {example!r}. Give indices into the class names.")
    found = as_whole(found, what)
    if found.shape != (n_samples,):
        raise ShapeError(f"{what} must hold one label per sample ({n_samples}); got shape {found.shape}.")
    low, high = (found.min(), found.max()) if n_samples else (0, 0)
    if low < (-1 if allow_unknown else 0) or high >= n_classes:
        unknown = ", or be -1 where unknown" if allow_unknown else ""
        raise ParameterError(f"{what} must lie in 0..{n_classes - 1}{unknown}; got {low}..{high}.")
    # Contiguous and writeable (a copy if need be): torch warns when it shares read-only memory.
    return np.require(found, np.int64, ["C", "W"])


_MOST = 2**62


def _kind_of(values: Any, found: NDArray[Any]) -> str:
    """Return what values are, for a message."""
    if found.ndim == 0:
        return f"{str(values)[:40]!r}" if isinstance(values, str) else type(values).__name__
    first = found.reshape(-1)[:1].tolist()
    return f"{found.dtype}" if found.dtype.kind != "O" or not first else f"objects such as {first[0]!r}"[:80]


def _is_tensor(values: Any) -> bool:
    # Whoever brings a tensor has imported torch; nobody else need have it.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)
