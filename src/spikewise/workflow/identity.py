"""What a threshold was found on: of all that could change its answers, a name or a digest."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path
from typing import Any

from spikewise.data.images import ImageSet
from spikewise.dynamic.anytime import AnytimeClassifier
from spikewise.runs import MODEL_FILE, Run


def identity_of(run: Run, network: AnytimeClassifier, validation: ImageSet) -> dict[str, str]:
    """Identity of a trained network and its engine, for :class:`~spikewise.dynamic.Certificate`.

    Parameters
    ----------
    run : Run
        Holds the file of weights.
    network : AnytimeClassifier
        As it answers: on its device, with its precision.
    validation : ImageSet
        Images that calibrated.
    """
    return {**model_identity(run.path / MODEL_FILE, network), "data": validation.sha256}


def model_identity(path: Path, network: Any) -> dict[str, str]:
    """Digest of the weights, engine, precision, device and timesteps of a network as it is in memory."""
    weights = hashlib.sha256(path.read_bytes()).hexdigest()
    model = getattr(network, "model", None)
    if model is None:
        settings = network.encoder_.engine_.settings
        precision = "float32" if settings.n_bits is None else f"{settings.n_bits} bits"
        engine, device, n_steps = "numba", "cpu", settings.n_steps
    else:
        first = next(iter(model.parameters()))
        precision = str(first.dtype).removeprefix("torch.")
        engine, device, n_steps = "torch", first.device.type, network.n_steps
    return {
        "model": weights, "engine": f"{engine} {importlib.metadata.version(engine)}", "precision": precision,
        "platform": device, "n_steps": str(n_steps),
    }  # fmt: skip
