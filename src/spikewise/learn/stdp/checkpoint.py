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
from pydantic import BaseModel, ConfigDict, JsonValue

from spikewise.errors import DataError, ParameterError, ShapeError
from spikewise.weights import as_card, read_weights, write_weights
from spikewise.workload.records import record

from .counters import EventCounts
from .engines.base import Engine

_FORMAT = "spikewise-stdp-snapshot-2"


class SnapshotCard(BaseModel):
    """What a snapshot says beside its arrays: whose it is, and the events so far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    identity: dict[str, JsonValue]
    tally: dict[str, JsonValue]


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
    return record("tally", EventCounts, as_card(SnapshotCard, read_weights(path, _FORMAT)[1], path).tally).n_samples


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
    tensors, raw = read_weights(path, _FORMAT)
    card = as_card(SnapshotCard, raw, path)
    if card.identity != identity:
        raise ParameterError(f"{path} must belong to the same settings and data to be resumed. Delete it.")
    try:
        events = record("tally", EventCounts, card.tally)
        engine.restore(tensors)
    except (ParameterError, ShapeError) as error:
        raise DataError(f"{path} must be a snapshot written by spikewise; {error} Delete it to begin anew.") from None
    engine.events = events
