"""From a network of the zoo to a run folder, which every command takes; and from a finished run into the zoo."""

import hashlib
import re
from pathlib import Path
from typing import Any

from spikewise._files import replacing, write_json
from spikewise.dynamic.fingerprint import model_identity
from spikewise.dynamic.guarantee import Certificate
from spikewise.dynamic.monitor import ExitProfile
from spikewise.errors import DataError, ParameterError, RunError
from spikewise.price.cost import CostReport
from spikewise.runs.exit_folder import ExitFolder
from spikewise.runs.exit_record import ChoiceRecord, ExitRecord
from spikewise.runs.folder import Run
from spikewise.runs.names import EXIT_FILE, EXITS, MODEL_FILE, WORKLOAD_FILE
from spikewise.workload.workload import Workload
from spikewise.zoo.card import DataCard, ExitCard, ModelCard, RecordedExit, RecordedExits
from spikewise.zoo.load import CARD, WEIGHTS, load_card, load_exits, load_model
from spikewise.zoo.load import EXITS as EXITS_OF_CARD

from .early_exit import price_exit
from .learn import open_network

_MOST_BYTES = 3_000_000
_NEWEST = "drop-0.005"  # what commands take if no exit setting is named
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.-]*")


def run_from_zoo(name: str, out: Path) -> tuple[Run, ModelCard]:
    """Make a run of a network of the zoo: its weights, its settings, and every look at the test images so far.

    Its exit settings come along as they were recorded when the network was published, the newest with a loss of at most
    half a percentage point, so that the run can be priced and compared without the data. Traces, pictures and timings
    do not: ``spikewise exit`` makes a setting again, with all of them.

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
        If the folder holds a run of another network. In one of the same network only what is missing is made.
    """
    card, network = load_card(name), load_model(name)
    data = card.data
    asked: dict[str, Any] = {"name": data.name, **{f"{split}_sha256": found for split, found in data.sha256.items()}}
    if card.kind == "stdp":
        asked["limit"] = data.limit
    run = Run.start(out, kind=card.kind, settings={**card.settings, "data": asked}, seed=card.seed)
    with run.locked():
        if (run.path / MODEL_FILE).exists() and model_identity(open_network(run)) != model_identity(network):
            raise RunError(f"{out} must not hold a run of another network; it does. Choose another by --out.")
        described = ("name", "shape", "classes", "n_train", "n_validation", "epoch_chosen_on", "n_chosen_on")
        last = max(card.validation_accuracy, key=int)
        metrics: dict[str, Any] = {"validation_accuracy": card.validation_accuracy[last]}
        if card.kind == "deep":
            metrics |= {
                "n_parameters": card.n_parameters,
                "validation_accuracy_by_step": list(card.validation_accuracy.values()),
            }
        run.record["test_evaluations"] = run.record["test_evaluations"] or list(card.test_evaluations)
        run.update(
            data={key: value for key, value in data.model_dump().items() if key in described and value is not None},
            metrics=metrics, versions=card.versions,
        )  # fmt: skip
        network.save(run.path / MODEL_FILE)  # type: ignore[attr-defined]
        _bring_exits(run, card)
    return run, card


def _bring_exits(run: Run, card: ModelCard) -> None:
    """Write workload, exit settings and prices of a published network into its run."""
    recorded = load_exits(card.name)
    Workload.from_dict(recorded.load).write(run.path / WORKLOAD_FILE)
    for name in sorted(recorded.exits, key=lambda name: (name == _NEWEST, name)):
        if name in run.exits and run.exits[name].prices:
            continue
        found, choice = recorded.exits[name], card.exits[name]
        certificate = None if choice.certificate is None else Certificate.from_dict(choice.certificate)
        folder = ExitFolder(run.path / EXITS / name)
        folder.write(ChoiceRecord(certificate, ExitProfile.from_dict(choice.profile)), Workload.from_dict(found.load))
        # The rule of the card: its certificate names it to the last bit.
        record = ExitRecord.model_validate({**found.record, "rule": choice.rule})
        run.add_exit(folder, record, timings={}, measured={}, accuracy_by_step=card.accuracy)
        price_exit(run, name, record.asked.platform)


def publish(path: Path, name: str, command: str, folder: Path) -> ModelCard:
    """Write ``NAME.safetensors``, ``NAME.card.json`` and ``NAME.exits.json`` into a folder.

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
        raise DataError(f"{path} must hold an exit setting; it has none. Run: spikewise exit {path} --max-drop 0.005")
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
    exits_of = {key: RecordedExit(record=f.record.to_dict(), load=f.load.to_dict()) for key, f in run.exits.items()}
    recorded = RecordedExits(load=run.load.to_dict(), exits=exits_of)
    write_json(folder / f"{name}{EXITS_OF_CARD}", recorded.model_dump(mode="json"))
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
