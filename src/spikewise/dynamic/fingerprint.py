"""Identity of the network that a threshold was calibrated on: a name or a digest of all that changes its answers."""

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .anytime import AnytimeClassifier, TrainedClassifier


def model_identity(network: AnytimeClassifier) -> dict[str, str]:
    """Return the identity of a trained network and its engine, for :class:`~spikewise.dynamic.Certificate`.

    Parameters
    ----------
    network : AnytimeClassifier
        Network with the weights, device and precision in use.

    Returns
    -------
    dict of str to str
        Digest of weights and settings, engine with version, precision, platform (the kind of device that computes)
        and timesteps. Empty for a network that has no ``fingerprint``: a certificate without an identity is void.
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
    """Return the fingerprint of a network, from the content of its file and all else that changes its answers."""
    digest = hashlib.sha256(json.dumps(card, sort_keys=True).encode())
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        # Type and shape too: equal bytes can be different arrays.
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(values.data)
    digest.update("".join(more).encode())
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("spikewise", engine)]
    return {
        "model": digest.hexdigest(), "engine": " on ".join(versions), "precision": precision, "platform": device,
        "n_steps": str(n_steps),
    }  # fmt: skip
