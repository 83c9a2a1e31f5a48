"""Open a network of the zoo; it lies beside the code, so no network connection is needed."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

from pydantic import ValidationError

from spikewise._files import read_json
from spikewise.dynamic.anytime import AnytimeClassifier
from spikewise.dynamic.fingerprint import model_identity
from spikewise.dynamic.guarantee import Certificate
from spikewise.dynamic.monitor import DriftMonitor, ExitProfile
from spikewise.dynamic.rule import NeverExit, rule_from_dict
from spikewise.dynamic.uncertainty import UncertaintyExit
from spikewise.errors import DataError, ParameterError, require, unknown_name

from .card import ExitCard, ModelCard

FOLDER = Path(__file__).with_name("models")
"""Where cards (``NAME.card.json``) and weights (``NAME.safetensors``) lie."""

WEIGHTS, CARD = ".safetensors", ".card.json"


def model_names() -> list[str]:
    """Names of the networks that are there.

    Examples
    --------
    >>> all(name == load_card(name).name for name in model_names())
    True
    """
    return sorted(path.name.removesuffix(CARD) for path in FOLDER.glob(f"*{CARD}"))


def load_card(name: str) -> ModelCard:
    """Card of a network.

    Raises
    ------
    ParameterError
        If there is no network of this name.
    DataError
        If the card is damaged.
    """
    if name not in model_names():
        raise unknown_name("model", name, model_names())
    path = FOLDER / f"{name}{CARD}"
    try:
        return ModelCard.model_validate(read_json(path, "card of a model"))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise DataError(f"{path} must be a card of a model; {where}: {problem['msg']}. Install it again.") from None


def load_model(name: str) -> AnytimeClassifier:
    """A trained network, ready to answer; a deep one needs the extra ``deep``.

    Parameters
    ----------
    name : str
        One of :func:`model_names`.

    Raises
    ------
    ParameterError
        If there is no network of this name.
    DataError
        If its file is not the one that the card is about.
    MissingExtraError
        If it is a deep network and torch is absent.
    """
    card, path = load_card(name), FOLDER / f"{name}{WEIGHTS}"
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path} must be there beside its card; {error}. Install it again.") from None
    if found != card.sha256:
        raise DataError(f"{path} must be the file that its card is about; its content differs. Install it again.")
    if card.kind == "stdp":
        from spikewise.learn.stdp.classifier import STDPClassifier

        return STDPClassifier.load(path)
    require("torch", "deep")
    from spikewise.network.classifier import SpikingClassifier

    return SpikingClassifier.load(path)


def load_rule(name: str, setting: str = "drop-0.005") -> UncertaintyExit | NeverExit:
    """Exit rule of a network, chosen on validation images.

    Parameters
    ----------
    name : str
        One of :func:`model_names`.
    setting : str
        One of the exit settings of its card: ``drop-0.005`` tolerates half a point of accuracy.

    A rule with a guarantee is a heuristic where another version, precision or device computes: a ``UserWarning`` says
    what differs.
    """
    found = _exit(name, setting)
    if found.certificate:
        try:
            Certificate.from_dict(found.certificate).check(model_identity(load_model(name)))
        except DataError as error:
            warnings.warn(f"{setting} of {name} is a heuristic here: {error}", stacklevel=2)
    return rule_from_dict(found.rule)


def load_monitor(
    name: str, setting: str = "drop-0.005", *, window: int = 500, false_alarms: float = 0.001
) -> DriftMonitor:
    """Drift monitor of a network, which knows how the calibration images left.

    Parameters
    ----------
    name, setting : str
        As in :func:`load_rule`.
    window, false_alarms
        As in :class:`~spikewise.dynamic.DriftMonitor`.
    """
    found = _exit(name, setting)
    rule = rule_from_dict(found.rule)
    if not isinstance(rule, UncertaintyExit):
        raise ParameterError(f"setting must be one that stops early to be watched; got {setting!r}.")
    return DriftMonitor(ExitProfile.from_dict(found.profile), rule, window=window, false_alarms=false_alarms)


def _exit(name: str, setting: str) -> ExitCard:
    exits = load_card(name).exits
    if setting not in exits:
        raise unknown_name("exit setting", setting, exits)
    return exits[setting]
