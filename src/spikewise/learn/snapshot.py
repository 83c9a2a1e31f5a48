"""A learning network in mid-run, on disk: what it takes to go on and end in the same bits.

Spikes are drawn from stateless streams, so weights, adaptive thresholds and the number of presentations
so far are the whole state.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewise.errors import ParameterError
from spikewise.weights import read_weights, write_weights

_FORMAT = "spikewise-stdp-snapshot-1"
_NOT_LEARNING = ("n_jobs", "random_state")  # settings that change nothing that is learned (the seed is kept apart)


@dataclass(slots=True)
class Tally:
    """What learning has done so far: presentations, output spikes, silent presentations, computed steps."""

    n_seen: int = 0
    n_spikes: int = 0
    n_silent: int = 0
    n_steps: int = 0

    def add(self, n_seen: int, n_spikes: int, n_silent: int, n_steps: int) -> None:
        """Add what a chunk of presentations did."""
        self.n_seen += n_seen
        self.n_spikes += n_spikes
        self.n_silent += n_silent
        self.n_steps += n_steps


def settings_of(estimator: Any) -> dict[str, Any]:
    """Settings of an estimator that decide what it learns."""
    return {key: value for key, value in estimator.get_params().items() if key not in _NOT_LEARNING}


def write_snapshot(
    path: str | os.PathLike[str],
    identity: dict[str, Any],
    weights: NDArray[Any],
    theta: NDArray[np.float32],
    tally: Tally,
) -> None:
    """Replace the snapshot atomically."""
    card = {"format": _FORMAT, "identity": identity, "tally": asdict(tally)}
    write_weights(path, {"weights": weights, "theta": theta}, card, sidecar=False)


def read_snapshot(
    path: str | os.PathLike[str], identity: dict[str, Any], weights: NDArray[Any], theta: NDArray[np.float32]
) -> Tally:
    """Put a snapshot's state into the arrays and return its tally; an empty one if there is no snapshot.

    Raises
    ------
    ParameterError
        If the snapshot belongs to other settings or data.
    DataError
        If it is damaged.
    """
    if not Path(path).exists():
        return Tally()
    tensors, card = read_weights(path, _FORMAT)
    if card["identity"] != identity:
        raise ParameterError(f"{path} must belong to the same settings and data to be resumed. Delete it.")
    weights[:], theta[:] = tensors["weights"], tensors["theta"]
    return Tally(**card["tally"])
