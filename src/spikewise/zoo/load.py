"""Open a network of the zoo; it lies beside the code, so no network connection is needed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import ValidationError

from spikewise._files import read_json
from spikewise.dynamic.anytime import AnytimeClassifier
from spikewise.dynamic.doubt import DoubtExit
from spikewise.dynamic.guarantee import Certificate
from spikewise.dynamic.identity import model_identity
from spikewise.dynamic.rule import NeverExit, rule_from_dict
from spikewise.errors import DataError, require, unknown_name

from .card import ModelCard

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
        from spikewise.learn.stdp import STDPClassifier

        return STDPClassifier.load(path)
    require("torch", "deep")
    from spikewise.network.infer import SpikingClassifier

    return SpikingClassifier.load(path)


def load_rule(name: str, setting: str = "drop-0.005") -> DoubtExit | NeverExit:
    """Exit rule of a network, chosen on validation images.

    Parameters
    ----------
    name : str
        One of :func:`model_names`.
    setting : str
        One of the exit settings of its card: ``drop-0.005`` tolerates half a point of accuracy.

    Raises
    ------
    DataError
        If it carries a guarantee that is void here: another version or device computes.
    """
    exits = load_card(name).exits
    if setting not in exits:
        raise unknown_name("exit setting", setting, exits)
    certificate = exits[setting].certificate
    if certificate:
        Certificate.from_dict(certificate).check(model_identity(FOLDER / f"{name}{WEIGHTS}", load_model(name)))
    return rule_from_dict(exits[setting].rule)
