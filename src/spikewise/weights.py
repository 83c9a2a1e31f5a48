"""Write and read trained networks: a safetensors file with a card inside, and a readable copy of the card.

The card (architecture, thresholds, quantisation, classes, ...) travels in the header of the weights
file itself, so that weights and card cannot be separated; the ``.json`` file next to it is for people. The header also
holds a SHA-256 of card and arrays, so that a file with a single flipped bit is refused. Nothing is ever unpickled.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open

from spikewise._files import replacing, write_json
from spikewise._opener import as_path, check_budget, opened
from spikewise._validation import complaint
from spikewise.errors import DataError, ParameterError

_Card = TypeVar("_Card", bound=BaseModel)

_HEADER = "spikewise"
_NAME_A_FILE = "Name a file in it, such as model.safetensors."


def write_weights(
    path: str | os.PathLike[str], tensors: Mapping[str, NDArray[Any]], card: Mapping[str, Any], *, sidecar: bool = True
) -> None:
    """Write arrays and their card to one file atomically, and a readable copy of the card next to it.

    Parameters
    ----------
    path : path
        Target file, usually ``model.safetensors``; the copy of the card gets the suffix ``.json``.
    tensors : mapping of str to array
        Named arrays.
    card : mapping
        Values that JSON can hold; the key ``format`` names the kind of network.
    sidecar : bool
        Whether to write the readable copy.

    Raises
    ------
    ParameterError
        If the path is a folder.
    """
    path = as_path(path)
    if path.is_dir():
        raise ParameterError(f"path must be a file of weights; got the folder {path}. {_NAME_A_FILE}")
    # Native byte order, in which arrays are read back: the checksum includes their types.
    arrays = {name: np.ascontiguousarray(value, value.dtype.newbyteorder("=")) for name, value in tensors.items()}
    # A single entry, because safetensors does not keep the order of several: equal weights give equal files.
    header = {"sha256": _digest(arrays, card), "card": card}
    content = safetensors.numpy.save(arrays, {_HEADER: json.dumps(header, allow_nan=False)})
    if sidecar:  # first, so that the copy is there whenever the weights are
        write_json(Path(path).with_suffix(".json"), dict(card))
    with replacing(path) as handle:
        handle.write(content)


def read_weights(path: str | os.PathLike[str], expected_format: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read the arrays and the card of a weights file, and check them against the checksum.

    Raises
    ------
    DataError
        If the file is absent, a folder, truncated or corrupted, or its card has another format.
    """
    path = as_path(path, "the path of weights", DataError)
    if path.is_dir():
        raise DataError(f"{path} must be weights written by spikewise; it is a folder. {_NAME_A_FILE}")
    with opened(path, "file of weights") as (_, n_bytes):
        check_budget(n_bytes, None, str(path))
    try:
        with safe_open(path, "numpy") as file:
            header = json.loads((file.metadata() or {})[_HEADER])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        card = header["card"]
        if _digest(tensors, card) != header["sha256"]:
            raise ValueError("its content does not fit its checksum")
        found = card["format"]
    except (OSError, KeyError, TypeError, ValueError, RecursionError, SafetensorError) as error:
        raise DataError(
            f"{path} must be weights written by spikewise; {type(error).__name__}: {error}. "
            "Take it from a copy; without one, delete it and train again."
        ) from None
    if found != expected_format:
        raise DataError(f"{path} must hold {expected_format!r}; got {found!r}. Is it of another kind of network?")
    return tensors, card


def as_card(form: type[_Card], card: Mapping[str, Any], path: str | os.PathLike[str]) -> _Card:
    """Return the card of a weights file as typed values; raises DataError, which names the key that is wrong."""
    try:
        # As JSON, in which a list may stand for a tuple: the types must be right all the same.
        return form.model_validate_json(json.dumps(card), strict=True)
    except ValidationError as error:
        raise DataError(f"{path} must have a card of this version, undamaged; {complaint(form, card, error)}") from None


def _digest(arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the card and of each array's name, type, shape and bytes."""
    digest = hashlib.sha256(json.dumps(card, allow_nan=False).encode())
    for name, values in sorted(arrays.items()):
        digest.update(json.dumps([name, values.dtype.str, values.shape]).encode())
        # Flat, because an array without dimensions has no last axis that can be viewed as bytes.
        digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
