"""What a threshold was found on: of all that could change a network's answers, a name or a digest."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .anytime import AnytimeClassifier, TrainedClassifier


def model_identity(network: AnytimeClassifier) -> dict[str, str]:
    """Identity of a trained network and its engine, for :class:`~spikewise.dynamic.Certificate`.

    Parameters
    ----------
    network : AnytimeClassifier
        As it answers: with these weights, on its device, with its precision.

    Returns
    -------
    dict of str to str
        Digest of weights and settings, engine with version, precision, platform (the kind of device that computes)
        and timesteps; empty of a network of another kind, which says nothing of itself: a certificate of it is void.
    """
    return network.fingerprint() if isinstance(network, TrainedClassifier) else {}


def fingerprint_of(
    arrays: Mapping[str, NDArray[Any]],
    card: Mapping[str, Any],
    *,
    engine: str,
    precision: str,
    device: str,
    n_steps: int,
    more: Iterable[str] = (),
) -> dict[str, str]:
    """Fingerprint of a network from the content of its file, and from what else changes its answers."""
    digest = hashlib.sha256(json.dumps(card, sort_keys=True).encode())
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(values.data)
    digest.update("".join(more).encode())
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("spikewise", engine)]
    return {
        "model": digest.hexdigest(), "engine": " on ".join(versions), "precision": precision, "platform": device,
        "n_steps": str(n_steps),
    }  # fmt: skip
