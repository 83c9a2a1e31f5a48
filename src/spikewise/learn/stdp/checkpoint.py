"""Snapshot of unsupervised learning on disk, from which a run continues and ends in the same bits.

Spikes are drawn from stateless streams, so what the engine learned and the number of presentations so far are the
complete state.
"""

import hashlib
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from spikewise.errors import ParameterError
from spikewise.weights import read_weights, write_weights

from .counters import EventCounts
from .engines.base import Engine

_FORMAT = "spikewise-stdp-snapshot-2"


def fingerprint(X: Any) -> str:
    """Return a hash of all values of an array or a CSR matrix, by which a resumed fit recognises its data."""
    digest = hashlib.sha256()
    for part in (X,) if isinstance(X, np.ndarray) else (X.data, X.indices, X.indptr):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def write_snapshot(path: str | os.PathLike[str], identity: dict[str, Any], engine: Engine) -> None:
    """Replace the snapshot atomically."""
    # "tally" is the name of the event counts in this file format.
    card = {"format": _FORMAT, "identity": identity, "tally": asdict(engine.events)}
    write_weights(path, engine.arrays(), card, sidecar=False)


def samples_learned(path: str | os.PathLike[str]) -> int:
    """Return from how many samples a snapshot has learned, 0 if there is none; raises DataError if it is damaged."""
    if not Path(path).exists():
        return 0
    return int(read_weights(path, _FORMAT)[1]["tally"]["n_samples"])


def read_snapshot(path: str | os.PathLike[str], identity: dict[str, Any], engine: Engine) -> None:
    """Restore the state of an engine from a snapshot, if there is one.

    Raises
    ------
    ParameterError
        If the snapshot belongs to other settings or data.
    DataError
        If the snapshot is damaged.
    """
    if not Path(path).exists():
        return
    tensors, card = read_weights(path, _FORMAT)
    if card["identity"] != identity:
        raise ParameterError(f"{path} must belong to the same settings and data to be resumed. Delete it.")
    engine.restore(tensors)
    engine.events = EventCounts(**card["tally"])
