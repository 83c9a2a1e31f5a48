"""Load a network of the zoo; its files are part of the package, so no internet connection is needed."""

import hashlib
import warnings
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from spikewise._arguments import checks_arguments
from spikewise._files import read_json
from spikewise.dynamic.anytime import AnytimeClassifier
from spikewise.dynamic.fingerprint import model_identity
from spikewise.dynamic.guarantee import Certificate
from spikewise.dynamic.monitor import DriftMonitor, ExitProfile
from spikewise.dynamic.rule import NeverExit, rule_from_dict
from spikewise.dynamic.uncertainty import UncertaintyExit
from spikewise.errors import DataError, ParameterError, require, unknown_name

from .card import ExitCard, ModelCard, RecordedExits

_Kind = TypeVar("_Kind", bound=BaseModel)

FOLDER = Path(__file__).with_name("models")
"""Folder of cards (``NAME.card.json``), weights (``NAME.safetensors``) and workloads (``NAME.exits.json``)."""

WEIGHTS, CARD, EXITS = ".safetensors", ".card.json", ".exits.json"


def model_names() -> list[str]:
    """Return the names of the available networks.

    Examples
    --------
    >>> all(name == load_card(name).name for name in model_names())
    True
    """
    return sorted(path.name.removesuffix(CARD) for path in FOLDER.glob(f"*{CARD}"))


@checks_arguments
def load_card(name: str) -> ModelCard:
    """Read the card of a network.

    Raises
    ------
    ParameterError
        If there is no network of this name.
    DataError
        If the card is damaged.
    """
    if name not in model_names():
        raise unknown_name("model", name, model_names())
    return _read(ModelCard, FOLDER / f"{name}{CARD}", "card of a model")


@checks_arguments
def load_exits(name: str) -> RecordedExits:
    """Read what was counted of a network on its test images, with and without early exit.

    The arguments and errors are those of :func:`load_card`.

    Examples
    --------
    >>> sorted(load_exits("digits-vgg5").exits)
    ['drop-0.002', 'drop-0.005', 'drop-0.01-sure-0.95']
    """
    if name not in model_names():
        raise unknown_name("model", name, model_names())
    return _read(RecordedExits, FOLDER / f"{name}{EXITS}", "record of exit settings")


def _read(kind: type[_Kind], path: Path, what: str) -> _Kind:
    try:
        return kind.model_validate(read_json(path, what))
    except ValidationError as error:
        problem = error.errors()[0]  # the first is enough: a damaged file is replaced as a whole
        where = ".".join(str(part) for part in problem["loc"])
        raise DataError(f"{path} must be a {what}; {where}: {problem['msg']}. Install it again.") from None


@checks_arguments
def load_model(name: str) -> AnytimeClassifier:
    """Load a trained network; a deep one needs the extra ``deep``.

    Parameters
    ----------
    name : str
        One of :func:`model_names`.

    Raises
    ------
    ParameterError
        If there is no network of this name.
    DataError
        If its weights file is absent or not the one that the card describes.
    MissingExtraError
        If it is a deep network and torch is not installed.
    """
    # The checksum on the card ties the published results to exactly these weights.
    card, path = load_card(name), FOLDER / f"{name}{WEIGHTS}"
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path} must be there beside its card; {error}. Install it again.") from None
    if found != card.sha256:
        raise DataError(f"{path} must be the file that its card is about; its content differs. Install it again.")
    # Imported here, because an STDP network must load on a machine without torch.
    if card.kind == "stdp":
        from spikewise.learn.stdp.classifier import STDPClassifier

        return STDPClassifier.load(path)
    require("torch", "deep")
    from spikewise.network.classifier import SpikingClassifier

    return SpikingClassifier.load(path)


@checks_arguments
def load_rule(name: str, setting: str = "drop-0.005") -> UncertaintyExit | NeverExit:
    """Load an exit rule of a network, which was chosen on validation images.

    A guarantee holds only for the version, precision and device with which it was made. Otherwise the rule is a
    heuristic, and a ``UserWarning`` says what differs.

    Parameters
    ----------
    name : str
        One of :func:`model_names`.
    setting : str
        One of the exit settings of its card: ``drop-0.005`` tolerates a loss of half a percentage point of accuracy.
    """
    found = _exit(name, setting)
    if found.certificate:
        try:
            Certificate.from_dict(found.certificate).check(model_identity(load_model(name)))
        except DataError as error:
            warnings.warn(f"{setting} of {name} is a heuristic here: {error}", stacklevel=2)
    return rule_from_dict(found.rule)


@checks_arguments
def load_monitor(
    name: str, setting: str = "drop-0.005", *, window: int = 500, false_alarms: float = 0.001
) -> DriftMonitor:
    """Load a drift monitor of a network, which compares exit steps with those of the calibration images.

    Parameters
    ----------
    name, setting : str
        As in :func:`load_rule`.
    window, false_alarms
        As in :class:`~spikewise.dynamic.DriftMonitor`.
    """
    found = _exit(name, setting)
    rule = rule_from_dict(found.rule)
    # A rule that never exits early gives the same exit step for all data, so there is nothing to compare.
    if not isinstance(rule, UncertaintyExit):
        raise ParameterError(f"setting must be one that stops early to be watched; got {setting!r}.")
    return DriftMonitor(ExitProfile.from_dict(found.profile), rule, window=window, false_alarms=false_alarms)


def _exit(name: str, setting: str) -> ExitCard:
    exits = load_card(name).exits
    if setting not in exits:
        raise unknown_name("exit setting", setting, exits)
    return exits[setting]
