"""What a threshold was found on: of all that could change a network's answers, a name or a digest."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator
from typing import Any

import numpy as np


def model_identity(network: Any) -> dict[str, str]:
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
    if not hasattr(network, "content"):
        return {}
    arrays, card = network.content()
    digest = hashlib.sha256(json.dumps(card, sort_keys=True).encode())
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(values.data)
    if hasattr(network, "encoder_"):
        settings = network.encoder_.engine_.settings
        precision = "float32" if settings.n_bits is None else f"{settings.n_bits} bits"
        engine, device, n_steps = "numba", "cpu", settings.n_steps
    else:
        digest.update("".join(_changed_neurons(network.model)).encode())
        first = next(iter(network.model.parameters()))
        precision, engine, device, n_steps = network.precision, "torch", first.device.type, network.n_steps
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("spikewise", engine)]
    return {
        "model": digest.hexdigest(), "engine": " on ".join(versions), "precision": precision, "platform": device,
        "n_steps": str(n_steps),
    }  # fmt: skip


def _changed_neurons(model: Any) -> Iterator[str]:
    """Neurons that were set otherwise than the network's card says, such as with another threshold."""
    told = getattr(model.spec, "neurons", None)
    for name, module in model.named_modules():
        params = getattr(module, "params", None)
        if hasattr(params, "v_threshold") and params != told:
            yield f"{name} {params!r}"
