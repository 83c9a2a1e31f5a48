"""What a threshold was found on: of all that could change a network's answers, a name or a digest."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path
from typing import Any


def model_identity(path: Path, network: Any) -> dict[str, str]:
    """Identity of a trained network and its engine, for :class:`~spikewise.dynamic.Certificate`.

    Parameters
    ----------
    path : Path
        File of its weights.
    network : AnytimeClassifier
        As it answers: on its device, with its precision.

    Returns
    -------
    dict of str to str
        Digest of the weights, engine with version, precision, platform (the device that computes) and timesteps.
    """
    weights = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "not in a file"
    engine, precision, device, n_steps = "unknown", "unknown", "cpu", "unknown"
    if hasattr(network, "encoder_"):
        settings = network.encoder_.engine_.settings
        precision = "float32" if settings.n_bits is None else f"{settings.n_bits} bits"
        engine, n_steps = "numba", str(settings.n_steps)
    elif hasattr(network, "model"):
        first = next(iter(network.model.parameters()))
        precision = str(first.dtype).removeprefix("torch.")
        engine, device, n_steps = "torch", first.device.type, str(network.n_steps)
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("spikewise", engine) if name != "unknown"]
    return {
        "model": weights, "engine": " on ".join(versions), "precision": precision, "platform": device,
        "n_steps": n_steps,
    }  # fmt: skip
