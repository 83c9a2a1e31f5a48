"""A run folder of a network of the zoo, so that every command takes it as if it had been trained here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spikewise.errors import RunError
from spikewise.runs import MODEL_FILE, Run
from spikewise.zoo.card import ModelCard
from spikewise.zoo.load import load_card, load_model


def run_from_zoo(name: str, out: Path) -> tuple[Run, ModelCard]:
    """Make a run of a network of the zoo: its weights, its settings, and every look at the test images so far.

    Exit settings are not brought along, since what they recorded of the test images is not in the card:
    ``spikewise exit`` makes them again.

    Parameters
    ----------
    name : str
        One of :func:`~spikewise.zoo.model_names`.
    out : Path
        Folder of the run.

    Raises
    ------
    ParameterError
        If there is no network of this name.
    RunError
        If the folder holds a run already.
    """
    card, network = load_card(name), load_model(name)
    if (out / "run.json").exists():
        raise RunError(f"{out} must not hold a run yet; it does. Choose another by --out, or delete this one.")
    data = card.data
    asked: dict[str, Any] = {"name": data.name, **{f"{split}_sha256": found for split, found in data.sha256.items()}}
    if card.kind == "stdp":
        asked["limit"] = data.limit
    run = Run.start(out, kind=card.kind, settings={**card.settings, "data": asked}, seed=card.seed)
    with run.locked():
        described = ("name", "shape", "classes", "n_train", "n_validation", "epoch_chosen_on", "n_chosen_on")
        last = max(card.validation_accuracy, key=int)
        metrics: dict[str, Any] = {"validation_accuracy": card.validation_accuracy[last]}
        if card.kind == "deep":
            metrics |= {
                "n_parameters": card.n_parameters,
                "validation_accuracy_by_step": list(card.validation_accuracy.values()),
            }
        run.record["test_evaluations"] = list(card.test_evaluations)
        run.update(
            data={key: value for key, value in data.model_dump().items() if key in described and value is not None},
            metrics=metrics, versions=card.versions,
        )  # fmt: skip
        network.save(run.path / MODEL_FILE)  # type: ignore[attr-defined]
    return run, card
