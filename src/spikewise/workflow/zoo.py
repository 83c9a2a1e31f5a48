"""From a network of the zoo to a run folder, which every command takes; and from a finished run into the zoo."""

import hashlib
import re
from pathlib import Path
from typing import Any

from spikewise._files import replacing, write_json
from spikewise.dynamic.fingerprint import model_identity
from spikewise.errors import DataError, ParameterError, RunError
from spikewise.price.cost import CostReport
from spikewise.runs.exit_folder import ExitFolder
from spikewise.runs.folder import Run
from spikewise.runs.names import EXIT_FILE, MODEL_FILE
from spikewise.zoo.card import DataCard, ExitCard, ModelCard
from spikewise.zoo.load import CARD, WEIGHTS, load_card, load_model

from .learn import open_network

_MOST_BYTES = 3_000_000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.-]*")


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


def publish(path: Path, name: str, command: str, folder: Path) -> ModelCard:
    """Write ``NAME.safetensors`` and ``NAME.card.json`` into a folder.

    Parameters
    ----------
    path : Path
        Folder of a finished run, with at least one exit setting that was priced.
    name : str
        Of the model.
    command : str
        What was typed to make the run.
    folder : Path
        Where to write.

    Raises
    ------
    DataError
        If the run is not finished, or its weights take more than 3 MB.
    """
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"name must be of letters, digits, dots and dashes, and begin with a letter; got {name!r}."
        )
    run = Run.open(path)
    if "shrink" in run.record["settings"]:
        raise ParameterError(f"a network of the zoo must not be shrunk; {path} is. Publish the run that it came from.")
    weights = path / MODEL_FILE
    network: Any = open_network(run)
    if weights.stat().st_size > _MOST_BYTES:
        raise DataError(f"{weights} must take at most 3 MB; it takes {weights.stat().st_size / 1e6:.1f} MB.")
    identity = model_identity(network)
    exits = {name: _exit(found, identity) for name, found in run.exits.items()}
    record, trace = run.record, run.trace
    if not exits or trace is None:
        raise DataError(f"{path} must hold an exit setting; it has none. Run spikewise exit first.")
    asked, data, metrics = record["settings"]["data"], record["data"], record["metrics"]
    digests = {key.removesuffix("_sha256"): value for key, value in asked.items() if key.endswith("_sha256")}
    by_step = metrics.get("validation_accuracy_by_step", [])
    card = ModelCard(
        name=name, kind=record["kind"], command=command, seed=record["seed"], versions=record["versions"],
        settings={key: value for key, value in record["settings"].items() if key != "data"},
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest(), n_parameters=_n_parameters(network, metrics),
        n_steps=trace.n_steps,
        data=DataCard(
            name=data["name"], n_train=data["n_train"], n_validation=data["n_validation"], n_test=trace.n_samples,
            n_chosen_on=data.get("n_chosen_on", 0), epoch_chosen_on=data.get("epoch_chosen_on"),
            limit=asked.get("limit"), shape=data["shape"], classes=data["classes"], sha256=digests,
        ),
        validation_accuracy={str(step): value for step, value in enumerate(by_step, 1)}
        or {str(trace.n_steps): metrics["validation_accuracy"]},
        accuracy=metrics["accuracy_by_step"], exits=exits, test_evaluations=record["test_evaluations"],
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / f"{name}{WEIGHTS}") as handle:
        handle.write(weights.read_bytes())
    write_json(folder / f"{name}{CARD}", card.model_dump(mode="json"))
    return card


def _exit(folder: ExitFolder, identity: dict[str, str]) -> ExitCard:
    record, prices, choice = folder.record, folder.prices, folder.needed_choice().to_dict()
    if record.identity != identity:
        raise DataError(f"{folder.path / EXIT_FILE} must be about the network that is there; it is about another.")
    found = record.to_dict()
    return ExitCard(
        rule=found["rule"], threshold=record.threshold, asked=found["asked"], accuracy=record.accuracy_exit,
        accuracy_random_exit=record.accuracy_random_exit, mean_steps=record.mean_steps,
        histogram=found["histogram"],
        energy_j={report.platform: report.energy_j for report in prices},
        energy_saving={report.platform: _saving(report) for report in prices},
        edp_saving={report.platform: report.edp_saving for report in prices},
        calibration=found["calibration"], profile=choice["profile"], certificate=choice["certificate"],
    )  # fmt: skip


def _saving(report: CostReport) -> float:
    return 1 - report.energy_j / report.static.energy_j


def _n_parameters(network: Any, metrics: dict[str, Any]) -> int:
    found = metrics.get("n_parameters")
    return int(found if found is not None else network.encoder_.weights_.size)
